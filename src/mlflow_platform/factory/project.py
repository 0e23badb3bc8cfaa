"""An MLflow project as the pipeline's code: its entry points, its files, and their upload to S3."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common import errors
from mlflow_common.errors import InputError
from mlflow_common.safe_path import UnsafeNameError, below

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REQUIRED = ("prepare", "train", "evaluate")
_SKIPPED_FOLDERS = {"__pycache__", "mlruns", "prepared", "tuned", "model", "report", "tests"}
# The local tracking database of `mlflow run`. It changes with each run, so the steps would never be cached.
_TRACKING_DATABASE = {f"mlflow.db{ending}" for ending in ("", "-journal", "-shm", "-wal")}
_MOST_BYTES = 50 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the runner imports besides Python's standard library, from the folder src beside it.
_IMPORTED = ("__init__.py", "errors.py", "safe_path.py", "unpacking.py")


@dataclass(frozen=True)
class EntryPoint:
    """An entry point: its parameters with their defaults (None: no default), and its command.

    Attributes:
        numbers: the parameters that the project declares as numbers (`float`).
    """

    parameters: Mapping[str, str | None]
    command: str
    numbers: frozenset[str] = frozenset()

    def check(self, name: str, value: str) -> None:
        """Check the value of a parameter, before anything is started.

        Raises:
            InputError: it is not a number, and the project declares one.
        """
        if name not in self.numbers:
            return
        try:
            float(value)
        except ValueError:
            raise InputError(f"the parameter {name!r} is a number in MLproject (float), not {value!r}.") from None


@dataclass(frozen=True)
class Project:
    """An MLflow project.

    Attributes:
        folder: where it is.
        requirements: the packages that its environment file names.
    """

    folder: Path
    entry_points: Mapping[str, EntryPoint]
    requirements: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Project:
        """Read the files MLproject and python_env.yaml of a project.

        Raises:
            InputError: they are missing or invalid, or the entry points that the pipeline runs are missing.
        """
        content = _yaml(folder / "MLproject")
        points = content.get("entry_points")
        if not isinstance(points, dict):
            raise InputError(f"{folder / 'MLproject'} has no entry_points.")
        if missing := [name for name in REQUIRED if name not in points]:
            raise InputError(
                f"{folder / 'MLproject'} has no entry point {missing[0]!r}. The pipeline runs {', '.join(REQUIRED)}, "
                "and tune if there is one."
            )
        read = {str(name): _entry_point(folder, str(name), given) for name, given in points.items()}
        environment = str(content.get("python_env") or "python_env.yaml")
        try:
            file = below(folder, environment)
        except UnsafeNameError:
            raise InputError(f"{folder / 'MLproject'}: python_env must be a file of the project.") from None
        lines = (_yaml(file).get("dependencies") or []) if file.is_file() else []
        if not all(isinstance(line, str) for line in lines):
            raise InputError(f"{file}: each dependency must be a text such as scikit-learn==1.9.1.")
        return cls(folder, read, tuple(lines))

    def check_complete(self, values: Mapping[str, Mapping[str, str]], filled_in: Mapping[str, Collection[str]]) -> None:
        """Check that each parameter of each step gets a value, before the steps before it run.

        Args:
            values: for an entry point, values of its parameters.
            filled_in: for an entry point, the parameters that the pipeline fills in.

        Raises:
            InputError: one has neither a value nor a default, and the pipeline does not fill it in.
        """
        for entry in (one for one in filled_in if one in self.entry_points):
            for name, default in self.entry_points[entry].parameters.items():
                if default is None and name not in {*filled_in[entry], *values.get(entry, {})}:
                    raise InputError(
                        f"the parameter {name!r} of the entry point {entry!r} has no value. Give it with "
                        f"--set {entry}.{name}=VALUE, or give it a default in MLproject."
                    )

    def files(self, runner: Path) -> dict[str, bytes]:
        """What the jobs get, by path: the runner as job.py and what it imports, project.json, and the project's folder.

        Raises:
            InputError: the files are too large; data does not belong to the code.
        """
        common = Path(errors.__file__).parent
        found = {f"src/mlflow_common/{module}": below(common, module).read_bytes() for module in _IMPORTED}
        found["job.py"] = runner.read_bytes()
        name = self.folder.resolve().name
        for file in sorted(self.folder.rglob("*")):
            relative = file.relative_to(self.folder)
            hidden = any(part.startswith(".") for part in relative.parts)
            result = _SKIPPED_FOLDERS.intersection(relative.parts[:-1]) or str(relative) in _TRACKING_DATABASE
            if file.is_file() and not hidden and not result:
                found[f"{name}/{relative.as_posix()}"] = file.read_bytes()
        size = sum(map(len, found.values()))
        if size > _MOST_BYTES:
            raise InputError(
                f"the project {self.folder} has {size / 1e6:.0f} MB of files, and the code of a pipeline at most "
                f"{_MOST_BYTES / 1e6:.0f} MB. Move the data out of it and name it with --data."
            )
        points = {
            name: {"parameters": one.parameters, "command": one.command} for name, one in self.entry_points.items()
        }
        content = {"folder": name, "requirements": self.requirements, "entry_points": points}
        return found | {"project.json": json.dumps(content, indent=1, sort_keys=True).encode()}


def upload(files: Mapping[str, bytes], s3: S3Client, bucket: str, prefix: str) -> str:
    """Upload files into a folder that is named after their content. Returns its URI. Files that are there are kept."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    folder = f"{prefix}/{digest.hexdigest()[:16]}"
    there: set[str] = set()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/"):
        there |= {item["Key"] for item in page.get("Contents", [])}
    for name in sorted(files):
        key = f"{folder}/{name}"
        if key not in there:
            s3.put_object(Bucket=bucket, Key=key, Body=files[name])
    return f"s3://{bucket}/{folder}"


def _entry_point(folder: Path, name: str, given: Any) -> EntryPoint:
    if not isinstance(given, dict) or not isinstance(given.get("command"), str):
        raise InputError(f"{folder / 'MLproject'}: the entry point {name!r} has no command.")
    parameters: dict[str, str | None] = {}
    numbers: set[str] = set()
    for key, declared in (given.get("parameters") or {}).items():
        if not _NAME.fullmatch(str(key)):
            raise InputError(f"{folder / 'MLproject'}: {key!r} is not a valid name of a parameter.")
        default = declared.get("default") if isinstance(declared, dict) else None
        parameters[str(key)] = None if default is None else str(default)
        # MLproject has a short form, too: `alpha: float`.
        if (declared.get("type") if isinstance(declared, dict) else declared) == "float":
            numbers.add(str(key))
    return EntryPoint(parameters, given["command"], frozenset(numbers))


def _yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no file {file}. --project takes the folder of an MLflow project.") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file} cannot be read: {reason}") from None
    if not isinstance(content, dict):
        raise InputError(f"{file} is not a YAML mapping.")
    return content
