"""Endpoints that tests share."""

from pathlib import Path

import pytest

from tests.localaws.endpoints.hosted import Hosted
from tests.running import LocalAws
from tests.serving.conftest import iris, obedient  # noqa: F401 Fixtures are found by their names.


@pytest.fixture(scope="session")
def hosted(localaws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Hosted:
    """A bucket, a role and short ways."""
    return Hosted(localaws, tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="session")
def iris_endpoint(hosted: Hosted, iris: Path) -> str:  # noqa: F811
    """An endpoint in service; tests only invoke and describe it."""
    name = hosted.endpoint(iris)
    assert hosted.describe(name)["EndpointStatus"] == "InService"
    return name
