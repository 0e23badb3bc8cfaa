"""An environment with an MLflow App: applied, used from a run to a validated endpoint, and diagnosed."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from localaws.home import claim
from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.policy import Policy
from localaws.iam.request import Principal, Request
from tests.support.running import RunningLocalAws, settings_of
from tests.support.waiting import eventually
from tests.terraform.applying import Environment
from tests.terraform.planning import REPOSITORY

# Other names than the session's staging, which is in the same account, and none of the optional resources.
INPUTS: dict[str, Any] = {
    "project_name": "app-test",
    "backend": "serverless",
    "schedule": None,
    "notifications": None,
    "training_pipeline": None,
    "image_build": None,
}
NAME = "app-test-staging-app"


@dataclass(frozen=True)
class Applied:
    """The applied environment and its outputs."""

    environment: Environment
    outputs: dict[str, Any]

    def app(self) -> dict[str, Any]:
        """The App as AWS describes it."""
        found: dict[str, Any] = self.client("sagemaker").describe_mlflow_app(Arn=self.outputs["mlflow_tracking_uri"])
        return found

    def client(self, service: str) -> Any:
        """A client of the administrator."""
        return self.environment.localaws.client(service)


@pytest.fixture(scope="module")
def applied(localaws: RunningLocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """The session's localaws, but a mirror of its own."""
    home = tmp_path_factory.mktemp("app") / "home"
    settings = settings_of(home, localaws.settings.port)
    claim(settings)
    written = localaws.settings.env_file.read_text()
    settings.env_file.write_text(written.replace(str(localaws.settings.home), str(settings.home)))
    environment = Environment(RunningLocalAws(settings), "staging", **INPUTS)
    done = environment.apply()
    assert done.returncode == 0, done.stdout
    outputs = environment.deployed.outputs
    yield Applied(environment, outputs)
    # The session's localaws ends with the tests, so only the App's process has to end now.
    localaws.client("sagemaker").delete_mlflow_app(Arn=outputs["mlflow_tracking_uri"])


def test_the_app_has_the_bucket_and_the_role_of_the_environment(applied: Applied) -> None:
    app, outputs = applied.app(), applied.outputs
    assert app["Name"] == outputs["tracking_server_name"] == NAME
    assert app["Arn"] == outputs["tracking_server_arn"]
    assert app["MlflowVersion"] == outputs["mlflow_version"]
    assert (app["ArtifactStoreUri"], app["RoleArn"]) == (outputs["artifact_store_uri"], outputs["mlflow_role_arn"])
    assert outputs["tracking_server_arns"] == {app["MlflowVersion"]: app["Arn"]}


def test_a_second_plan_changes_nothing(applied: Applied) -> None:
    done = applied.environment.plan()
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("level", "allowed", "allowed_on_others"),
    [
        ("reader", {"DescribeMlflowApp"}, set()),
        ("writer", {"CallMlflowAppApi", "CreatePresignedMlflowAppUrl", "DescribeMlflowApp"}, set()),
        # A clean-up must see where every App stores its artifacts.
        (
            "admin",
            {"CallMlflowAppApi", "CreatePresignedMlflowAppUrl", "DescribeMlflowApp", "UpdateMlflowApp"},
            {"DescribeMlflowApp"},
        ),
    ],
)
def test_a_level_may_use_this_app_and_no_other(
    applied: Applied, level: str, allowed: set[str], allowed_on_others: set[str]
) -> None:
    document = json.loads(applied.outputs["client_policy_documents"][level])
    arn = applied.outputs["mlflow_tracking_uri"]
    account = applied.outputs["aws_account_id"]
    operations = ("Call{}Api", "CreatePresigned{}Url", "Create{}", "Delete{}", "Describe{}", "Update{}")

    def permitted(resource: str) -> set[str]:
        caller = Principal(f"arn:aws:sts::{account}:assumed-role/{level}/now")
        policies = Policies(identity=(Policy.parse(level, document),))
        names = [name.format("MlflowApp") for name in operations]
        return {
            name
            for name in names
            if evaluate(Request(caller, f"sagemaker:{name}", resource, account, {}), policies).allowed
        }

    assert permitted(arn) == allowed
    assert permitted(f"{arn.rpartition('/')[0]}/app-OTHER") == allowed_on_others


def test_a_model_is_logged_deployed_and_validated(applied: Applied) -> None:
    deployed = applied.environment.deployed
    logged = deployed.result("log_run", "--register", "app-iris", "--alias", "champion", "--experiment", "app-iris")
    model = "models:/app-iris@champion"
    try:
        assert deployed.result("deploy_model", model)["status"] == "InService"
        assert deployed.result("validate_endpoint", model)["passed"] is True
    finally:
        deployed.script("deploy_model", model, "--delete")
    assert logged["model_uri"] == "models:/app-iris/1"


def test_clean_up_deletes_an_unused_run_and_its_artifacts_once(applied: Applied) -> None:
    deployed = applied.environment.deployed
    run = deployed.result("log_run", "--experiment", "app-old")["run_id"]
    old = ("clean_up", "--what", "old-runs", "--older-than", "0", "--experiment", "app-old")
    assert [one["name"] for one in deployed.result(*old)["items"]] == [run]
    deployed.script(*old, "--yes")
    assert deployed.result(*old)["items"] == []

    [undo] = re.findall(r"python -c '(.*restore_run.*)'", (REPOSITORY / "docs/guides/clean-up.md").read_text())
    environ = {**deployed.environ, "MLFLOW_TRACKING_URI": deployed.outputs["mlflow_tracking_uri"]}
    subprocess.run([sys.executable, "-c", undo.replace("RUN", run)], env=environ, check=True, timeout=300)
    assert [one["name"] for one in deployed.result(*old)["items"]] == [run]


def test_the_doctor_finds_a_setting_that_was_changed_outside_terraform(applied: Applied) -> None:
    def settings() -> dict[str, str]:
        done = applied.environment.deployed.script("doctor", "--json", check=False)
        findings = json.loads(done.stdout)["checks"]
        return next(one for one in findings if one["check"] == "server settings")

    assert settings()["status"] == "pass"
    applied.client("sagemaker").update_mlflow_app(
        Arn=applied.outputs["mlflow_tracking_uri"], ModelRegistrationMode="AutoModelRegistrationDisabled"
    )
    assert eventually(lambda: applied.app()["Status"] in {"Updated", "UpdateFailed"}, seconds=120)
    found = settings()
    assert found["status"] == "fail"
    assert "ModelRegistrationMode is AutoModelRegistrationDisabled" in found["detail"]
