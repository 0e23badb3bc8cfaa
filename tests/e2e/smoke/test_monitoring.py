"""Monitoring on localaws: drift in the traffic raises the alarm, and late truth lowers the quality."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from tests.support import captured
from tests.support.deployed import Deployed
from tests.support.waiting import eventually

ROWS = load_iris(as_frame=True).data


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
    eventually(lambda: sagemaker.describe_endpoint(**describe)["EndpointStatus"] == "InService", seconds=60, pause=0.2)
    yield deployed["endpoint"]
    staging.script("deploy_model", f"models:/{name}@champion", "--delete")


def send(staging: Deployed, endpoint: str, rows: pd.DataFrame, name: str) -> list[str]:
    """Ask for predictions, and write the requests as SageMaker captures them. Returns the predictions."""
    body = json.dumps({"dataframe_split": rows.to_dict(orient="split", index=False)})
    runtime, s3 = staging.client("sagemaker-runtime"), staging.client("s3")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body)
    predictions: list[str] = json.load(answer["Body"])["predictions"]
    now = datetime.now(UTC)
    lines = []
    for number, prediction in enumerate(predictions):
        id_, row = f"{name}-{number}", rows.iloc[[number]].to_dict(orient="list")
        lines.append(captured.line(id_, row, [prediction], now, inference_id=id_))
    config = staging.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    variant = staging.client("sagemaker").describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
    key = f"captured/{captured.key(endpoint, now, name, variant['VariantName'])}"
    s3.put_object(Bucket=staging.outputs["artifact_bucket_name"], Key=key, Body="\n".join(lines).encode())
    return predictions


def run(staging: Deployed, endpoint: str) -> dict[str, Any]:
    (found,) = staging.result("monitor", "run", "--endpoint", endpoint)["endpoints"]
    return dict(found)


def test_drift_raises_the_alarm_and_late_truth_lowers_the_quality(
    staging: Deployed, endpoint: str, tmp_path: Any
) -> None:
    predictions = send(staging, endpoint, ROWS, "usual")
    truth = pd.DataFrame({"inference_id": [f"usual-{number}" for number in range(150)], "truth": predictions})
    truth[:60].to_csv(tmp_path / "early.csv", index=False)
    staging.result("monitor", "truth", str(tmp_path / "early.csv"), "--endpoint", endpoint)
    calm = run(staging, endpoint)
    assert (calm["drift"], calm["alarms"], calm["rows"]) == ("stable", [], 150)
    assert calm["quality"]["accuracy"] == 1.0

    send(staging, endpoint, ROWS + 1.5, "shifted")
    late = truth[60:].assign(truth="setosa")
    late.to_csv(tmp_path / "late.csv", index=False)
    staging.result("monitor", "truth", str(tmp_path / "late.csv"), "--endpoint", endpoint)
    command = ("monitor", "run", "--endpoint", endpoint, "--fail-on-drift", "--json")
    done = staging.script(*command, check=False)
    (found,) = json.loads(done.stdout)["endpoints"]
    assert (done.returncode, found["drift"], found["rows"]) == (1, "drifted", 300)
    assert "drift in sepal length (cm)" in done.stderr
    assert found["quality"]["accuracy"] < 0.8
    metric = {"Namespace": "MLflowPlatform/Monitoring", "MetricName": "Alarms"}
    assert staging.client("cloudwatch").list_metrics(**metric)["Metrics"]
    staging.result("monitor", "report", "--endpoint", endpoint, "--output", str(tmp_path / "r.html"))
    assert (tmp_path / "r.html").stat().st_size > 10_000
