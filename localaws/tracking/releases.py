"""The MLflow versions that SageMaker offers. Each has its own virtual environment and an empty, migrated database.

The versions are those of the Terraform module's data file.
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

# Write-ahead logging is a property of the file: readers do not wait for the writer.
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
        version: SageMaker's name of it, `major.minor`.
        mlflow: the release on PyPI.
        python: the Python versions that its pinned libraries have wheels for, as uv reads them.
    """

    version: str
    mlflow: str
    python: str

    @property
    def requirements(self) -> Path:
        """The lock file: every package of the server, with hashes."""
        return LOCKS / f"mlflow-{self.version}.lock"


def _read() -> tuple[str, dict[str, Release]]:
    found = json.loads(VERSIONS.read_text())
    releases = {
        version: Release(version, given["mlflow"], given["python"]) for version, given in found["versions"].items()
    }
    return found["default"], releases


DEFAULT, RELEASES = _read()


def release_of(version: str) -> Release | None:
    """The release for a version such as `3.0` or `3.0.1`; None if SageMaker does not offer it."""
    return RELEASES.get(".".join(version.split(".")[:2]))


class Releases:
    """Builds the environment and the database of a release, once."""

    def __init__(self, venvs: Venvs, folder: Path) -> None:
        """`folder` keeps the migrated databases."""
        self._venvs = venvs
        self._folder = folder
        self._lock = threading.Lock()

    def python(self, release: Release) -> Path:
        """The interpreter of the release's environment.

        Raises:
            BuildError: the environment cannot be built.
        """
        return self._venvs.python(release.requirements, release.python)

    def database(self, release: Release) -> Path:
        """A migrated, empty database: copying it saves a server one or two seconds at its first start.

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
