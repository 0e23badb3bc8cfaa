"""The reference page that shows the matrix."""

from __future__ import annotations

from mlflow_platform.compatibility.matrix import WORKS, Matrix

PAGE = "docs/reference/compatibility.md"
_ABSENT = "NotImplementedError"
# The operation needs a model, and logging one has failed: not an error of its own.
_FOLLOWS = "LookupError"
_INTRODUCTION = """# Compatibility of MLflow clients and servers

Written by `make compatibility`; do not edit. Measured on {measured} with real clients in environments of their own,
through the sagemaker-mlflow plugin, against real servers of these versions on localaws. 3.10 is the version of MLflow
Apps. The scripts and `make doctor` read the same data (`src/mlflow_platform/compatibility/matrix.json`), refuse what
cannot work, and name the version to install.

A dash says that the client has no such function. Loading, registering and aliases were tried with a model that the same
client logged or, where it can log none, with one that MLflow 2.13's client logged.

A version that is not in the table is judged like the newest older one of the same major version.

| Operation | What was tried |
| --- | --- |
"""


def page(matrix: Matrix) -> str:
    """The page as Markdown."""
    lines = [f"| {_label(name)} | {what} |" for name, what in matrix.operations.items()]
    for server in matrix.servers:
        lines += ["", f"## Server {server}", "", f"| Client | {' | '.join(map(_label, matrix.operations))} |"]
        lines.append("| --- " * (len(matrix.operations) + 1) + "|")
        for client in matrix.clients:
            found = matrix.results[client][server]
            lines.append(f"| {client} | {' | '.join(_mark(found[name]) for name in matrix.operations)} |")
    errors = [
        f"| {client} | {server} | {_label(name)} | `{text.replace('|', '/').replace('`', '')}` |"
        for client in matrix.clients
        for server in matrix.servers
        for name, text in matrix.results[client][server].items()
        if _mark(text) == "**no**" and not text.startswith(_FOLLOWS)
    ]
    lines += ["", "## The errors", "", "| Client | Server | Operation | Error |", "| --- | --- | --- | --- |", *errors]
    return _INTRODUCTION.format(measured=matrix.measured) + "\n".join(lines) + "\n"


def _label(name: str) -> str:
    return name.replace("_", " ")


def _mark(result: str) -> str:
    """A dash says that the client has no such function."""
    if result == WORKS:
        return "yes"
    return "-" if result.startswith(_ABSENT) else "**no**"
