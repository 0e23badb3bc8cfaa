"""Shared endpoints."""

from pathlib import Path

import pytest
from filelock import FileLock

from tests.conftest import HOME
from tests.localaws.endpoints.hosted import Hosted
from tests.serving.conftest import iris, obedient  # noqa: F401 pytest finds fixtures by name.
from tests.support.running import RunningLocalAws


@pytest.fixture(scope="session")
def hosted(localaws: RunningLocalAws, tmp_path_factory: pytest.TempPathFactory) -> Hosted:
    """A bucket, a role and helpers."""
    return Hosted(localaws, tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="session")
def iris_endpoint(hosted: Hosted, iris: Path, pytestconfig: pytest.Config) -> str:  # noqa: F811
    """An endpoint in service, shared by all pytest-xdist workers; tests only invoke, describe and tag it."""
    made = pytestconfig.stash[HOME] / "iris-endpoint"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            made.write_text(hosted.endpoint(iris))
    name = made.read_text()
    assert hosted.describe(name)["EndpointStatus"] == "InService"
    return name
