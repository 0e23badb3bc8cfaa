"""The measured matrix: which operation works with which MLflow client and server.

`make compatibility` writes the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from mlflow_platform.mlflow_versions import supported_versions

# What `scripts/lib/compatibility_client.py` tries.
Operation = Literal[
    "experiments",
    "runs",
    "metric_history",
    "dataset_inputs",
    "upload_artifacts",
    "list_artifacts",
    "download_artifacts",
    "log_model",
    "load_model",
    "logged_models",
    "registry",
    "aliases",
]
# What the scripts use. An MLflow 2 client has no logged models.
USED: tuple[Operation, ...] = tuple(one for one in get_args(Operation) if one != "logged_models")
DATA = Path(__file__).with_name("matrix.json")
WORKS = "works"


@dataclass(frozen=True)
class Matrix:
    """What was measured.

    Attributes:
        measured: the date, as YYYY-MM-DD.
        clients: full client versions, oldest first.
        servers: server versions as major.minor, oldest first.
        operations: each operation's name and description.
        results: by client, server and operation: `works`, or the error.
    """

    measured: str
    clients: tuple[str, ...]
    servers: tuple[str, ...]
    operations: Mapping[str, str]
    results: Mapping[str, Mapping[str, Mapping[str, str]]]

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Matrix:
        """The matrix of a JSON object."""
        return cls(
            content["measured"],
            tuple(content["clients"]),
            tuple(content["servers"]),
            content["operations"],
            content["results"],
        )

    def error(self, client: str, server: str, operation: Operation) -> str | None:
        """The error of an operation with the measured client and server that are nearest; None if it works.

        A version that was not measured is judged like the newest older one of the same major version, or else the
        oldest of that major version. Without one it is not judged: None.
        """
        row, column = nearest(client, self.clients), nearest(server, self.servers)
        if row is None or column is None:
            return None
        found = self.results[row][column][operation]
        return None if found == WORKS else found

    def unable(self, client: str, server: str, operations: Iterable[Operation]) -> list[Operation]:
        """The operations that a client cannot do with a server."""
        return [one for one in operations if self.error(client, server, one) is not None]

    def client_for(self, server: str, operations: Iterable[Operation]) -> str | None:
        """The newest measured client that can do these operations with a server; None if there is none."""
        wanted = list(operations)
        able = [client for client in self.clients if not self.unable(client, server, wanted)]
        return able[-1] if able else None

    def repair(self, server: str, operations: Iterable[Operation], make_options: str) -> str:
        """What to do if a client cannot do these operations: install another one, or upgrade the server."""
        able, offered = self.client_for(server, operations), supported_versions()
        ways = [f"install a client that can (`pip install mlflow=={able}`)"] if able else []
        if server in offered[:-1]:
            ways.append(f"upgrade the server (`make upgrade TO={offered[-1]} {make_options}`)")
        text = ", or ".join(ways)
        return text[:1].upper() + text[1:]

    def described(self, operation: Operation) -> str:
        """An operation as the end of a sentence: "log a model"."""
        what = self.operations[operation].split(" with `")[0].split(" (")[0]
        return what[0].lower() + what[1:]


def nearest(version: str, measured: tuple[str, ...]) -> str | None:
    """The measured version that stands for another one."""
    wanted = numbers(version)
    same = [one for one in measured if numbers(one)[:1] == wanted[:1]]
    older = [one for one in same if numbers(one)[: len(wanted)] <= wanted]
    return older[-1] if older else next(iter(same), None)


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version: 3.17.2 is (3, 17, 2)."""
    return tuple(int(part) for part in version.split("-")[0].split(".") if part.isdigit())


@cache
def load() -> Matrix:
    """The matrix of this repository."""
    return Matrix.parse(json.loads(DATA.read_text(encoding="utf-8")))
