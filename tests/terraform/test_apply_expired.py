"""Credentials that are another account's, or expire before an apply or amid it: nothing is changed, nothing is lost."""

from collections.abc import Iterator

import pytest

from localaws import daemon
from tests.support.http import HTTP
from tests.support.running import RunningLocalAws, settled, start
from tests.terraform.applying import Environment

SERVER = 'module.platform.module.mlflow.aws_sagemaker_mlflow_tracking_server.this["3.0"]'
LOG_IN = "error: AWS does not accept these credentials: log in (for example with `aws sso login`) and check AWS_PROFILE"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLocalAws]:
    running = start(tmp_path_factory.mktemp("expired") / "home")
    yield running
    daemon.down(running.settings)


@pytest.fixture(scope="module")
def staging(account: RunningLocalAws) -> Environment:
    return Environment(account, "staging")


def test_credentials_of_another_account_cause_one_call_to_sts_only(
    staging: Environment, account: RunningLocalAws
) -> None:
    staging.write("other_override.tf.json", {"provider": {"aws": {"allowed_account_ids": ["111122223333"]}}})
    try:
        status, errors, calls = applied(staging, account)
    finally:
        (staging.root / "other_override.tf.json").unlink()
    assert status == 3
    assert any("AWS account ID not allowed: 123456789012" in line for line in errors)
    assert errors[-1].startswith(
        "error: these credentials belong to another AWS account than staging's: log in to that account"
    )
    assert calls == {"sts:GetCallerIdentity"}


def test_expired_credentials_cause_one_call_to_sts_only(staging: Environment, account: RunningLocalAws) -> None:
    # AWS gives none for less than a quarter of an hour; tests/localaws/front/test_sigv4.py has some that have expired.
    account.fault("sts:GetCallerIdentity", error="ExpiredToken", times=10)
    try:
        status, errors, calls = applied(staging, account)
    finally:
        HTTP.delete(f"{account.url}/_localaws/faults")
    assert (status, errors[-1], calls) == (3, LOG_IN, {"sts:GetCallerIdentity"})


def test_credentials_that_expire_while_the_server_is_made_cost_no_server(
    staging: Environment, account: RunningLocalAws
) -> None:
    # Asking for a server takes a moment, waiting for it up to 25 minutes.
    account.fault("sagemaker:DescribeMlflowTrackingServer", error="ExpiredTokenException", times=10)
    assert "ExpiredTokenException" in staging.apply(f"-target={SERVER}").stdout
    HTTP.delete(f"{account.url}/_localaws/faults")
    assert settled(account, "mlflow-staging-3-0") == "Created"

    status, errors, _ = applied(staging, account, f"-target={SERVER}")
    assert status == 3
    assert errors[-1].startswith(
        "error: nothing was changed, because the plan would replace tracking server mlflow-staging-3-0"
    )

    # docs/guides/runbook.md, "The plan wants to replace a server that is fine".
    assert staging.terraform("untaint", SERVER).returncode == 0
    assert "Resources: 0 added, 0 changed, 0 destroyed." in staging.apply(f"-target={SERVER}").stdout


def applied(environment: Environment, account: RunningLocalAws, *arguments: str) -> tuple[int, list[str], set[str]]:
    """The exit status of `make apply`, the lines of its standard error, and the AWS operations that it called."""
    HTTP.delete(f"{account.url}/_localaws/calls")
    done = environment.deployed.detached().terraform("apply", *arguments, check=False)
    calls = {f"{call['service']}:{call['operation']}" for call in account.calls()}
    return done.returncode, done.stderr.splitlines(), calls
