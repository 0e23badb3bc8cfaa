"""Keeps the parameters of a request that its operation has.

AWS and moto ignore the others. A permission that is derived from one of them would be for another resource than the one
that the operation changes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

# More parts than a name of any operation has: each part of a name is a mapping of its own.
_DEPTH = 12
# Every request of the query protocol has these two.
_COMMON = ("Action", "Version")


def located(model: Any) -> dict[str, Any]:
    """The parameters of an operation that belong into the URL, by their names there."""
    members = model.input_shape.members.items() if model.input_shape else ()
    found = [(name, shape) for name, shape in members if shape.serialization.get("location") == "querystring"]
    return {shape.serialization.get("name", name): shape for name, shape in found}


def of_form(model: Any, given: Mapping[str, str], protocol: str) -> dict[str, Any]:
    """The parameters of the query protocol, each also as what it stands for: a list, a structure or a map.

    The members of a list are read in the order of their numbers, also with gaps.
    """
    members = model.input_shape.members if model.input_shape else {}
    known = {wire: shape for name, shape in members.items() for wire in _form_names(name, shape, protocol)}
    kept: dict[str, Any] = {}
    lists: dict[str, list[str]] = {}
    for name, value in given.items():
        if name in _COMMON:
            kept[name] = value
        shape = known.get(name.partition(".")[0])
        if shape is None:
            continue
        kept[name] = value
        start, member, number = name.rpartition(".member.")
        # A text that is sent as a list (`RoleName.member.1=a`) does not replace the text.
        if member and number.isdigit() and ("." in start or shape.type_name == "list"):
            lists.setdefault(start, []).append(value)
    tree = _tree(kept)
    nested = {
        name: value
        for name, shape in members.items()
        for wire in _form_names(name, shape, protocol)
        if wire in tree and isinstance(value := _read(shape, tree[wire], protocol), dict | list) and value
    }
    return kept | nested | lists


def of_json(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a JSON body."""
    shape = model.input_shape
    if shape is not None and "payload" in shape.serialization:
        # The body is one member; a text or file has no parameters.
        shape = shape.members[shape.serialization["payload"]]
    members = getattr(shape, "members", {}).items()
    inside = [(name, member.serialization) for name, member in members if "location" not in member.serialization]
    known = {wire.get("name", name) for name, wire in inside}
    return {name: value for name, value in given.items() if name in known}


def _tree(given: Mapping[str, str]) -> dict[str, Any]:
    """Names with dots as nested mappings; a value is at the key ""."""
    root: dict[str, Any] = {}
    for name, value in given.items():
        node = root
        for part in name.split(".", _DEPTH):
            node = node.setdefault(part, {})
        node[""] = value
    return root


def _read(shape: Any, node: dict[str, Any], protocol: str) -> Any:
    """What a part of the names stands for. moto's own parser takes quadratic time, and no signature is checked yet."""
    if shape.type_name == "structure":
        found = [
            (name, inner, wire) for name, inner in shape.members.items() for wire in _form_names(name, inner, protocol)
        ]
        return {name: _read(inner, node[wire], protocol) for name, inner, wire in found if wire in node}
    if shape.type_name == "list":
        items = node.get(shape.member.serialization.get("name", "member"), node)
        return [_read(shape.member, one, protocol) for one in _numbered(items)]
    if shape.type_name == "map":
        names = [one.serialization.get("name", name) for one, name in ((shape.key, "key"), (shape.value, "value"))]
        pairs = [[one.get(name, {}) for name in names] for one in _numbered(node.get("entry", node))]
        return {str(key.get("", "")): _read(shape.value, value, protocol) for key, value in pairs}
    return node.get("", "")


def _numbered(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        node[number] for number in sorted((name for name in node if name.isdigit()), key=lambda one: (len(one), one))
    ]


def _form_names(name: str, shape: Any, protocol: str) -> Iterator[str]:
    """The names of a member in a form, as moto's parser reads them. A flattened list has the name of its members."""
    wire = shape.serialization
    found = wire.get("locationNameForQueryCompatibility") or wire.get("name", name)
    if protocol == "ec2":
        found = wire.get("queryName") or found[0].upper() + found[1:]
    yield found
    if shape.type_name == "list" and wire.get("flattened") and "name" in shape.member.serialization:
        yield shape.member.serialization["name"]
