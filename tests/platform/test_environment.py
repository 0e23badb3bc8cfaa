"""An environment: read from Terraform's outputs, or one line about why it cannot be."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.stub import Stubber

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform import environment as environments
from mlflow_platform.environment import Environment

OUTPUTS = {
    "artifact_bucket_name": "mlflow-staging-mlflow-artifacts-zali-staging",
    "artifact_store_uri": "s3://mlflow-staging-mlflow-artifacts-zali-staging",
    "endpoint_execution_role_arn": "arn:aws:iam::123456789012:role/mlflow-staging-endpoint-role",
    "mlflow_tracking_uri": "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/mlflow-staging-3-0",
    "mlflow_version": "3.0",
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


@pytest.fixture
def localaws_home(tmp_path: Path) -> Iterator[Path]:
    """The folder of a localaws that answers its health check."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/_localaws/health" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Healthy)
    Thread(target=server.serve_forever).start()
    home = tmp_path / "home"
    (home / "terraform" / "mlflow" / "terraform" / "staging").mkdir(parents=True)
    url = f"http://127.0.0.1:{server.server_port}"
    lines = (f"AWS_ENDPOINT_URL={url}", "AWS_PROFILE=", "AWS_ACCESS_KEY_ID=AKIALOCAL", "NO_PROXY=127.0.0.1,localhost")
    (home / "env").write_text("".join(f"{line}\n" for line in lines))
    yield home
    server.shutdown()
    server.server_close()


def url_of(home: Path) -> str:
    """The address of the localaws whose folder that is."""
    return (home / "env").read_text().partition("AWS_ENDPOINT_URL=")[2].splitlines()[0]


def terraform(stdout: str = "", stderr: str = "", code: int = 0) -> Callable[..., Any]:
    def run(arguments: Sequence[str]) -> Any:
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    return run


def outputs(**changes: Any) -> Callable[..., Any]:
    return terraform(json.dumps({name: {"value": value} for name, value in (OUTPUTS | changes).items()}))


def test_everything_known_comes_from_the_outputs(repository: Path) -> None:
    found = environments.load("staging", local=False, environ={}, repository=repository, terraform=outputs())
    assert (found.project, found.name, found.region, found.account) == (
        "mlflow",
        "staging",
        "eu-west-1",
        "123456789012",
    )
    assert found.tags == {"project": "mlflow", "environment": "staging"}


@pytest.mark.parametrize(
    ("server", "version", "project"),
    [("ml-platform-staging-2-16", "2.16", "ml-platform"), ("a-staging-3-0", "3.0", "a")],
)
def test_the_project_is_told_by_the_server_s_name(server: str, version: str, project: str) -> None:
    found = Environment.from_outputs("staging", OUTPUTS | {"tracking_server_name": server, "mlflow_version": version})
    assert found.project == project


def test_a_wrong_name_is_answered_with_the_right_ones(repository: Path) -> None:
    with pytest.raises(InputError, match="no environment 'stagin': --env takes prod or staging") as wrong:
        environments.load("stagin", local=False, environ={}, repository=repository, terraform=outputs())
    assert wrong.value.status == 2


def test_the_repository_s_own_environments_are_known() -> None:
    assert {"staging", "prod"} <= set(environments.names())


@pytest.mark.parametrize(
    "answer",
    [
        terraform("{}"),
        terraform("", 'Error: Backend initialization required, please run "terraform init"', 1),
        terraform("", '╷\n│ Error: Backend initialization required: please run "terraform init"\n╵', 1),
    ],
)
def test_what_is_not_deployed_is_told_with_the_command_that_does(repository: Path, answer: Any) -> None:
    with pytest.raises(
        PreconditionError, match="staging is not deployed: run `make apply ENV=staging` first"
    ) as not_yet:
        environments.load("staging", local=False, environ={}, repository=repository, terraform=answer)
    assert not_yet.value.status == 3


def test_outputs_that_are_missing_are_named(repository: Path) -> None:
    half = outputs(mlflow_tracking_uri=None, tracking_server_name=None)
    with pytest.raises(PreconditionError, match=r"only in part \(no mlflow_tracking_uri, tracking_server_name\)"):
        environments.load("staging", local=False, environ={}, repository=repository, terraform=half)


def test_what_terraform_says_is_passed_on(repository: Path) -> None:
    broken = terraform("", "╷\n│ Error: No valid credential sources found\n│ more", 1)
    with pytest.raises(PreconditionError, match="cannot read staging's outputs: Error: No valid credential"):
        environments.load("staging", local=False, environ={}, repository=repository, terraform=broken)


