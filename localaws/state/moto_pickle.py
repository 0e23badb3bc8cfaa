"""Writes moto's memory to a file and reads it back.

moto keeps all resources in Python objects that it does not store. They are pickled in one piece, so that objects that
two services share stay shared. Locks, private keys, functions inside functions, and dictionaries with constructors or
items of their own need help; moto's backend dictionaries belong to the process and are referred to by name.

A pickle can run code when it is read. The file is private to the user (mode 0600), and the reader accepts only classes
of the packages below and the functions of this module.
"""

import importlib
import pickle
import threading
from collections import defaultdict
from collections.abc import Callable
from enum import Enum
from types import CellType, CodeType, FunctionType, MethodType
from typing import IO, Any
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives import serialization
from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.s3.utils import _VersionedKeyStore

PACKAGES = frozenset(
    {"moto", "collections", "datetime", "decimal", "uuid", "ipaddress", "pathlib", "dateutil", "tzlocal"}
)
BUILTINS = frozenset({"set", "frozenset", "bytearray", "complex", "slice", "range", "object", "dict", "list", "tuple"})
OTHERS = frozenset(
    {
        ("requests.structures", "CaseInsensitiveDict"),
        ("re", "_compile"),
        ("copyreg", "_reconstructor"),
        ("localaws.services.mlflow_app_resource", "MlflowAppResource"),
    }
)
LOCK_TYPES = (type(threading.Lock()), type(threading.RLock()))
# What a BackendDict has from its class; everything else that it has belongs to the state.
OWN = frozenset({"backend", "service_name", "_use_boto3_regions", "_additional_regions", "_id"})


class UnreadableError(Exception):
    """The file is not a state that this process can read."""


def dump(file: IO[bytes]) -> None:
    """Writes every backend that is in use.

    Raises:
        TypeError, pickle.PicklingError, AttributeError: an object that cannot be written.
    """
    services = {
        _name(instance): (
            {name: value for name, value in vars(instance).items() if name not in OWN},
            list(instance.iter_backends()),
        )
        for instance in list(BackendDict._instances)
    }
    _Pickler(file, protocol=5).dump(services)


def load(file: IO[bytes]) -> None:
    """Replaces moto's backends by those of the file.

    Raises:
        UnreadableError: the file is damaged, or was written by another version of moto or Python.
    """
    try:
        services: dict[str, tuple[dict[str, Any], list[tuple[str, str, Any]]]] = _Unpickler(file).load()
        found = [(get_backend(service), *saved) for service, saved in services.items()]
    except Exception as error:  # A damaged pickle can raise nearly anything.
        raise UnreadableError(str(error) or type(error).__name__) from error
    for instance, attributes, backends in found:
        vars(instance).update(attributes)
        for account, region, backend in backends:
            instance[account][region] = backend


def _name(instance: Any) -> str:
    name: str = instance.service_name
    if get_backend(name) is not instance:
        raise pickle.PicklingError(f"moto does not find the service {name} by its name")
    return name


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Enum):
            # Python 3.11.0 to 3.11.3 pickle a member as a call of getattr, which no state may contain.
            return type(value), (value.value,)
        if isinstance(value, LOCK_TYPES):
            return (_lock if isinstance(value, LOCK_TYPES[0]) else _rlock), ()
        if isinstance(value, threading.Condition):
            return _condition, ()
        if type(value).__module__.startswith("cryptography.") and hasattr(value, "private_bytes"):
            pem = value.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return _private_key, (pem,)
        if isinstance(value, FunctionType) and "<locals>" in value.__qualname__:
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            place = value.__module__, value.__qualname__, value.__code__.co_firstlineno
            return _local_function, (*place, value.__defaults__, cells)
        if isinstance(value, defaultdict) and type(value) is not defaultdict:
            return _default_dict, (type(value), value.default_factory), vars(value), None, iter(value.items())
        if isinstance(value, WeakValueDictionary):
            return _weak_values, (), None, None, iter(list(value.items()))
        if isinstance(value, _VersionedKeyStore):
            return _key_store, (list(dict.items(value)),)
        if isinstance(value, MethodType):
            return _method, (value.__self__, value.__name__)
        if isinstance(value, BackendDict):
            return _backend_dict, (value.service_name,)
        if isinstance(value, type | FunctionType) and value not in REBUILDERS.values() and not _is_allowed(value):
            raise pickle.PicklingError(f"{value.__module__}.{value.__qualname__} is not allowed in a saved state")
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name in REBUILDERS:
            return REBUILDERS[name]
        found = super().find_class(module, name) if _is_named(module) else None
        if found is None or not _is_allowed(found):
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a saved state")
        return found


