"""One invocation of the command line: opens the named sources and destinations, and prints the result."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import typer

from mlflow_common.console import as_json, echo
from mlflow_common.errors import InputError

if TYPE_CHECKING:
    from mlflow_transfer.access import Access
    from mlflow_transfer.archive import Archive
    from mlflow_transfer.cli_options import Reach
    from mlflow_transfer.sources.base import Source
    from mlflow_transfer.sources.rest import RestSource

_OBJECTS = "experiment|run|metric|param|tag|model|trace|prompt|version|point|file|artifact|byte"
# A backup counts its files by these kinds.
_KINDS = frozenset({"run", "artifact"})
_PLURAL = re.compile(rf"(.*\b(?:{_OBJECTS}))s|(loss)es")


@dataclass(frozen=True)
class NamedServer:
    """The server that a text names, and the artifact stores of its environment, if it is the server of one."""

    place: str
    stores: Sequence[str] = ()


class Environments(Protocol):
    """Resolves `env:NAME` and `--local`. A program with environments passes an instance as the context's object."""

    def server(self, name: str, *, local: bool) -> NamedServer:
        """The ARN of the environment's active tracking server, and the environment's artifact stores."""

    def use_localaws(self) -> None:
        """Point this process's AWS clients at localaws."""


class Session:
    """The connections and the progress display of a command."""

    def __init__(self, reach: Reach, environments: Environments | None) -> None:
        from mlflow_common.retry import Retry
        from mlflow_transfer.connections import ConnectionFactory
        from mlflow_transfer.progress_bars import Bars

        self._reach, self._environments = reach, environments
        if reach.local:
            self._known_environments().use_localaws()
        self.places = ConnectionFactory(os.environ, retry=Retry(reach.patience), trusted=reach.trust_artifacts or ())
        self.bars = Bars()

    def access(self, side: str) -> Access:
        """The credentials for the server of a side, SOURCE or DESTINATION."""
        from mlflow_transfer.access import Access

        reach = self._reach
        return Access.of(
            side,
            os.environ,
            ca=reach.ca,
            client_cert=reach.client_cert,
            client_key=reach.client_key,
            insecure=reach.insecure,
            limit=reach.rate,
        )

    def _named(self, text: str) -> NamedServer:
        if not text.startswith("env:"):
            return NamedServer(text)
        return self._known_environments().server(text.removeprefix("env:"), local=self._reach.local)

    def _known_environments(self) -> Environments:
        if self._environments is None:
            raise InputError("env:NAME and --local need the repository: run scripts/transfer.py there")
        return self._environments

    async def server(self, text: str, side: str = "DESTINATION") -> RestSource:
        """Open the tracking server that a text names."""
        named = self._named(text)
        found = await self.places.server(named.place, self.access(side), named.stores)
        self.bars.watch(found.client)
        return found

    async def source(
        self, text: str, root: str | None = None, snapshot: str | None = None, side: str = "SOURCE"
    ) -> Source:
        """Open the source that a text names: a server, a database, a file store or an archive."""
        from mlflow_transfer.sources.opening import open_source

        named = self._named(text)
        found = await open_source(
            self.places, named.place, self.access(side), stores=named.stores, artifact_root=root, snapshot=snapshot
        )
        if (client := getattr(found, "client", None)) is not None:
            self.bars.watch(client)
        return found

    def archive(self, text: str) -> Archive:
        """Open the archive that a text names."""
        from mlflow_transfer.archive import open_archive

        return open_archive(text, self.places.s3)

    def show(self, values: dict[str, Any]) -> None:
        """Print a result: one JSON object, or names and values."""
        self.bars.stop()
        if self._reach.as_json:
            typer.echo(as_json(values, readable=True))
            return
        for name, value in values.items():
            if isinstance(value, dict):
                text = ", ".join(counted(count, what) for what, count in value.items()) or "nothing"
            elif isinstance(value, list):
                text = "" if value else "nothing"
            else:
                text = "unknown" if value is None else str(value)
            echo(f"{name.replace('_', ' ')}: {text}")
            for one in value if isinstance(value, list) else ():
                echo(f"  {one}")


def counted(count: int, what: str) -> str:
    """A number of objects in words, such as "1 run" and "2,000 runs". Names of differences ("run status") stay."""
    words = what.replace("_", " ")
    plural = _PLURAL.fullmatch(words)
    if count == 1:
        return f"1 {plural[1] or plural[2] if plural else words}"
    return f"{count:,} {words}s" if words in _KINDS else f"{count:,} {words}"
