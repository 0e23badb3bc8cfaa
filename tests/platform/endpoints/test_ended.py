"""A deployment says which settings of the endpoint it ends."""

from dataclasses import replace

from mlflow_platform.endpoints.creation import ensure_resources
from mlflow_platform.endpoints.ended import ended_settings
from mlflow_platform.endpoints.hosting import Asynchronous, Serverless
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.environment import Environment
from tests.platform.endpoints.fleet import Fleet, Step
from tests.platform.endpoints.test_deployment import NAME, spec_of

QUEUE = Asynchronous("s3://bucket/async/out", "s3://bucket/async/failed")


def test_what_a_deployment_does_not_name_ends(clients: Clients, environment: Environment, fleet: Fleet) -> None:
    plain = spec_of(environment, "1")
    assert ended_settings(clients.sagemaker, plain) == []
    capture = replace(plain, capture_percent=50, capture_uri="s3://bucket/captured", kms_key="alias/volumes")
    queued, serverless = replace(capture, asynchronous=QUEUE), replace(plain, serverless=Serverless(1024))
    for spec, ended in ((queued, ["--async", "--capture", "--kms-key"]), (serverless, ["--serverless"]), (plain, [])):
        ensure_resources(clients.sagemaker, spec)
        fleet.serve(NAME, Step("InService", spec.config_name), tags=dict(spec.tags))
        assert ended_settings(clients.sagemaker, plain) == ended
        assert ended_settings(clients.sagemaker, spec) == []
    fleet.serve(NAME, Step("InService", "gone"), tags={})
    assert ended_settings(clients.sagemaker, plain) == []
