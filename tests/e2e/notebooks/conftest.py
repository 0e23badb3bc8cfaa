"""A tracking server with a role for jobs, for the guide about notebooks."""

import pytest

from tests.support.running import RunningLocalAws, allow_everything, role, tracking_server

OURS = "/mlflow/notebooks/"


@pytest.fixture(scope="package")
def environment(localaws: RunningLocalAws) -> RunningLocalAws:
    """A tracking server with a role for jobs, published as by the modules. Other tests stop the server of staging."""
    published = {
        "mlflow_tracking_uri": tracking_server(localaws, "notebooks", MlflowVersion="3.0"),
        "artifact_store_uri": "s3://notebooks-bucket/prefix",
        "pipeline_role_arn": role(localaws, "notebooks-jobs"),
    }
    for name in ("notebooks-jobs", "notebooks-role"):
        allow_everything(localaws, name)
    for name, value in published.items():
        localaws.client("ssm").put_parameter(Name=f"{OURS}{name}", Value=value, Type="String", Overwrite=True)
    return localaws