def _is_named(module: str) -> bool:
    """Whether a name may be looked up at all: importing a module runs its code."""
    return module == "builtins" or module in {name for name, _ in OTHERS} or _package(module) in PACKAGES


def _is_allowed(value: Any) -> bool:
    """Whether a class or function may be part of a state. The module is where it is defined, not where it is found."""
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    if (module, name) in OTHERS or (module == "builtins" and name in BUILTINS):
        return True
    return isinstance(value, type) and _package(module) in PACKAGES


def _package(module: str) -> str:
    return module.partition(".")[0].lstrip("_")


def _lock() -> Any:
    return threading.Lock()


def _rlock() -> Any:
    return threading.RLock()


def _condition() -> Any:
    return threading.Condition()


def _default_dict(cls: type[Any], factory: Any) -> Any:
    """A subclass of defaultdict, whose own constructor takes other arguments."""
    made: Any = defaultdict.__new__(cls)
    made.default_factory = factory
    return made


def _weak_values() -> Any:
    """moto's Lambda finds functions by their ARNs in one. Other objects of the state refer to the values."""
    return WeakValueDictionary()


def _key_store(items: list[tuple[str, Any]]) -> Any:
    """A bucket's keys. Its own `items` gives the newest versions only, and setting an item adds a version."""
    made = _VersionedKeyStore()
    dict.update(made, items)
    return made


def _method(owner: Any, name: str) -> Any:
    found = getattr(owner, name)
    if not isinstance(found, MethodType) or _package(type(owner).__module__) != "moto":
        raise pickle.UnpicklingError(f"{name} of {type(owner).__qualname__} is not allowed in a saved state")
    return found


def _private_key(pem: bytes) -> Any:
    return serialization.load_pem_private_key(pem, password=None)


def _backend_dict(service: str) -> Any:
    return get_backend(service)


def _local_function(module: str, qualname: str, line: int, defaults: Any, cells: list[Any]) -> FunctionType:
    """Builds a function that moto defines inside another one, from the code of the outer one."""
    if module.partition(".")[0] != "moto":
        raise pickle.UnpicklingError(f"{module}.{qualname} is not allowed in a saved state")
    outer, *inner = qualname.split(".<locals>.")
    found: Any = importlib.import_module(module)
    namespace = vars(found)
    for name in outer.split("."):
        found = getattr(found, name)
    code: CodeType = found.__code__
    for name in inner[:-1]:
        code = _nested(code, lambda one, name=name: one.co_name == name)  # type: ignore[misc]
    code = _nested(code, lambda one: one.co_name == inner[-1] and one.co_firstlineno == line)
    return FunctionType(code, namespace, inner[-1], defaults, tuple(CellType(cell) for cell in cells))


def _nested(code: CodeType, wanted: Callable[[CodeType], bool]) -> CodeType:
    return next(one for one in code.co_consts if isinstance(one, CodeType) and wanted(one))


REBUILDERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        _lock,
        _rlock,
        _condition,
        _private_key,
        _default_dict,
        _weak_values,
        _key_store,
        _method,
        _backend_dict,
        _local_function,
    )
}
