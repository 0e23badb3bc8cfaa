"""Reading outputs from SSM Parameter Store if Terraform's state cannot be read."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform import outputs, parameters
from mlflow_platform.environment import REPOSITORY, STATE
from tests.platform.test_outputs import OUTPUTS, printing, terraform

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
    raise PreconditionError("Terraform is not installed.")


def published(found: Mapping[str, str], requested: list[tuple[str, str]]) -> parameters.Reader:
    def read(folder: str, region: str) -> Mapping[str, str]:
        requested.append((folder, region))
        return found

    return read


@pytest.mark.parametrize("unreadable", [UNINITIALISED, DENIED, terraform("{}"), missing])
def test_reads_the_parameters_without_access_to_the_state(repository: Path, unreadable: Any) -> None:
    requested: list[tuple[str, str]] = []
    read = published(OUTPUTS, requested)
    found = outputs.load(
        "staging", local=False, environ=HERE, repository=repository, terraform=unreadable, published=read
    )
    assert requested == [("/churn/staging", "eu-west-1")]
    assert found.server.arn == OUTPUTS["mlflow_tracking_uri"]
    assert found.source == "the parameters below /churn/staging"


def test_prefers_the_state_to_the_parameters(repository: Path) -> None:
    requested: list[tuple[str, str]] = []
    found = outputs.load(
        "staging",
        local=False,
        environ=HERE,
        repository=repository,
        terraform=printing(),
        published=published({}, requested),
    )
    assert (requested, found.source) == ([], STATE)


def test_outputs_in_neither_place_mean_not_deployed(repository: Path) -> None:
    with pytest.raises(PreconditionError) as nowhere:
        outputs.load(
            "staging",
            local=False,
            environ=HERE,
            repository=repository,
            terraform=UNINITIALISED,
            published=published({}, []),
        )
    assert str(nowhere.value) == "staging is not deployed. Run `make apply ENV=staging` first."


def test_asks_for_the_region_variable(repository: Path) -> None:
    with pytest.raises(
        PreconditionError,
        match=r"Run `make apply ENV=staging` first\. If staging was deployed from another machine, set AWS_REGION",
    ):
        outputs.load("staging", local=False, environ={}, repository=repository, terraform=UNINITIALISED)


def test_reports_why_neither_state_nor_parameters_can_be_read(repository: Path, aws: Callable[[str], Any]) -> None:
    def read(folder: str, region: str) -> Mapping[str, str]:
        response = {"Error": {"Code": "AccessDeniedException", "Message": "not yours either"}}
        raise aws("ssm").exceptions.ClientError(response, "GetParametersByPath")

    with pytest.raises(PreconditionError) as denied:
        outputs.load("staging", local=False, environ=HERE, repository=repository, terraform=DENIED, published=read)
    assert "cannot read the outputs of staging" in str(denied.value)
    assert "below /churn/staging cannot be read either: AWS denies GetParametersByPath: not yours either" in str(
        denied.value
    )
    assert "\n" not in str(denied.value)


def test_reads_all_pages_and_removes_the_path_from_names(
    aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    for number in range(25):
        aws("ssm").put_parameter(Name=f"/churn/staging/p{number}", Value=str(number), Type="String")
    aws("ssm").put_parameter(Name="/churn/prod/p0", Value="prod", Type="String")
    assert parameters.read("/churn/staging", "us-east-1") == {f"p{number}": str(number) for number in range(25)}


@pytest.mark.parametrize("settings", ["", 'project_name = "churn"\n', '# project_name = "a"\nenvironment = "b"\n'])
def test_a_root_without_its_names_has_no_path(tmp_path: Path, settings: str) -> None:
    assert parameters.path(tmp_path) is None
    (tmp_path / "terraform.tfvars").write_text(settings)
    assert parameters.path(tmp_path) is None


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_the_repositorys_roots_have_a_path(name: str) -> None:
    assert parameters.path(REPOSITORY / "mlflow" / "terraform" / name) == f"/mlflow/{name}"


@pytest.mark.parametrize(
    "settings",
    [
        'project_name="churn"\nenvironment = "staging"\n',
        '# project_name = "old"\nproject_name = "churn" # a comment\nenvironment = "staging"\n',
        'tags = {\n  environment = "prod"\n}\nproject_name = "churn"\nenvironment = "staging"\n',
    ],
)
def test_reads_settings_as_terraform_does(tmp_path: Path, settings: str) -> None:
    (tmp_path / "terraform.tfvars").write_text(settings)
    assert parameters.path(tmp_path) == "/churn/staging"


@pytest.mark.parametrize("content", [b'project_name = "churn', b"\xff\xfe", b"]["])
def test_a_damaged_tfvars_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "terraform.tfvars").write_bytes(content)
    with pytest.raises(InputError, match=r"terraform\.tfvars cannot be read"):
        parameters.path(tmp_path)