def test_a_missing_terraform_is_told(repository: Path) -> None:
    def missing(_: Sequence[str]) -> Any:
        raise FileNotFoundError("terraform")

    with pytest.raises(PreconditionError, match=r"terraform is not installed.*1\.5"):
        environments.load("staging", local=False, environ={}, repository=repository, terraform=missing)


def test_local_points_this_process_at_localaws_and_reads_its_copy(repository: Path, localaws_home: Path) -> None:
    asked: list[str] = []

    def run(arguments: Sequence[str]) -> Any:
        asked.extend(arguments)
        return outputs()(arguments)

    mine = {
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "t",
        "AWS_ENDPOINT_URL_S3": "http://elsewhere",
        "HOME": "/home/me",
        "no_proxy": "intranet",
    }
    environ = mine | {"LOCALAWS_HOME": str(localaws_home)}
    environments.load("staging", local=True, environ=environ, repository=repository, terraform=run)
    assert environ["AWS_ACCESS_KEY_ID"] == "AKIALOCAL"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} & set(environ)
    assert environ["NO_PROXY"] == environ["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert environ["HOME"] == "/home/me"
    assert f"-chdir={localaws_home}/terraform/mlflow/terraform/staging" in asked


def test_a_role_s_session_for_this_localaws_is_kept(localaws_home: Path) -> None:
    session = {"AWS_ACCESS_KEY_ID": "ASIAROLE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    environ = {**session, "AWS_ENDPOINT_URL": url_of(localaws_home), "AWS_PROFILE": "work"}
    environments.use_localaws(localaws_home, environ)
    assert session.items() <= environ.items()
    assert "AWS_PROFILE" not in environ


def test_a_session_for_aws_or_for_another_localaws_gives_way_to_the_administrator(localaws_home: Path) -> None:
    for elsewhere in ({}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}):
        environ = {"AWS_ACCESS_KEY_ID": "ASIAROLE", "AWS_SESSION_TOKEN": "t", **elsewhere}
        environments.use_localaws(localaws_home, environ)
        assert environ["AWS_ACCESS_KEY_ID"] == "AKIALOCAL"
        assert "AWS_SESSION_TOKEN" not in environ


def test_keys_without_a_token_may_be_an_older_administrator_s_and_give_way(localaws_home: Path) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIAOLD", "AWS_ENDPOINT_URL": url_of(localaws_home)}
    environments.use_localaws(localaws_home, environ)
    assert environ["AWS_ACCESS_KEY_ID"] == "AKIALOCAL"


def test_a_copy_that_was_never_applied_is_not_deployed(repository: Path, localaws_home: Path) -> None:
    with pytest.raises(PreconditionError, match="run `make apply ENV=prod LOCAL=1` first"):
        environments.load(
            "prod",
            local=True,
            environ={"LOCALAWS_HOME": str(localaws_home)},
            repository=repository,
            terraform=outputs(),
        )


@pytest.mark.parametrize("env_file", [None, "AWS_ENDPOINT_URL=http://127.0.0.1:9\n", "AWS_ENDPOINT_URL=\n", ""])
def test_a_localaws_that_does_not_answer_is_told(repository: Path, tmp_path: Path, env_file: str | None) -> None:
    if env_file is not None:
        (tmp_path / "env").write_text(env_file)
    with pytest.raises(PreconditionError, match="localaws is not running: start it with `make local-up`"):
        environments.load("staging", local=True, environ={"LOCALAWS_HOME": str(tmp_path)}, repository=repository)


def test_the_right_account_is_let_through(environment: Environment, aws: Callable[[str], Any]) -> None:
    environments.check_account(environment, aws("sts"))


def test_another_account_is_refused_with_both_numbers(environment: Environment, aws: Callable[[str], Any]) -> None:
    elsewhere = replace(environment, account="999999999999")
    with pytest.raises(
        PreconditionError, match=r"are for account 123456789012, and staging is in\s+999999999999"
    ) as wrong:
        environments.check_account(elsewhere, aws("sts"))
    assert wrong.value.status == 3


def test_a_session_of_a_localaws_that_has_ended_is_told_how_to_go_on(
    environment: Environment, aws: Callable[[str], Any]
) -> None:
    sts = aws("sts")
    with Stubber(sts) as stubbed:
        stubbed.add_client_error("get_caller_identity", "InvalidClientTokenId")
        with pytest.raises(PreconditionError, match="localaws does not know the role's session in AWS_SESSION_TOKEN"):
            environments.check_account(replace(environment, local=True), sts)
