"""Fixtures for all tests, and the order and the marks of tests. Every pytest-xdist worker shares one localaws."""

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

# Fixtures and files that start servers, run Terraform, build environments, train models, or take many seconds of
# processor time. `make check` skips these tests.
SYSTEM_FIXTURES = frozenset(
    {"all_servers", "apart", "forks", "guarded", "hosted", "interpreter", "localaws", "mlflow_here", "old_interpreter"}
    | {"planner", "processes", "prod", "serving", "staging"}
)
SYSTEM_FILES = (
    "tests/e2e/",
    "tests/localaws/endpoints/",
    "tests/localaws/saving/test_saving.py",
    "tests/localaws/test_daemon.py",
    "tests/localaws/tracking/test_daemon.py",
    "tests/platform/endpoints/test_lost_answers.py",
    "tests/platform/monitoring/test_drift.py",
    "tests/platform/monitoring/test_job.py",
    "tests/platform/test_training.py",
    "tests/platform/validation/test_report.py",
    "tests/policy/test_demo_calls.py",
    "tests/serving/",
    "tests/terraform/test_apply",
    "tests/terraform/test_modules.py",
)
# The files that take longest start first, in this order, so that no worker is left alone with one at the end. The first
# and the third build what others share and wait for: the session's staging, and the plan of all variations. Each starts
# with files that need neither, so that no core is idle meanwhile.
FIRST = (
    "tests/e2e/smoke/test_environment.py",
    "tests/e2e/upgrade/",
    "tests/policy/test_cross_check.py",
    "tests/terraform/test_apply.py",
    "tests/localaws/saving/test_saving.py",
    "tests/policy/test_demo_calls.py",
    "tests/terraform/test_apply_killed.py",
    "tests/terraform/test_modules.py",
    "tests/terraform/test_apply_upgraded.py",
    "tests/e2e/pipeline/",
    "tests/e2e/smoke/",
    "tests/platform/endpoints/test_lost_answers.py",
    "tests/terraform/test_apply_expired.py",
    "tests/localaws/test_daemon.py",
    "tests/localaws/endpoints/",
    "tests/platform/test_record.py",
    "tests/serving/",
    "tests/transfer/",
    "tests/localaws/",
    "tests/terraform/test_terraform_script.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Create the session's folder in the controller, and pass it to each worker."""
    config.addinivalue_line("markers", "last: destroys what the other tests of its file use")
    config.addinivalue_line("markers", "system: starts servers, runs Terraform, builds environments or is slow")
    # A test run that is killed cannot stop what it started: localaws stops by itself when no request arrives.
    os.environ.setdefault("LOCALAWS_IDLE_MINUTES", "20")
    # Terraform and its provider run often and briefly here: hardly any garbage collection, on one core, saves a third
    # of their time.
    os.environ.setdefault("GOGC", "1600")
    os.environ.setdefault("GOMEMLIMIT", "2GiB")
    os.environ.setdefault("GOMAXPROCS", "1")
    given = getattr(config, "workerinput", {}).get("localaws_home")
    config.stash[HOME] = Path(given or tempfile.mkdtemp(prefix="localaws-tests-"))
    # Collecting allocates much and frees little: the collector would only look through it again and again.
    gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark system tests, before `-m` selects."""
    if item.nodeid.startswith(SYSTEM_FILES) or SYSTEM_FIXTURES.intersection(getattr(item, "fixturenames", ())):
        item.add_marker("system")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, in the order of `FIRST`, and in each file the tests marked `last` last."""
    files: dict[Path, int] = {}
    for item in items:
        files.setdefault(item.path, len(files))

    def order(item: pytest.Item) -> tuple[int, int, bool]:
        place = next((place for place, start in enumerate(FIRST) if item.nodeid.startswith(start)), len(FIRST))
        return place, files[item.path], item.get_closest_marker("last") is not None

    items.sort(key=order)


def pytest_collection_finish() -> None:
    """Keep what was loaded to collect the tests out of garbage collection."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the session's folder to a pytest-xdist worker."""
    node.workerinput["localaws_home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the session's localaws and delete its folder."""
    home = config.stash.get(HOME, None)
    if home is None or hasattr(config, "workerinput"):
        return
    port = home / "port"
    if port.exists():
        daemon.down(settings_of(home / "home", int(port.read_text())))
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def localaws(pytestconfig: pytest.Config) -> RunningLocalAws:
    """The session's localaws. The first worker that needs it starts it."""
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
    """A deployed environment: the one that `make smoke` names, else staging on the session's localaws."""
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
