"""The doctor's checks of the last scheduled run, of the endpoints' quotas and of the provider's version."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlflow_platform.doctor import access, endpoints, operations
from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.diagnosis import diagnose
from mlflow_platform.doctor.terraform_state import Resource, TerraformState, locked_provider
from mlflow_platform.environment import REPOSITORY, Environment
from mlflow_platform.instance_quotas import ENDPOINT, read_quotas
from tests.support.running import RunningLocalAws

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:mlflow-staging-mlflow-start-stop"
STATE = TerraformState(
    "1.11.4",
    (Resource("m", "aws_sfn_state_machine", {"name": "mlflow-staging-mlflow-start-stop", "arn": MACHINE}),),
)


class MissingError(ClientError):
    """A state machine that does not exist."""


def context_of(environment: Environment, clients: dict[str, Any], **given: Any) -> Context:
    session: Any = None
    context = Context(
        environment, session, given.pop("state", STATE), lambda _: None, None, {}, lambda: datetime.now(UTC), **given
    )
    context._clients.update(clients)
    return context


def execution(status: str, hour: int = 8) -> dict[str, Any]:
    stopped = {} if status == "RUNNING" else {"stopDate": datetime(2026, 11, 30, hour, tzinfo=UTC)}
    return {"executionArn": f"{MACHINE}:{hour}", "status": status, **stopped}


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        ([execution("SUCCEEDED")], "pass", "succeeded at 2026-11-30 08:00 UTC"),
        ([execution("RUNNING", 20), execution("SUCCEEDED")], "pass", "succeeded at 2026-11-30 08:00 UTC"),
        ([execution("SUCCEEDED"), execution("FAILED", 20)], "fail", "ended as FAILED at 2026-11-30 20:00 UTC"),
        ([execution("TIMED_OUT")], "fail", "ended as TIMED_OUT"),
        ([execution("RUNNING")], "skip", "has started or stopped the server yet"),
        ([], "skip", "has started or stopped the server yet"),
        (None, "fail", "does not exist"),
    ],
)
def test_names_the_last_scheduled_run(
    environment: Environment, found: list[dict[str, Any]] | None, status: str, words: str
) -> None:
    def executions(**given: Any) -> Any:
        assert given["stateMachineArn"] == MACHINE
        if found is None:
            raise MissingError({"Error": {"Code": "StateMachineDoesNotExist", "Message": "no"}}, "ListExecutions")
        return {"executions": found}

    states = SimpleNamespace(
        list_executions=executions, exceptions=SimpleNamespace(StateMachineDoesNotExist=MissingError)
    )
    verdict = operations.last_run(context_of(environment, {"stepfunctions": states}))
    assert verdict.status == status
    assert words in verdict.detail
    assert bool(verdict.repair) == (status == "fail")


def test_an_environment_without_a_schedule_has_no_last_run(environment: Environment) -> None:
    assert operations.last_run(context_of(environment, {}, state=TerraformState())).status == "skip"


def account(environment: Environment, instances: int, quotas: Any) -> Context:
    """An endpoint of the environment with so many instances, one of another team, and the account's quotas."""
    names = ["mlflow-staging-iris", "theirs"]
    tags = [{"Key": key, "Value": value} for key, value in environment.tags.items()]
    variant = {"VariantName": "AllTraffic", "CurrentInstanceCount": instances}
    sagemaker = SimpleNamespace(
        get_paginator=lambda operation: SimpleNamespace(
            paginate=lambda **given: iter(
                [{"Tags": tags if given["ResourceArn"] == names[0] else []}]
                if operation == "list_tags"
                else [{"Endpoints": [{"EndpointName": one, "EndpointArn": one} for one in names]}]
            )
        ),
        describe_endpoint=lambda **_: {"EndpointConfigName": "c", "ProductionVariants": [variant]},
        describe_endpoint_config=lambda **_: {
            "ProductionVariants": [{"VariantName": "AllTraffic", "InstanceType": "ml.m5.large"}]
        },
        exceptions=SimpleNamespace(ClientError=ClientError),
    )

    def pages(**_: Any) -> Any:
        if isinstance(quotas, ClientError):
            raise quotas
        return iter([{"Quotas": page} for page in quotas])

    service = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(paginate=pages), exceptions=SimpleNamespace(ClientError=ClientError)
    )
    return context_of(environment, {"sagemaker": sagemaker, "service-quotas": service})


