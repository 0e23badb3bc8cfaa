"""An environment with a tracking server of its own, which tests may stop: the session's staging is shared."""

import secrets
from collections.abc import Iterator

import pytest

from tests.support.deployed import Deployed, without_apply
from tests.support.running import RunningLocalAws, allow_everything, role


@pytest.fixture(scope="module")
def alone(localaws: RunningLocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Staging, with a role for pipelines."""
    project = f"alone-{secrets.token_hex(3)}"
    arn = role(localaws, f"{project}-pipelines")
    allow_everything(localaws, f"{project}-pipelines")
    made = without_apply(localaws, tmp_path_factory.mktemp("alone"), project, wait=True, pipeline_role_arn=arn)
    yield made
    made.client("sagemaker").delete_mlflow_tracking_server(TrackingServerName=made.outputs["tracking_server_name"])
