"""Fixtures for all tests: one localaws for the session, shared by every pytest-xdist worker."""

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from localaws import daemon
from tests.support import deployed
from tests.support.deployed import Deployed
from tests.support.running import RunningLocalAws, settings_of, start

HOME = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """The controller names the folder, each worker is told; the controller alone ends what runs in it."""
    # A run that is killed cannot end what it started: a localaws that nobody asks ends by itself.
    os.environ.setdefault("LOCALAWS_IDLE_MINUTES", "20")
    # Terraform and its provider run often and briefly here: collecting garbage later, and on one core, saves a third of
    # their time.
    os.environ.setdefault("GOGC", "400")
    os.environ.setdefault("GOMAXPROCS", "1")
    given = getattr(config, "workerinput", {}).get("localaws_home")
    config.stash[HOME] = Path(given or tempfile.mkdtemp(prefix="localaws-tests-"))


# Long, and mostly waiting: begun last, they would leave one worker alone with them.
LONG = ("localaws/upgrade/", "plan/test_apply", "smoke/", "policy/test_road.py", "transfer/", "plan/test_modules.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take longest first, whatever order the others come in."""
    items.sort(key=lambda item: not any(part in item.nodeid for part in LONG))


def pytest_collection_finish() -> None:
    """What was loaded to collect the tests stays: nobody needs to look for garbage in it again and again."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist: what a worker is given."""
    node.workerinput["localaws_home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the session's localaws by the process id that its own home holds."""
    home = config.stash.get(HOME, None)
    if home is None or hasattr(config, "workerinput"):
        return
    port = home / "port"
    if port.exists():
        daemon.down(settings_of(home / "home", int(port.read_text())))
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def localaws(pytestconfig: pytest.Config) -> RunningLocalAws:
    """The session's localaws; the first worker that asks starts it."""
    home = pytestconfig.stash[HOME]
    port = home / "port"
    with FileLock(home / "lock"):
        if port.exists():
            return RunningLocalAws(settings_of(home / "home", int(port.read_text())))
        running = start(home / "home")
        port.write_text(str(running.settings.port))
        return running


@pytest.fixture(scope="session")
def staging(request: pytest.FixtureRequest) -> Deployed:
    """An environment that is up: the one `make smoke` names, else staging, applied on the session's localaws."""
    named = deployed.from_environment()
    if named:
        return named
    localaws: RunningLocalAws = request.getfixturevalue("localaws")
    applied = Deployed("staging", local=True, environ=localaws.environ())
    home = request.config.stash[HOME]
    with FileLock(home / "staging.lock"):
        if not (home / "staging").exists():
            applied.terraform("apply")
            (home / "staging").touch()
    return applied
