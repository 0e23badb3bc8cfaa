"""Fixtures: a role that jobs can use, a bucket, and a helper that runs a job."""

import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.running import RunningLocalAws, allow_everything, role


@dataclass(frozen=True)
class JobBench:
    """A localaws with a bucket and a role for jobs."""

    localaws: RunningLocalAws
    bucket: str
    role: str

    @property
    def sagemaker(self) -> Any:
        return self.localaws.client("sagemaker")

    def put(self, key: str, text: str) -> str:
        """Write an object, and return its URI."""
        self.localaws.client("s3").put_object(Bucket=self.bucket, Key=key, Body=text.encode())
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> str:
        """The text of an object."""
        text: bytes = self.localaws.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return text.decode()

    def keys(self, prefix: str) -> list[str]:
        found = self.localaws.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in found]

    def process(self, name: str, script: str, **more: Any) -> None:
        """Create a processing job that runs a Python script."""
        code = self.put(f"{name}/code/script.py", script)
        inputs = more.pop("ProcessingInputs", [])
        given = {
            "ProcessingJobName": name,
            "RoleArn": self.role,
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/script.py"],
            },
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
            },
            "ProcessingInputs": [given_input("code", code, "/opt/ml/processing/code"), *inputs],
        }
        self.sagemaker.create_processing_job(**{**given, **more})

    def train(self, name: str, script: str, **more: Any) -> None:
        """Create a training job that runs a Python script from the channel `code`."""
        code = self.put(f"{name}/code/script.py", script)
        given = {
            "TrainingJobName": name,
            "RoleArn": self.role,
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/script.py"],
                **more.pop("algorithm", {}),
            },
            "InputDataConfig": [channel("code", code), *more.pop("channels", [])],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/models"},
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        self.sagemaker.create_training_job(**{**given, **more})

    def wait(self, noun: str, name: str, seconds: float = 120) -> dict[str, Any]:
        """The description of a job after its end."""
        method = {
            "ProcessingJob": self.sagemaker.describe_processing_job,
            "TrainingJob": self.sagemaker.describe_training_job,
            "TransformJob": self.sagemaker.describe_transform_job,
            "HyperParameterTuningJob": self.sagemaker.describe_hyper_parameter_tuning_job,
        }[noun]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, Any] = method(**{f"{noun}Name": name})
            if found[f"{noun}Status"] not in ("InProgress", "Stopping"):
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{name} has not ended: {found}")

    def log(self, group: str, name: str) -> str:
        """The text of a job's log."""
        logs = self.localaws.client("logs")
        (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"]
        events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
        return "\n".join(event["message"] for event in events)


def given_input(name: str, uri: str, path: str) -> dict[str, Any]:
    """An entry of ProcessingInputs."""
    return {
        "InputName": name,
        "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"},
    }


def given_output(name: str, uri: str, path: str) -> dict[str, Any]:
    """A ProcessingOutputConfig with one output."""
    return {
        "Outputs": [{"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"}}]
    }


def channel(name: str, uri: str) -> dict[str, Any]:
    """An entry of InputDataConfig."""
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


@pytest.fixture(scope="session")
def bench(localaws: RunningLocalAws) -> JobBench:
    """A bucket and a role for jobs."""
    bucket = "jobs-tests"
    localaws.client("s3").create_bucket(Bucket=bucket)
    arn = role(localaws, "jobs-tests")
    allow_everything(localaws, "jobs-tests")
    return JobBench(localaws, bucket, arn)
