"""Tracking servers for the session, created in parallel and shared by all pytest-xdist workers."""

import pytest
from filelock import FileLock

from mlflow_platform.mlflow_versions import supported_versions
from tests.conftest import HOME
from tests.localaws.tracking import stacks
from tests.support.running import RunningLocalAws, settled, tracking_server

VERSIONS = supported_versions()


def name_of(version: str) -> str:
    """Return the name of a version's shared server. Tests must not stop, update or delete it."""
    return f"shared-{version.replace('.', '-')}"


@pytest.fixture(scope="session")
def servers(localaws: RunningLocalAws, pytestconfig: pytest.Config) -> dict[str, str]:
    """The ARN of a server of each version that SageMaker supports."""
    made = pytestconfig.stash[HOME] / "servers"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            for version in VERSIONS:
                tracking_server(localaws, name_of(version), wait=False, MlflowVersion=version)
            made.touch()
    assert [settled(localaws, name_of(version)) for version in VERSIONS] == ["Created"] * 3
    account = localaws.settings.account
    return {
        version: f"arn:aws:sagemaker:us-east-1:{account}:mlflow-tracking-server/{name_of(version)}"
        for version in VERSIONS
    }


@pytest.fixture
def server(servers: dict[str, str]) -> str:
    """The shared server of the newest version."""
    return servers["3.0"]


@pytest.fixture(scope="session")
def app(localaws: RunningLocalAws, pytestconfig: pytest.Config) -> str:
    """The ARN of an App that a stack of the same name created.

    Only one file uses it, because some of its tests update it, and test_plugin_suite.py, which runs alone.
    """
    made = pytestconfig.stash[HOME] / "app"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            stack = stacks.create(localaws, "shared-app")
            assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(localaws, "shared-app")
            made.write_text({one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}["Arn"])
    return made.read_text()
