"""Invocations of an endpoint in service."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.localaws.endpoints.hosted import Hosted
from tests.serving.models import COLUMNS, ROWS, SPLIT


def test_returns_predictions_and_the_invoked_variant(hosted: Hosted, iris_endpoint: str) -> None:
    answer = hosted.runtime.invoke_endpoint(EndpointName=iris_endpoint, Body=SPLIT, ContentType="application/json")
    assert answer["InvokedProductionVariant"] == "one"
    assert answer["ContentType"] == "application/json"
    assert json.loads(answer["Body"].read()) == {"predictions": [0, 1, 2]}


def test_forwards_the_content_type_to_the_model(hosted: Hosted, iris_endpoint: str) -> None:
    rows = "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in ROWS)])
    answer = hosted.runtime.invoke_endpoint(EndpointName=iris_endpoint, Body=rows, ContentType="text/csv")
    assert json.loads(answer["Body"].read()) == {"predictions": [0, 1, 2]}


def test_invalid_rows_are_a_model_error_with_the_models_message(hosted: Hosted, iris_endpoint: str) -> None:
    rows = {"dataframe_split": {"columns": COLUMNS[:3], "data": [row[:3] for row in ROWS]}}
    with pytest.raises(hosted.runtime.exceptions.ModelError) as refused:
        hosted.predict(iris_endpoint, json.dumps(rows))
    answer = refused.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 400
    assert "Model is missing inputs ['petal width (cm)']" in answer["OriginalMessage"]
    assert answer["Error"]["Message"].startswith("Received client error (400) from primary with message ")
    assert answer["LogStreamArn"].endswith(f":log-group:/aws/sagemaker/Endpoints/{iris_endpoint}")


def test_rejects_an_unknown_endpoint(hosted: Hosted) -> None:
    with pytest.raises(ClientError) as refused:
        hosted.predict("nowhere", SPLIT)
    assert refused.value.response["Error"] == {
        "Code": "ValidationError",
        "Message": "Endpoint nowhere of account 123456789012 not found.",
    }


def test_rejects_an_unknown_variant(hosted: Hosted, iris_endpoint: str) -> None:
    with pytest.raises(hosted.runtime.exceptions.ClientError, match="Variant nine of endpoint"):
        hosted.predict(iris_endpoint, SPLIT, TargetVariant="nine")


def test_rejects_a_body_above_the_size_limit(hosted: Hosted, iris_endpoint: str) -> None:
    with pytest.raises(ClientError) as refused:
        hosted.predict(iris_endpoint, " " * (6 * 1024 * 1024 + 1))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_response_streaming_is_not_implemented(hosted: Hosted, iris_endpoint: str) -> None:
    with pytest.raises(ClientError) as refused:
        hosted.runtime.invoke_endpoint_with_response_stream(EndpointName=iris_endpoint, Body=SPLIT)
    assert refused.value.response["Error"]["Code"] == "NotImplemented"


def test_the_aws_cli_invokes_an_endpoint(hosted: Hosted, iris_endpoint: str, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    arguments = ["--endpoint-name", iris_endpoint, "--content-type", "application/json"]
    subprocess.run(
        [_program("aws"), "sagemaker-runtime", "invoke-endpoint", *arguments, "--body", SPLIT, answer],
        env=hosted.localaws.environ(),
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert json.loads(answer.read_text()) == {"predictions": [0, 1, 2]}


def test_mlflows_deployment_client_lists_and_invokes_endpoints(
    hosted: Hosted, iris_endpoint: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text(SPLIT)
    script = (
        "from mlflow.deployments import get_deploy_client as get; import json, sys; client = get(sys.argv[1]);"
        "print(json.dumps([d['EndpointName'] for d in client.list_deployments()]));"
        "import pandas; split = json.load(open(sys.argv[3]))['dataframe_split'];"
        "print(client.predict(sys.argv[2], pandas.DataFrame(**split)).to_json())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "sagemaker:/us-east-1", iris_endpoint, rows],
        env=hosted.localaws.environ(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    listed, predicted = ended.stdout.splitlines()
    assert iris_endpoint in json.loads(listed)
    assert json.loads(predicted) == {"predictions": [0, 1, 2]}


def _program(name: str) -> Path:
    return Path(sys.executable).parent / name
