"""Helpers to create models, configurations and endpoints on localaws."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.serving.models import pack
from tests.support.running import RunningLocalAws, role

T = TypeVar("T")
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mlflow-pyfunc:3.17.2"
MOVING = ("Creating", "Updating", "RollingBack", "Deleting")


class Hosted:
    """A bucket, a role and clients. Several instances share the bucket and the role."""

    def __init__(self, localaws: RunningLocalAws, folder: Path) -> None:
        self.localaws = localaws
        self.folder = folder
        self.sagemaker = localaws.client("sagemaker")
        self.runtime = localaws.client("sagemaker-runtime")
        self.s3 = localaws.client("s3")
        self.logs = localaws.client("logs")
        self.bucket = "hosted-models"
        self.s3.create_bucket(Bucket=self.bucket)
        self.role = role(localaws, "hosted-endpoints")

    def upload(self, content: bytes) -> str:
        """Upload an archive with the given content and return its URL."""
        key = f"{unique('archive')}/model.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def calls_of_the_role(self) -> set[str]:
        """Return the operations that the execution role has called."""
        session = f":assumed-role/{self.role.rpartition('/')[2]}/"
        calls = [call for call in self.localaws.calls(session) if session in call["principal"]]
        return {f"{call['service']}:{call['operation']}" for call in calls}

    def model(self, source: Path | str, image: str = IMAGE, **environment: str) -> str:
        """Create a model from a folder or the URL of an archive, and return its name."""
        if isinstance(source, Path):
            source = self.upload(pack(source, self.folder / unique("archive")).read_bytes())
        name = unique("model")
        container = {"Image": image, "ModelDataUrl": source, "Environment": environment}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container)
        return name

    def config(self, *models: str, **more: Any) -> str:
        """Create a configuration with a variant for each model (`one`, `two`), and return its name."""
        name = unique("config")
        variants = [
            {
                "VariantName": variant,
                "ModelName": model,
                "InstanceType": "ml.m6i.large",
                "InitialInstanceCount": 1,
                **more,
            }
            for variant, model in zip(("one", "two"), models, strict=False)
        ]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        return name

    def endpoint(self, *sources: Path | str, **environment: str) -> str:
        """Create an endpoint, wait until it is in service or failed, and return its name."""
        name = unique("endpoint")
        config = self.config(*(self.model(source, **environment) for source in sources))
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.settled(name)
        return name

    def settled(self, name: str, seconds: float = 180) -> dict[str, Any]:
        """Wait until no operation is in progress, and return the endpoint's description."""
        return self.until(lambda: self.describe(name), lambda found: found["EndpointStatus"] not in MOVING, seconds)

    def until(self, look: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 120) -> T:
        """Call `look` until `wanted` accepts its result, and return the result."""
        deadline = time.monotonic() + seconds
        while not wanted(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return found

    def describe(self, name: str) -> dict[str, Any]:
        """Return the response of DescribeEndpoint."""
        found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return found

    def predict(self, name: str, body: str, **more: str) -> list[Any]:
        """Invoke an endpoint and return the predictions."""
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType="application/json", **more)
        predictions: list[Any] = json.loads(answer["Body"].read())["predictions"]
        return predictions

    def log(self, name: str) -> dict[str, list[str]]:
        """Return an endpoint's lines in CloudWatch Logs by log stream."""
        group = f"/aws/sagemaker/Endpoints/{name}"
        streams = self.logs.describe_log_streams(logGroupName=group)["logStreams"]
        return {
            stream["logStreamName"]: [
                event["message"]
                for event in self.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])[
                    "events"
                ]
            ]
            for stream in streams
        }

    def delete(self, name: str) -> None:
        """Delete an endpoint and wait until it no longer exists."""
        self.sagemaker.delete_endpoint(EndpointName=name)
        self.sagemaker.get_waiter("endpoint_deleted").wait(
            EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )


def unique(kind: str) -> str:
    """Return a name that no other test uses."""
    return f"{kind}-{secrets.token_hex(4)}"
