"""The workflow from a training run to a validated prediction. Runs unchanged on localaws and on AWS."""

import json
import uuid
from collections.abc import Iterator
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
            for package in sagemaker.list_model_packages(ModelPackageGroupName=group["ModelPackageGroupName"])[
                "ModelPackageSummaryList"
            ]
        ]

    # The server registers it after it has responded to the client.
    assert eventually(packages, seconds=120, pause=1) == [1]


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
