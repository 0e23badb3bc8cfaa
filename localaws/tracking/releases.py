"""The MLflow versions that SageMaker supports. Each has its own virtual environment and an empty, migrated database.

The Terraform module's data file lists the versions.
Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow.html ("How it works")
"""

import json
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from localaws.settings import REPOSITORY
from localaws.venvs import BuildError, Venvs

VERSIONS = REPOSITORY / "terraform/module/mlflow/mlflow_versions.json"
LOCKS = Path(__file__).resolve().parent.parent / "servers"

# With write-ahead logging, readers do not wait for the writer. SQLite stores this mode in the file.
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
    """A version, and the package that localaws runs for it.

    Attributes:
        version: SageMaker's name of the version, `major.minor`.
        mlflow: the release on PyPI.
        python: the Python versions for which its pinned libraries have wheels, in uv's format.
    """

    version: str
    mlflow: str
    python: str

    @property
    def requirements(self) -> Path:
        """The lock file, with all packages of the server and their hashes."""
        return LOCKS / f"mlflow-{self.version}.lock"


def _read() -> tuple[str, dict[str, Release], Release]:
    found = json.loads(VERSIONS.read_text())
    releases = {
        version: Release(version, given["mlflow"], given["python"]) for version, given in found["versions"].items()
    }
    return found["default"], releases, Release(**found["app"])


# An App's version cannot be chosen: AWS creates it with its newest one.
DEFAULT, RELEASES, APP_RELEASE = _read()


def release_of(version: str) -> Release | None:
    """Return the release for a version such as `3.0` or `3.0.1`, or None if SageMaker does not support it."""
    return RELEASES.get(".".join(version.split(".")[:2]))


class Releases:
    """Builds the environment and the database of each release once."""

    def __init__(self, venvs: Venvs, folder: Path) -> None:
        """`folder` contains the migrated databases."""
        self._venvs = venvs
        self._folder = folder
        self._lock = threading.Lock()

    def python(self, release: Release) -> Path:
        """Return the interpreter of the release's environment.

        Raises:
            BuildError: the environment cannot be built.
        """
        return self._venvs.python(release.requirements, release.python)

    def database(self, release: Release) -> Path:
        """Return a migrated, empty database. Copying it saves one or two seconds when a server first starts.

        Raises:
            BuildError: MLflow cannot create the database.
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
            status, output = self._venvs.run(f"migrate-{template.stem}", [python, "-c", MIGRATE, draft])
            if status:
                raise BuildError(output or f"MLflow's database migration failed with exit code {status}.")
            shutil.move(draft, template)
        finally:
            for left in self._folder.glob(f"{draft.name}*"):
                left.unlink()
