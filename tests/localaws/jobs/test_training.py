"""Training jobs run with SageMaker's folders, and end with its statuses, reasons, archives and metrics."""

import io
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.jobs.training import check
from tests.localaws.jobs.conftest import JobBench, channel

GROUP = "/aws/sagemaker/TrainingJobs"


def test_job_trains_and_uploads_a_model(bench: JobBench) -> None:
    data = bench.put("t-run/data/train.csv", "1,2\n")
    script = """
import json, os, pathlib
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
parameters = json.loads((root / "input/config/hyperparameters.json").read_text())
assert parameters == {"depth": "3"}
text = (root / "input/data/train/train.csv").read_text()
(root / "model/model.txt").write_text(text)
print("loss=0.5"); print("loss=0.25")
"""
    bench.train(
        "t-run",
        script,
        HyperParameters={"depth": "3"},
        channels=[channel("train", data)],
        algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]},
    )
    found = bench.wait("TrainingJob", "t-run")
    assert found["TrainingJobStatus"] == "Completed", found
    assert found["SecondaryStatus"] == "Completed"
    steps = [one["Status"] for one in found["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert [(one["MetricName"], one["Value"]) for one in found["FinalMetricDataList"]] == [("loss", 0.25)]
    uri = found["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{bench.bucket}/models/t-run/output/model.tar.gz"
    body = bench.localaws.client("s3").get_object(Bucket=bench.bucket, Key="models/t-run/output/model.tar.gz")["Body"]
    with tarfile.open(fileobj=io.BytesIO(body.read())) as tar:
        assert tar.getnames() == ["model.txt"]
    assert "loss=0.5" in bench.log(GROUP, "t-run")


def test_failure_file_is_the_reason(bench: JobBench) -> None:
    script = """
import os, pathlib, sys
pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "output/failure").write_text("bad target column")
sys.exit(3)
"""
    bench.train("t-fail", script)
    found = bench.wait("TrainingJob", "t-fail")
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"] == "AlgorithmError: bad target column, exit code: 3"


def test_time_limit_stops_the_job_and_keeps_its_model(bench: JobBench) -> None:
    script = """
import os, pathlib, time
pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "model/half.txt").write_text("half")
time.sleep(300)
"""
    bench.train("t-late", script, StoppingCondition={"MaxRuntimeInSeconds": 1})
    found = bench.wait("TrainingJob", "t-late")
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert bench.keys("models/t-late/") == ["models/t-late/output/model.tar.gz"]


def test_script_mode_runs_the_submitted_source(bench: JobBench) -> None:
    source = io.BytesIO()
    with tarfile.open(fileobj=source, mode="w:gz") as tar:
        content = b"import os, sys\nprint(sys.argv[1:], os.environ['SM_HP_DEPTH'], os.environ['SM_MODEL_DIR'])\n"
        info = tarfile.TarInfo("fit.py")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    bench.localaws.client("s3").put_object(Bucket=bench.bucket, Key="t-mode/source.tar.gz", Body=source.getvalue())
    parameters = {
        "sagemaker_program": '"fit.py"',
        "sagemaker_submit_directory": f'"s3://{bench.bucket}/t-mode/source.tar.gz"',
        "depth": "3",
    }
    given = {"TrainingImage": "image", "TrainingInputMode": "File"}
    bench.train("t-mode", "", HyperParameters=parameters, AlgorithmSpecification=given)
    found = bench.wait("TrainingJob", "t-mode")
    assert found["TrainingJobStatus"] == "Completed", found
    assert "['--depth', '3'] 3" in bench.log(GROUP, "t-mode")


def test_rejects_an_invalid_metric_expression(bench: JobBench) -> None:
    with pytest.raises(ClientError, match="Invalid metric definition regex"):
        bench.train("t-regex", "", algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(["}]})
    with pytest.raises(ClientError, match="Requested resource not found"):
        bench.sagemaker.describe_training_job(TrainingJobName="t-regex")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"ResourceConfig": None}, "ResourceConfig must be specified"),
        ({"ServerlessJobConfig": {"JobType": "FineTuning"}}, "does not run serverless training jobs"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 28 * 86400 + 1}}, "at most 2419200"),
        ({"StoppingCondition": {"MaxWaitTimeInSeconds": 60}}, "only supported when EnableManagedSpotTraining"),
        ({"EnableManagedSpotTraining": True}, "greater than or equal to MaxRuntimeInSeconds"),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
            },
            "greater than or equal to MaxRuntimeInSeconds",
        ),
        (
            {"ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.g5.xlarge", "VolumeKmsKeyId": "alias/a"}},
            "ml.g5.xlarge has local storage",
        ),
    ],
)
def test_rejects_training_jobs_that_aws_refuses(more: dict[str, Any], message: str) -> None:
    given = {
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large"},
    }
    check(given)
    with pytest.raises(AwsError, match=message):
        check({**given, **more})


def test_the_image_must_exist(bench: JobBench) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/absent:1"
    with pytest.raises(ClientError, match="Cannot find repository: absent in registry ID: 123456789012 Please check"):
        bench.train("t-image", "", algorithm={"TrainingImage": image})


def test_a_container_that_a_signal_killed_has_its_exit_code(bench: JobBench) -> None:
    bench.train("t-killed", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    found = bench.wait("TrainingJob", "t-killed")
    assert (found["TrainingJobStatus"], found["FailureReason"]) == ("Failed", "AlgorithmError: , exit code: 137")
