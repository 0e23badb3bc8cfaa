"""The MLflow versions that SageMaker offers: each an environment of its own and an empty, migrated database.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow.html ("How it works")
"""

import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from localaws.venvs import BuildError, Venvs

LOCKS = Path(__file__).resolve().parent.parent / "servers"

# Write-ahead logging stays set in the file: readers then do not wait for the writer.
MIGRATE = """\
import sys
import sqlalchemy
from mlflow.store.db.utils import _initialize_tables
engine = sqlalchemy.create_engine("sqlite:///" + sys.argv[1])
_initialize_tables(engine)
with engine.connect() as connection:
    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
engine.dispose()
"""


@dataclass(frozen=True)
class Release:
    """What SageMaker calls a version, and the package that it is.

    Attributes:
        python: the Pythons that its pinned libraries have wheels for, as uv reads it.
    """

    version: str
    mlflow: str
    python: str

    @property
    def requirements(self) -> Path:
        """Every package of the server, with hashes."""
        return LOCKS / f"mlflow-{self.version}.lock"


RELEASES = {
    release.version: release
    for release in (
        Release("2.13", "2.13.2", ">=3.11,<3.13"),
        Release("2.16", "2.16.2", ">=3.11,<3.13"),
        Release("3.0", "3.0.1", ">=3.11,<3.14"),
    )
}
DEFAULT = RELEASES["3.0"]


def release_of(version: str) -> Release | None:
    """The offered release of `3.0` or `3.0.1`; None where SageMaker has none of that major and minor number."""
    return RELEASES.get(".".join(version.split(".")[:2]))


class Releases:
    """Builds what a release needs, once."""

    def __init__(self, venvs: Venvs, folder: Path) -> None:
        """`folder` keeps the migrated databases."""
        self._venvs = venvs
        self._folder = folder
        self._lock = threading.Lock()

    def python(self, release: Release) -> Path:
        """The interpreter that has this MLflow.

        Raises:
            BuildError: the environment cannot be built.
        """
        return self._venvs.python(release.requirements, release.python)

    def database(self, release: Release) -> Path:
        """A migrated database without any content: migrating one takes a second or two at every start else.

        Raises:
            BuildError: MLflow could not make it.
        """
        python = self.python(release)
        template = self._folder / f"mlflow-{release.mlflow}-{python.parent.parent.name}.db"
        with self._lock:
            if not template.exists():
                self._migrate(python, template)
        return template

    def _migrate(self, python: Path, template: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = template.with_name(f"{template.name}.{os.getpid()}")
        try:
            status, said = self._venvs.run(f"migrate-{template.stem}", [python, "-c", MIGRATE, draft])
            if status:
                raise BuildError(said or f"MLflow's migration ended with {status}.")
            shutil.move(draft, template)
        finally:
            for left in self._folder.glob(f"{draft.name}*"):
                left.unlink()
