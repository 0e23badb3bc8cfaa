"""Reading an environment from Terraform's outputs, or one line that says why that is not possible."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform import outputs
from mlflow_platform.environment import Environment, EnvironmentRef

OUTPUTS = {
    "artifact_bucket_name": "mlflow-staging-mlflow-artifacts-zali-staging",
    "artifact_store_uri": "s3://mlflow-staging-mlflow-artifacts-zali-staging",
    "aws_account_id": "123456789012",
    "aws_region": "eu-west-1",
    "endpoint_execution_role_arn": "arn:aws:iam::123456789012:role/mlflow-staging-endpoint-role",
    "mlflow_tracking_uri": "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/mlflow-staging-3-0",
    "mlflow_version": "3.0",
    "project_name": "mlflow",
    "tracking_server_name": "mlflow-staging-3-0",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two environments."""
    for name in ("staging", "prod"):
        folder = tmp_path / "mlflow" / "terraform" / name
        folder.mkdir(parents=True)
        (folder / "main.tf").touch()
    return tmp_path


def terraform(stdout: str = "", stderr: str = "", code: int = 0) -> Callable[..., Any]:
    def run(arguments: Sequence[str]) -> Any:
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    return run


def printing(**changes: Any) -> Callable[..., Any]:
    return terraform(json.dumps({name: {"value": value} for name, value in (OUTPUTS | changes).items()}))


def test_reads_an_environment_from_the_outputs(repository: Path) -> None:
    found = outputs.load("staging", local=False, environ={}, repository=repository, terraform=printing())
    assert (found.project, found.name, found.region, found.account) == (
        "mlflow",
        "staging",
        "eu-west-1",
        "123456789012",
    )
    assert found.tags == {"project": "mlflow", "environment": "staging"}


def test_former_artifact_stores_come_as_a_list_or_as_numbered_values() -> None:
    here, ref = OUTPUTS["artifact_store_uri"], EnvironmentRef("staging")
    for given in (
        {"former_artifact_store_uris": ["s3://old/a/", "s3://older"]},
        # As Terraform publishes them in Parameter Store, and gives them to jobs.
        {"former_artifact_store_uris_0": "s3://old/a", "former_artifact_store_uris_1": "s3://older"},
    ):
        assert Environment.from_outputs(ref, OUTPUTS | given).artifact_stores == (here, "s3://old/a", "s3://older")
    for none in ({}, {"former_artifact_store_uris": []}, {"former_artifact_store_uris": None}):
        assert Environment.from_outputs(ref, {**OUTPUTS, **none}).artifact_stores == (here,)


def test_outputs_of_an_older_module_lack_the_project_and_the_account(repository: Path) -> None:
    old = printing(project_name=None, aws_account_id=None, aws_region=None)
    with pytest.raises(
        PreconditionError, match=r"aws_account_id, aws_region, project_name.*Run `make apply ENV=staging`"
    ) as e:
        outputs.load("staging", local=False, environ={}, repository=repository, terraform=old)
    assert e.value.status == 3


def test_rejects_an_unknown_environment_and_names_the_known_ones(repository: Path) -> None:
    with pytest.raises(InputError, match=r"no environment 'stagin'. --env takes prod or staging.") as wrong:
        outputs.load("stagin", local=False, environ={}, repository=repository, terraform=printing())
    assert wrong.value.status == 2


def test_finds_the_repositorys_environments() -> None:
    assert {"staging", "prod"} <= set(outputs.environment_names())


@pytest.mark.parametrize(
    "answer",
    [
        terraform("{}"),
        terraform("", 'Error: Backend initialization required, please run "terraform init"', 1),
        terraform("", '╷\n│ Error: Backend initialization required: please run "terraform init"\n╵', 1),
    ],
)
def test_names_the_command_that_deploys_an_environment(repository: Path, answer: Any) -> None:
    with pytest.raises(
        PreconditionError, match=r"staging is not deployed. Run `make apply ENV=staging` first"
    ) as not_yet:
        outputs.load("staging", local=False, environ={}, repository=repository, terraform=answer)
    assert not_yet.value.status == 3


def test_names_missing_outputs(repository: Path) -> None:
    half = printing(mlflow_tracking_uri=None, tracking_server_name=None)
    with pytest.raises(
        PreconditionError, match=r"only partly deployed \(missing outputs: mlflow_tracking_uri, tracking_server_name\)"
    ):
        outputs.load("staging", local=False, environ={}, repository=repository, terraform=half)


def test_passes_on_terraforms_error(repository: Path) -> None:
    broken = terraform("", "╷\n│ Error: No valid credential sources found\n│ more", 1)
    with pytest.raises(PreconditionError, match=r"cannot read the outputs of staging .Error: No valid credential"):
        outputs.load("staging", local=False, environ={}, repository=repository, terraform=broken)


def test_names_a_missing_terraform(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PreconditionError, match=r"Terraform is not installed.*1\.11"):
        outputs.load("staging", local=False, environ={}, repository=repository)


def test_output_that_is_not_json_causes_a_one_line_error(repository: Path) -> None:
    with pytest.raises(PreconditionError, match="did not print JSON"):
        outputs.load("staging", local=False, environ={}, repository=repository, terraform=terraform("Warning: x"))


def test_local_uses_localaws_and_its_copy_of_the_root(repository: Path, localaws_home: Path) -> None:
    requested: list[str] = []

    def run(arguments: Sequence[str]) -> Any:
        requested.extend(arguments)
        return printing()(arguments)

    mine = {
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "t",
        "AWS_ENDPOINT_URL_S3": "http://elsewhere",
        "HOME": "/home/me",
        "no_proxy": "intranet",
    }
    environ = mine | {"LOCALAWS_HOME": str(localaws_home)}
    outputs.load("staging", local=True, environ=environ, repository=repository, terraform=run)
    assert environ["AWS_ACCESS_KEY_ID"] == "AKIALOCAL"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} & set(environ)
    assert environ["NO_PROXY"] == environ["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert environ["HOME"] == "/home/me"
    assert f"-chdir={localaws_home}/terraform/mlflow/terraform/staging" in requested


def test_a_copy_that_was_never_applied_is_not_deployed(repository: Path, localaws_home: Path) -> None:
    with pytest.raises(PreconditionError, match="Run `make apply ENV=prod LOCAL=1` first"):
        outputs.load(
            "prod",
            local=True,
            environ={"LOCALAWS_HOME": str(localaws_home)},
            repository=repository,
            terraform=printing(),
        )


@pytest.mark.parametrize("env_file", [None, "AWS_ENDPOINT_URL=http://127.0.0.1:9\n", "AWS_ENDPOINT_URL=\n", ""])
def test_reports_that_localaws_does_not_answer(repository: Path, tmp_path: Path, env_file: str | None) -> None:
    if env_file is not None:
        (tmp_path / "env").write_text(env_file)
    with pytest.raises(PreconditionError, match=r"localaws is not running. Start it with `make local-up`"):
        outputs.load("staging", local=True, environ={"LOCALAWS_HOME": str(tmp_path)}, repository=repository)
