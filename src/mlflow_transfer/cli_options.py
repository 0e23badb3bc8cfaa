"""The options of the command line: each is defined once, and options that belong together form a group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from mlflow_common.console import Debug, Json, Local

if TYPE_CHECKING:
    from mlflow_transfer.options import Options

CACHE = Path(".cache/transfer")

PLACE = "a tracking server's or App's ARN, env:NAME, an http(s) URL"
Src = Annotated[
    str, typer.Argument(metavar="SRC", help=f"The source: {PLACE}, a file store folder, or a database URL.")
]
Dst = Annotated[str, typer.Argument(metavar="DST", help=f"The destination: {PLACE}.")]
ArchiveArgument = Annotated[str, typer.Argument(metavar="ARCHIVE", help="A folder or an S3 prefix (s3://…).")]
Side = Annotated[str, typer.Argument(metavar="PLACE", help=f"{PLACE}, a file store, a database URL, or an archive.")]
Deleted = Annotated[bool, typer.Option("--include-deleted", help="Also transfer deleted runs.")]
Experiments = Annotated[
    list[str] | None, typer.Option("--experiment", metavar="NAME", help="Only this experiment. Repeat it for more.")
]
NoArtifacts = Annotated[bool, typer.Option("--no-artifacts", help="Leave out the files.")]
AcceptLosses = Annotated[
    bool,
    typer.Option(
        "--accept-losses", help="Continue even if something cannot be read or the destination cannot hold everything."
    ),
]
TrustArtifacts = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-artifacts",
        metavar="URI",
        help="Also read artifacts below this S3 prefix or folder, outside the server's own store. Repeat it for more.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the plan: counts, bytes, calls, time and losses.")]
CheckpointFile = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="The file in which the copy stores its progress. Default: a file in .cache.",
    ),
]
Limit = Annotated[
    float | None,
    typer.Option("--rate", metavar="N", help="Calls per second, instead of the limit of the server's size."),
]
Thorough = Annotated[
    bool, typer.Option("--thorough", help="Also compare the metric points of runs that appear unchanged.")
]
Threads = Annotated[int, typer.Option("--threads", min=1, max=64, help="Files moved at the same time.")]
Patience = Annotated[
    float, typer.Option("--patience", metavar="SECONDS", help="How long to wait for a server that does not answer.")
]
Ca = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="More certificates to trust for https servers (PEM).")
]
ClientCert = Annotated[
    Path | None, typer.Option("--client-cert", metavar="FILE", help="The client certificate for https servers (PEM).")
]
ClientKey = Annotated[
    Path | None,
    typer.Option(
        "--client-key", metavar="FILE", help="The key of the client certificate, if it is in a separate file."
    ),
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Accept any certificate of an https server.")]
ArtifactRoot = Annotated[
    str | None,
    typer.Option("--artifact-root", metavar="URI", help="The artifact root of a database's or file store's server."),
]
Snapshot = Annotated[
    str | None, typer.Option("--snapshot", metavar="TIME", help="The backup to read. Default: the newest.")
]
ReportFolder = Annotated[
    Path, typer.Option("--report", metavar="FOLDER", help="The folder for report.json and report.html.")
]
Keep = Annotated[
    int | None,
    typer.Option("--keep", min=1, help="Keep only this number of the newest backups, and delete older ones."),
]
SizesOnly = Annotated[
    bool, typer.Option("--sizes-only", help="Compare only the sizes of artifacts, not their checksums.")
]
ByName = Annotated[
    bool, typer.Option("--by-name", help="Match runs by experiment and name, for copies made by other tools.")
]


@dataclass(frozen=True)
class Reach:
    """Options for connections to servers, and the output format."""

    rate: Limit = None
    patience: Patience = 300.0
    ca: Ca = None
    client_cert: ClientCert = None
    client_key: ClientKey = None
    insecure: Insecure = False
    trust_artifacts: TrustArtifacts = None
    local: Local = False
    as_json: Json = False
    # Read from the command line by `mlflow_common.console.run`.
    debug: Debug = False


@dataclass(frozen=True)
class ShortReach(Reach):
    """The same options with a shorter patience, for commands that only read."""

    patience: Patience = 30.0


@dataclass(frozen=True)
class What:
    """Options that select what is transferred or compared."""

    experiment: Experiments = None
    no_artifacts: NoArtifacts = False
    threads: Threads = 8

    def options(self, *, include_deleted: bool = True, thorough: bool = False) -> Options:
        """The options of the transfer."""
        from mlflow_transfer.options import Options

        wanted = frozenset(self.experiment or ())
        return Options(include_deleted, not self.no_artifacts, self.threads, wanted, thorough)


@dataclass(frozen=True)
class Into:
    """Options for writing to a server."""

    accept_losses: AcceptLosses = False
    dry_run: DryRun = False
    checkpoint: CheckpointFile = None
    thorough: Thorough = False


def command(app: typer.Typer) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turns a function into a command. Each field of a parameter that is a group becomes a separate option."""

    def make(verb: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(verb, include_extras=True)
        groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
        plain = signature(verb).parameters.values()
        parameters = [one.replace(annotation=hints[one.name]) for one in plain if one.name not in groups]
        for group in groups.values():
            types = get_type_hints(group, include_extras=True)
            parameters += [
                Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=types[one.name])
                for one in fields(group)
            ]

        @wraps(verb)
        def spread(**given: Any) -> None:
            for name, group in groups.items():
                given[name] = group(**{one.name: given.pop(one.name) for one in fields(group)})
            verb(**given)

        # Typer reads these.
        spread.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        spread.__annotations__ = {one.name: one.annotation for one in parameters}
        return app.command()(spread)

    return make
