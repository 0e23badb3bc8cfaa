"""The workflow from a training run to a validated prediction. Runs unchanged on localaws and on AWS."""

import csv
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployed import Deployed
from tests.support.waiting import eventually

Result = dict[str, Any]


@pytest.fixture(scope="module")
def name() -> str:
    """A model name that only this test run uses, so that the tests can run in an environment in use."""
    return f"smoke-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def logged(staging: Deployed, name: str) -> Result:
    return staging.result("log_run", "--register", name, "--alias", "champion", "--experiment", name)


@pytest.fixture(scope="module")
def deployed(staging: Deployed, name: str, logged: Result) -> Iterator[Result]:
    model = f"models:/{name}@champion"
    yield staging.result("deploy_model", model)
    staging.script("deploy_model", model, "--delete")


def test_a_run_is_logged_with_its_model_version_and_a_link(logged: Result, name: str) -> None:
    assert logged["model_uri"] == f"models:/{name}/1"
    assert logged["run_id"] in logged["ui_link"]
    assert logged["accuracy"] > 0.9


def test_the_model_version_appears_in_the_sagemaker_registry(staging: Deployed, logged: Result, name: str) -> None:
    sagemaker = staging.client("sagemaker")

    def packages() -> list[int]:
        return [
            package["ModelPackageVersion"]
            for group in sagemaker.list_model_package_groups(NameContains=name)["ModelPackageGroupSummaryList"]
            # The group of a promotion begins with the environment's prefix.
            if group["ModelPackageGroupName"].startswith(name)
            for package in sagemaker.list_model_packages(ModelPackageGroupName=group["ModelPackageGroupName"])[
                "ModelPackageSummaryList"
            ]
        ]

    # The server registers it after it has responded to the client.
    assert eventually(packages, seconds=120, pause=1) == [1]


def test_the_champion_becomes_a_package_that_can_be_deployed(staging: Deployed, logged: Result, name: str) -> None:
    promoted = staging.result("promote", name, "--metric", "accuracy", "--approval", "approved")
    assert (promoted["model_uri"], promoted["promoted"], promoted["approval"]) == (
        logged["model_uri"],
        False,
        "Approved",
    )
    assert promoted["verdict"].endswith("is the champion already")
    preview = staging.result("deploy_model", promoted["package"], "--dry-run", "--endpoint", f"{staging.name}-{name}")
    assert (preview["model_uri"], preview["package"]) == (logged["model_uri"], promoted["package"])


def test_rows_of_a_file_are_predicted_by_a_transform_job(
    staging: Deployed, logged: Result, name: str, tmp_path: Path
) -> None:
    data, output = tmp_path / "rows.csv", tmp_path / "predictions.csv"
    data.write_text(
        "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n"
    )
    done = staging.result("batch_predict", f"models:/{name}@champion", str(data), "--output", str(output))
    assert (done["model_uri"], done["status"], done["rows"]) == (logged["model_uri"], "Completed", 2)
    with output.open() as file:
        assert [row["prediction"] for row in csv.DictReader(file)] == ["setosa", "virginica"]
    staging.script("deploy_model", "--endpoint", done["job"].rsplit("-", 2)[0], "--delete")


def test_a_request_is_queued_and_answered(staging: Deployed, logged: Result, name: str, tmp_path: Path) -> None:
    request, output = tmp_path / "rows.json", tmp_path / "answer.json"
    columns = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    request.write_text(json.dumps({"dataframe_split": {"columns": columns, "data": [[5.1, 3.5, 1.4, 0.2]]}}))
    queue = staging.result("deploy_model", logged["model_uri"], "--endpoint", f"{staging.name}-{name}-queue", "--async")
    try:
        done = staging.result("predict_async", queue["endpoint"], str(request), "--output", str(output))
        assert json.loads(output.read_text()) == {"predictions": ["setosa"]}, done
    finally:
        staging.script("deploy_model", "--endpoint", queue["endpoint"], "--delete")


def test_the_endpoint_answers(staging: Deployed, deployed: Result) -> None:
    columns = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    rows = {"dataframe_split": {"columns": columns, "data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}}
    answer = staging.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=deployed["endpoint"], ContentType="application/json", Body=json.dumps(rows)
    )
    assert json.load(answer["Body"])["predictions"] == ["setosa", "virginica"]


def test_deploying_the_same_model_again_changes_nothing(staging: Deployed, deployed: Result, name: str) -> None:
    again = staging.result("deploy_model", f"models:/{name}@champion")
    assert (again["changed"], again["configuration"]) == (False, deployed["configuration"])


def test_a_validation_below_the_threshold_fails_and_writes_the_report(
    staging: Deployed, deployed: Result, name: str, tmp_path: Any
) -> None:
    wanted = ("--threshold", "1.0", "--output", str(tmp_path), "--json")
    done = staging.script("validate_endpoint", f"models:/{name}@champion", *wanted, check=False)
    checked = json.loads(done.stdout)
    assert 0.9 < checked["accuracy"] < 1.0
    assert checked["rows"] == 45
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (done.returncode, checked["passed"]) == (1, False)
    assert "below the threshold" in done.stderr


def test_the_endpoint_is_tagged(staging: Deployed, deployed: Result) -> None:
    sagemaker = staging.client("sagemaker")
    arn = sagemaker.describe_endpoint(EndpointName=deployed["endpoint"])["EndpointArn"]
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert tags["environment"] == staging.name
    assert tags["run-id"] == deployed["run_id"]
