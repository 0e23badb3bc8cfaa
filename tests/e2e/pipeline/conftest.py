"""An environment with a tracking server of its own, which tests may stop: the session's staging is shared."""

import json
import secrets
from collections.abc import Iterator

import pytest

from tests.support.deployed import Deployed, without_apply
from tests.support.running import RunningLocalAws, role

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def alone(localaws: RunningLocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Staging, with a role for pipelines."""
    project = f"alone-{secrets.token_hex(3)}"
    arn = role(localaws, f"{project}-pipelines")
    localaws.client("iam").put_role_policy(
        RoleName=f"{project}-pipelines", PolicyName="all", PolicyDocument=json.dumps(ALLOW)
    )
    made = without_apply(localaws, tmp_path_factory.mktemp("alone"), project, wait=True, pipeline_role_arn=arn)
    yield made
    made.client("sagemaker").delete_mlflow_tracking_server(TrackingServerName=made.outputs["tracking_server_name"])
