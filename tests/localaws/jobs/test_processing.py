"""Processing jobs run with SageMaker's folders, and end with its statuses and reasons."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.jobs.processing import check
from tests.localaws.jobs.conftest import JobBench, given_input, given_output

GROUP = "/aws/sagemaker/ProcessingJobs"
RESOURCES = {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}}


def test_job_reads_its_inputs_and_writes_its_outputs(bench: JobBench) -> None:
    bench.put("p-run/in/a.csv", "1\n2\n")
    bench.put("p-run/in/deep/b.csv", "3\n")
    script = """
import json, os, pathlib
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
config = json.loads((root / "config/processingjobconfig.json").read_text())
rows = sum(len(f.read_text().split()) for f in (root / "processing/in").rglob("*.csv"))
out = root / "processing/out"
(out / "deep").mkdir()
(out / "deep/rows.txt").write_text(f"{rows} {config['ProcessingJobName']} {os.environ['COLOR']}")
(root / "output/message").write_text("counted")
print("rows", rows)
"""
    bench.process(
        "p-run",
        script,
        Environment={"COLOR": "red"},
        ProcessingInputs=[given_input("in", f"s3://{bench.bucket}/p-run/in", "/opt/ml/processing/in")],
        ProcessingOutputConfig=given_output("out", f"s3://{bench.bucket}/p-run/out", "/opt/ml/processing/out"),
        Tags=[{"Key": "team", "Value": "a"}],
    )
    found = bench.wait("ProcessingJob", "p-run")
    assert found["ProcessingJobStatus"] == "Completed", found
    assert found["ExitMessage"] == "counted"
    assert found["ProcessingStartTime"] <= found["ProcessingEndTime"]
    assert bench.get("p-run/out/deep/rows.txt") == "3 p-run red"
    assert bench.log(GROUP, "p-run") == "rows 3"
    assert bench.sagemaker.list_tags(ResourceArn=found["ProcessingJobArn"])["Tags"] == [{"Key": "team", "Value": "a"}]
    listed = bench.sagemaker.list_processing_jobs(NameContains="p-run", StatusEquals="Completed")
    assert [one["ProcessingJobName"] for one in listed["ProcessingJobSummaries"]] == ["p-run"]
    with pytest.raises(ClientError, match="Job name must be unique"):
        bench.process("p-run", "")


def test_failing_script_fails_the_job_and_writes_no_output(bench: JobBench) -> None:
    script = """
import os, pathlib, sys
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
(root / "processing/out/half.txt").write_text("half")
sys.exit("no such column: age")
"""
    output = given_output("out", f"s3://{bench.bucket}/p-fail/out", "/opt/ml/processing/out")
    bench.process("p-fail", script, ProcessingOutputConfig=output)
    found = bench.wait("ProcessingJob", "p-fail")
    assert found["ProcessingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("AlgorithmError: See job logs for more information")
    assert bench.keys("p-fail/out") == []
    assert bench.log(GROUP, "p-fail") == "no such column: age"


def test_missing_input_fails_the_job_with_its_uri(bench: JobBench) -> None:
    uri = f"s3://{bench.bucket}/absent/"
    bench.process("p-absent", "", ProcessingInputs=[given_input("in", uri, "/opt/ml/processing/in")])
    found = bench.wait("ProcessingJob", "p-absent")
    assert found["ProcessingJobStatus"] == "Failed"
    assert f'No S3 objects found under S3 URL "{uri}"' in found["FailureReason"]


def test_time_limit_and_stop_end_a_job(bench: JobBench) -> None:
    sleeper = "import time\nprint('asleep')\ntime.sleep(300)\n"
    bench.process("p-late", sleeper, StoppingCondition={"MaxRuntimeInSeconds": 1})
    bench.process("p-stop", sleeper)
    deadline = time.monotonic() + 60
    while "ProcessingStartTime" not in bench.sagemaker.describe_processing_job(ProcessingJobName="p-stop"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    bench.sagemaker.stop_processing_job(ProcessingJobName="p-stop")
    stopped, late = bench.wait("ProcessingJob", "p-stop"), bench.wait("ProcessingJob", "p-late")
    assert (stopped["ProcessingJobStatus"], late["ProcessingJobStatus"]) == ("Stopped", "Stopped")
    assert "maximum runtime of 1 seconds" in late["FailureReason"]
    with pytest.raises(ClientError, match="rejected because the processing job is in status Stopped"):
        bench.sagemaker.stop_processing_job(ProcessingJobName="p-stop")


def test_rejects_what_cannot_run(bench: JobBench) -> None:
    with pytest.raises(ClientError, match="The execution role ARN"):
        bench.process("p-role", "", RoleArn="arn:aws:iam::123456789012:role/absent")
    cluster = {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    with pytest.raises(ClientError, match="Set InstanceCount to 1"):
        bench.process("p-two", "", ProcessingResources={"ClusterConfig": cluster})
    with pytest.raises(ClientError, match="Could not find requested job with name: p-two"):
        bench.sagemaker.describe_processing_job(ProcessingJobName="p-two")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "Input data must have a LocalPath"),
        ({"LocalPath": "/opt/ml/data"}, "must begin with /opt/ml/processing/"),
        ({"LocalPath": "/opt/ml/processing/data", "S3CompressionType": "Gzip"}, "requires the input mode Pipe"),
    ],
)
def test_rejects_inputs_that_aws_does_not_take(source: dict[str, Any], message: str) -> None:
    one = {"InputName": "data", "S3Input": {"S3Uri": "s3://b/k", "S3DataType": "S3Prefix", **source}}
    with pytest.raises(AwsError, match=message):
        check({"ProcessingResources": RESOURCES, "ProcessingInputs": [one]})


def test_rejects_an_output_without_a_folder() -> None:
    outputs = [{"OutputName": "out", "S3Output": {"S3Uri": "s3://b/k", "S3UploadMode": "EndOfJob"}}]
    with pytest.raises(AwsError, match="Output out must have a LocalPath"):
        check({"ProcessingResources": RESOURCES, "ProcessingOutputConfig": {"Outputs": outputs}})


def test_an_image_that_does_not_exist_fails_the_job(bench: JobBench) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/absent:1"
    bench.process("p-image", "", AppSpecification={"ImageUri": image, "ContainerEntrypoint": ["python3"]})
    found = bench.wait("ProcessingJob", "p-image")
    assert (found["ProcessingJobStatus"], found["FailureReason"]) == (
        "Failed",
        f"ClientError: API error (404): manifest for {image} not found: manifest unknown: Requested image not found",
    )


def test_networks_and_keys_of_a_job_must_exist(bench: JobBench) -> None:
    network = {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
    with pytest.raises(ClientError, match="The subnet ID 'subnet-1' does not exist"):
        bench.process("p-network", "", NetworkConfig=network)
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1, "VolumeKmsKeyId": "alias/absent"}
    with pytest.raises(ClientError, match="The KMS key alias/absent does not exist"):
        bench.process("p-key", "", ProcessingResources={"ClusterConfig": cluster})
