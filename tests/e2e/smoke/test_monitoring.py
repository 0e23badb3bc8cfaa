"""Monitoring on localaws: drift in the traffic raises the alarm, and late truth lowers the quality."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from tests.support.deployed import Deployed
from tests.support.waiting import eventually

ROWS = load_iris(as_frame=True).data[::2]


@pytest.fixture(scope="module")
def endpoint(staging: Deployed) -> Iterator[str]:
    """An endpoint whose configuration captures its requests."""
    if not staging.local:
        pytest.skip("on AWS, captured files arrive minutes after the requests")
    name = f"watched-{uuid.uuid4().hex[:8]}"
    staging.result("log_run", "--register", name, "--alias", "champion", "--experiment", name)
    deployed = staging.result("deploy_model", f"models:/{name}@champion")
    sagemaker = staging.client("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=deployed["configuration"])
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{deployed['endpoint']}-captured",
        ProductionVariants=config["ProductionVariants"],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"{staging.outputs['artifact_store_uri']}/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        },
    )
    sagemaker.update_endpoint(EndpointName=deployed["endpoint"], EndpointConfigName=f"{deployed['endpoint']}-captured")
    describe = {"EndpointName": deployed["endpoint"]}
    eventually(lambda: sagemaker.describe_endpoint(**describe)["EndpointStatus"] == "InService", seconds=180, pause=0.2)
    yield deployed["endpoint"]
    staging.script("deploy_model", f"models:/{name}@champion", "--delete")


def send(staging: Deployed, endpoint: str, rows: pd.DataFrame, name: str) -> list[str]:
    """Ask for the prediction of each row, wait until all are captured, and return the predictions."""
    runtime = staging.client("sagemaker-runtime")
    predictions = []
    for number in range(len(rows)):
        body = json.dumps({"dataframe_split": rows.iloc[[number]].to_dict(orient="split", index=False)})
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint, InferenceId=f"{name}-{number}", ContentType="application/json", Body=body
        )
        predictions += json.load(answer["Body"])["predictions"]
    s3, bucket = staging.client("s3"), staging.outputs["artifact_bucket_name"]

    def captured() -> bool:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"captured/{endpoint}/").get("Contents", [])
        bodies = [s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode() for each in listed]
        return sum(body.count(f'"{name}-') for body in bodies) == len(rows)

    assert eventually(captured, pause=0.3)
    return predictions


def run(staging: Deployed, endpoint: str) -> dict[str, Any]:
    (found,) = staging.result("monitor", "run", "--endpoint", endpoint)["endpoints"]
    return dict(found)


def test_drift_raises_the_alarm_and_late_truth_lowers_the_quality(
    staging: Deployed, endpoint: str, tmp_path: Any
) -> None:
    predictions = send(staging, endpoint, ROWS, "usual")
    truth = pd.DataFrame({"inference_id": [f"usual-{number}" for number in range(75)], "truth": predictions})
    truth[:40].to_csv(tmp_path / "early.csv", index=False)
    staging.result("monitor", "truth", str(tmp_path / "early.csv"), "--endpoint", endpoint)
    calm = run(staging, endpoint)
    assert (calm["drift"], calm["alarms"], calm["rows"]) == ("stable", [], 75)
    assert calm["quality"]["accuracy"] == 1.0

    send(staging, endpoint, ROWS + 1.5, "shifted")
    late = truth[40:].assign(truth="setosa")
    late.to_csv(tmp_path / "late.csv", index=False)
    staging.result("monitor", "truth", str(tmp_path / "late.csv"), "--endpoint", endpoint)
    command = ("monitor", "run", "--endpoint", endpoint, "--fail-on-drift", "--json")
    done = staging.script(*command, check=False)
    (found,) = json.loads(done.stdout)["endpoints"]
    assert (done.returncode, found["drift"], found["rows"]) == (1, "drifted", 150)
    assert "drift in sepal length (cm)" in done.stderr
    assert found["quality"]["accuracy"] < 0.8
    metric = {"Namespace": "MLflowPlatform/Monitoring", "MetricName": "Alarms"}
    assert staging.client("cloudwatch").list_metrics(**metric)["Metrics"]
