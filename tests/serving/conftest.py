"""Models on disk and the interpreter that serves them. Each is created once for all pytest-xdist workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from localaws.venvs import Venvs
from tests.conftest import HOME
from tests.serving.models import LIBRARIES, requirements, save_iris, save_obedient
from tests.serving.running import Serving, serve
from tests.support.running import settings_of


@pytest.fixture(scope="session")
def iris(pytestconfig: pytest.Config) -> Path:
    """The folder of a real model."""
    home = pytestconfig.stash[HOME]
    folder = home / "iris"
    with FileLock(home / "iris.lock"):
        if not folder.exists():
            save_iris(folder)
    return folder


@pytest.fixture
def obedient(tmp_path: Path) -> Path:
    """The folder of a model that follows instructions in its rows."""
    folder = tmp_path / "obedient"
    save_obedient(folder)
    return folder


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the models' requirements."""
    file = tmp_path_factory.mktemp("requirements") / "requirements.txt"
    file.write_text(requirements(*LIBRARIES))
    return Venvs(settings_of(Path("unused"), 1).cache / "venvs").python(file, "3.11")


@pytest.fixture(scope="session")
def serving(iris: Path, interpreter: Path) -> Iterator[Serving]:
    """The real model, served."""
    with serve(interpreter, iris) as running:
        yield running
