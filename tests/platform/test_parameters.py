"""Outputs without Terraform's state: found in SSM Parameter Store, or one line about why they are nowhere."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import PreconditionError
from mlflow_platform import environment as environments
from mlflow_platform import parameters
from tests.platform.test_environment import OUTPUTS, outputs, terraform

UNINITIALISED = terraform("", "Error: Backend initialization required", 1)
DENIED = terraform("", "Error: Failed to load state: AccessDenied: not yours", 1)
HERE = {"AWS_REGION": "eu-west-1"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with staging, as a clone has it: its settings, and no state."""
    folder = tmp_path / "mlflow" / "terraform" / "staging"
    folder.mkdir(parents=True)
    (folder / "main.tf").touch()
    (folder / "terraform.tfvars").write_text('project_name = "churn"\nenvironment  = "staging"\n')
    return tmp_path


def missing(_: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    raise FileNotFoundError("terraform")


def published(found: Mapping[str, str], asked: list[tuple[str, str]]) -> parameters.Reader:
    def read(folder: str, region: str) -> Mapping[str, str]:
        asked.append((folder, region))
        return found

    return read


@pytest.mark.parametrize("unreadable", [UNINITIALISED, DENIED, terraform("{}"), missing])
def test_without_access_to_the_state_the_parameters_tell_the_same(repository: Path, unreadable: Any) -> None:
    asked: list[tuple[str, str]] = []
    read = published(OUTPUTS, asked)
    found = environments.load(
        "staging", local=False, environ=HERE, repository=repository, terraform=unreadable, published=read
    )
    assert asked == [("/churn/staging", "eu-west-1")]
    assert found.tracking_uri == OUTPUTS["mlflow_tracking_uri"]
    assert found.source == "the parameters below /churn/staging"


def test_a_state_that_can_be_read_is_not_looked_past(repository: Path) -> None:
    asked: list[tuple[str, str]] = []
    found = environments.load(
        "staging",
        local=False,
        environ=HERE,
        repository=repository,
        terraform=outputs(),
        published=published({}, asked),
    )
    assert (asked, found.source) == ([], environments.STATE)


def test_what_stands_nowhere_is_not_deployed(repository: Path) -> None:
    with pytest.raises(PreconditionError) as nowhere:
        environments.load(
            "staging",
            local=False,
            environ=HERE,
            repository=repository,
            terraform=UNINITIALISED,
            published=published({}, []),
        )
    assert str(nowhere.value) == "staging is not deployed: run `make apply ENV=staging` first"


def test_without_a_region_the_message_names_the_variable(repository: Path) -> None:
    with pytest.raises(PreconditionError, match=r"run `make apply ENV=staging` first, or set AWS_REGION if"):
        environments.load("staging", local=False, environ={}, repository=repository, terraform=UNINITIALISED)


def test_parameters_that_may_not_be_read_are_told_beside_the_state_that_cannot(
    repository: Path, aws: Callable[[str], Any]
) -> None:
    def read(folder: str, region: str) -> Mapping[str, str]:
        response = {"Error": {"Code": "AccessDeniedException", "Message": "not yours either"}}
        raise aws("ssm").exceptions.ClientError(response, "GetParametersByPath")

    with pytest.raises(PreconditionError) as denied:
        environments.load("staging", local=False, environ=HERE, repository=repository, terraform=DENIED, published=read)
    assert "cannot read staging's outputs" in str(denied.value)
    assert "below /churn/staging: AWS denies GetParametersByPath: not yours either" in str(denied.value)
    assert "\n" not in str(denied.value)


def test_all_pages_are_read_and_names_lose_their_path(
    aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    for number in range(25):
        aws("ssm").put_parameter(Name=f"/churn/staging/p{number}", Value=str(number), Type="String")
    aws("ssm").put_parameter(Name="/churn/prod/p0", Value="prod", Type="String")
    assert parameters.read("/churn/staging", "us-east-1") == {f"p{number}": str(number) for number in range(25)}


@pytest.mark.parametrize("settings", ["", 'project_name = "churn"\n', '# project_name = "a"\nenvironment = "b"\n'])
def test_a_root_that_does_not_say_its_names_has_no_path(tmp_path: Path, settings: str) -> None:
    assert parameters.path(tmp_path) is None
    (tmp_path / "terraform.tfvars").write_text(settings)
    assert parameters.path(tmp_path) is None


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_the_repository_s_own_roots_have_a_path(name: str) -> None:
    assert parameters.path(environments.REPOSITORY / "mlflow" / "terraform" / name) == f"/mlflow/{name}"