QUOTAS = [
    [{"QuotaName": "ml.m5.large for training job usage", "Value": 1.0}],
    [{"QuotaName": "ml.m5.large for endpoint usage", "Value": 10.0}],
]
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "you may not"}}, "ListServiceQuotas")


@pytest.mark.parametrize(
    ("instances", "quotas", "status", "words"),
    [
        (
            0,
            [[{"QuotaName": "ml.m5.large for endpoint usage", "Value": 0.0}]],
            "warn",
            "quota of ml.m5.large for endpoints is 0",
        ),
        (0, DENIED, "skip", "you may not"),
        (8, QUOTAS, "pass", "8 of 10 ml.m5.large"),
        (9, QUOTAS, "warn", "9 of 10 ml.m5.large"),
        (9, QUOTAS[:1], "skip", "names no quota of ml.m5.large"),
        (9, DENIED, "skip", "you may not"),
        (0, QUOTAS, "skip", "run no instance"),
    ],
)
def test_warns_of_endpoints_that_nearly_use_up_the_accounts_instances(
    environment: Environment, instances: int, quotas: Any, status: str, words: str
) -> None:
    verdict = endpoints.quotas(account(environment, instances, quotas))
    assert verdict.status == status
    assert words in verdict.detail


def test_names_a_quota_near_its_limit_that_is_planted_in_localaws(
    environment: Environment, localaws: RunningLocalAws
) -> None:
    context, kind = account(environment, 9, QUOTAS), "ml.c5.18xlarge"
    variants = [{"VariantName": "AllTraffic", "InstanceType": kind}]
    context.client("sagemaker").describe_endpoint_config = lambda **_: {"ProductionVariants": variants}
    context._clients["service-quotas"] = localaws.client("service-quotas")
    (before,) = read_quotas(localaws.client("service-quotas"), [ENDPOINT.format(kind)]).values()
    assert endpoints.quotas(context).status == "pass"
    localaws.set_quotas({kind: 10})
    try:
        verdict = endpoints.quotas(context)
    finally:
        localaws.set_quotas({kind: int(before)})
    assert (verdict.status, f"9 of 10 {kind}" in verdict.detail) == ("warn", True)


def test_an_endpoint_without_a_configuration_runs_no_instance(environment: Environment) -> None:
    context = account(environment, 9, QUOTAS)
    context.client("sagemaker").describe_endpoint = lambda **_: {"EndpointStatus": "Failed"}
    assert endpoints.quotas(context).status == "skip"


@pytest.mark.parametrize(("version", "status"), [("5.100.0", "pass"), ("6.73.0", "warn"), (None, "skip")])
def test_warns_of_an_untested_provider(environment: Environment, version: str | None, status: str) -> None:
    verdict = access.provider(context_of(environment, {}, provider_version=version))
    assert verdict.status == status
    assert "-upgrade" not in str(verdict)  # It conflicts with the `-lockfile=readonly` of `make init`.


def test_reads_the_providers_version_from_the_lock_file(tmp_path: Path) -> None:
    assert locked_provider(REPOSITORY / "mlflow/terraform/staging") == access._PROVIDER
    assert locked_provider(tmp_path) is None


def test_the_page_describes_every_check(environment: Environment) -> None:
    sts = SimpleNamespace(get_caller_identity=lambda: {"Account": "000000000000", "Arn": "arn"})
    names = [one.check for one in diagnose(context_of(environment, {"sts": sts}))]
    rows = (REPOSITORY / "docs/reference/doctor.md").read_text().split("| --- |", 1)[1].splitlines()
    documented = {name.strip() for row in rows if row.startswith("|") for name in row.split("|")[1].split(",")}
    assert [name for name in names if name not in documented] == []
