"""A tracking server with a role for jobs, for the guide about notebooks."""

import json

import pytest

from tests.support.running import RunningLocalAws, role, tracking_server

OURS = "/mlflow/notebooks/"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="package")
def environment(localaws: RunningLocalAws) -> RunningLocalAws:
    """A tracking server with a role for jobs, published as by the modules. Other tests stop the server of staging."""
    published = {
        "mlflow_tracking_uri": tracking_server(localaws, "notebooks", MlflowVersion="3.0"),
        "artifact_store_uri": "s3://notebooks-bucket/prefix",
        "pipeline_role_arn": role(localaws, "notebooks-jobs"),
    }
    for name in ("notebooks-jobs", "notebooks-role"):
        policy = json.dumps(EVERYTHING)
        localaws.client("iam").put_role_policy(RoleName=name, PolicyName="Everything", PolicyDocument=policy)
    for name, value in published.items():
        localaws.client("ssm").put_parameter(Name=f"{OURS}{name}", Value=value, Type="String", Overwrite=True)
    return localaws
