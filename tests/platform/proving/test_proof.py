"""A proof on a real account: its steps, its record and its cost."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.plan_guard.cost import Prices
from mlflow_platform.proving.budget import budget_of, check_budget
from mlflow_platform.proving.quotas import check_quotas
from mlflow_platform.proving.record import Record
from mlflow_platform.proving.session import HOURS, INSTANCE_HOURS
from mlflow_platform.proving.steps import Proof, Step, prove
from tests.platform.proving.made_up import ACCOUNT, CLOCK, raising, record


def outcome(
    steps: list[Step], removal: list[Step], left: Callable[[], list[str]] = list
) -> tuple[Record, list[dict[str, Any]]]:
    """The record of a proof, and its forms when it was saved."""
    found, saved = record(), []
    prove(Proof(steps, removal, left), found, CLOCK, lambda _: None, lambda: saved.append(found.as_json()))
    return found, saved


def step(name: str, run: Callable[[], str] = lambda: "seen", *, required: bool = False) -> Step:
    return Step(name, f"that {name} works", run, required)


def results(found: Record) -> list[tuple[str, str]]:
    return [(one.name, one.status) for one in found.steps]


def test_a_failed_check_does_not_stop_the_others() -> None:
    found, saved = outcome([step("one", raising(PlatformError("no role"))), step("two")], [step("destroy")])
    assert results(found) == [("one", "fail"), ("two", "pass"), ("destroy", "pass")]
    assert found.steps[0].evidence == "no role"
    assert not found.passed
    assert [len(one["steps"]) for one in saved] == [1, 2, 3, 3]


def test_nothing_is_checked_after_a_failed_apply_but_everything_is_destroyed() -> None:
    found, _ = outcome([step("apply", raising(OSError("full")), required=True), step("two")], [step("destroy")])
    assert results(found) == [("apply", "fail"), ("two", "skip"), ("destroy", "pass")]


def test_everything_is_destroyed_after_an_interrupt() -> None:
    found, saved = outcome([step("one", raising(KeyboardInterrupt())), step("two")], [step("destroy")])
    assert results(found) == [("one", "fail"), ("destroy", "pass")]
    assert found.interrupted
    assert not found.passed
    assert saved[-1]["left"] == []


def test_an_interrupted_removal_says_what_may_be_left() -> None:
    found, saved = outcome([step("one")], [step("destroy", raising(KeyboardInterrupt()))])
    assert found.left == ["possibly everything of prove-ab12cd: the removal was interrupted"]
    assert saved[-1]["passed"] is False


def test_a_failed_removal_does_not_stop_the_next_one_and_what_is_left_is_listed() -> None:
    removal = [step("scripts", raising(PlatformError("denied"))), step("destroy")]
    found, _ = outcome([step("one")], removal, lambda: ["bucket b"])
    assert results(found)[1:] == [("scripts", "fail"), ("destroy", "pass")]
    assert (found.left, found.passed) == (["bucket b"], False)


def test_what_cannot_be_listed_counts_as_left() -> None:
    found, _ = outcome([step("one")], [], raising(PlatformError("denied")))  # type: ignore[arg-type]
    assert found.left == ["not known, because it could not be listed: denied"]


def test_a_proof_passes_when_every_step_passes_and_nothing_is_left() -> None:
    found, saved = outcome([step("one")], [step("destroy")])
    assert found.passed
    assert saved[-1]["passed"] is True


def test_the_record_masks_the_account() -> None:
    found, saved = outcome([step("role", lambda: f"arn:aws:iam::{ACCOUNT}:role/a|b")], [])
    page = found.as_markdown()
    assert ACCOUNT not in page + json.dumps(saved)
    assert "arn:aws:iam::********3333:role/a\\|b" in page
    assert "| role | pass | 0.0 | that role works |" in page
    assert saved[-1]["account"] == "********3333"


def test_the_limit_of_the_cost_covers_all_time_limits_and_every_grace_time() -> None:
    # 190 minutes of steps, 90 of the removal, two long and six short grace times, ten minutes of calls.
    assert pytest.approx(190 + 90 + 2 * 15.5 + 6 * 2.5 + 10) == HOURS * 60
    assert INSTANCE_HOURS < HOURS


def plan_of(*resources: tuple[str, dict[str, Any]], region: str = "us-east-1") -> TerraformPlan:
    planned = tuple({"mode": "managed", "type": kind, "values": values} for kind, values in resources)
    return TerraformPlan((), planned, (), {"region": region})


SERVER = "aws_sagemaker_mlflow_tracking_server"


@pytest.mark.parametrize(("size", "limit", "starts"), [("Small", 5.0, True), ("Small", 1.0, False)])
def test_refuses_to_start_above_the_limit(size: str, limit: float, starts: bool) -> None:
    budget = budget_of(plan_of((SERVER, {"tracking_server_size": size})), Prices.load(), INSTANCE_HOURS)
    if starts:
        assert 1.0 < check_budget(budget, HOURS, limit) < limit
        return
    with pytest.raises(PreconditionError, match=r"above the limit of \d\.00 USD. Nothing was created"):
        check_budget(budget, HOURS, limit)


@pytest.mark.parametrize(
    ("quotas", "refused"),
    [
        ({"ml.m5.large for endpoint usage": 2, "ml.m5.large for transform job usage": 1}, ""),
        ({"ml.m5.large for endpoint usage": 0}, "`ml.m5.large for endpoint usage` is 0, but must be 2"),
        ({"ml.m5.large for transform job usage": 0}, "`ml.m5.large for transform job usage` is 0, but must be 1"),
        ({}, ""),
        (None, ""),
    ],
)
def test_refuses_to_start_in_an_account_without_instances(quotas: dict[str, int] | None, refused: str) -> None:
    def pages(**_: Any) -> Any:
        if quotas is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListServiceQuotas")
        return iter([{"Quotas": [{"QuotaName": name, "Value": float(value)}]} for name, value in quotas.items()])

    client = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=pages))
    said: list[str] = []
    if refused:
        with pytest.raises(PreconditionError, match=refused):
            check_quotas(client, said.append)
    else:
        check_quotas(client, said.append)
    assert len(said) == (quotas is None)


def test_a_bound_needs_no_price_of_logs() -> None:
    plan = plan_of((SERVER, {"tracking_server_size": "Small"}), ("aws_cloudwatch_log_group", {}))
    known = Prices.load()
    others = tuple(price for price in known.prices if price.resource != "aws_cloudwatch_log_group")
    assert budget_of(plan, replace(known, prices=others), INSTANCE_HOURS).hourly > 0


@pytest.mark.parametrize(
    ("plan", "missing"),
    [
        (plan_of((SERVER, {"tracking_server_size": "Huge"})), "Huge"),
        (plan_of((SERVER, {"tracking_server_size": "Small"}), ("aws_db_instance", {})), "aws_db_instance"),
        (plan_of((SERVER, {"tracking_server_size": "Small"}), region="xx-nowhere-1"), "everything in xx-nowhere-1"),
    ],
)
def test_refuses_to_start_without_an_upper_bound(plan: TerraformPlan, missing: str) -> None:
    with pytest.raises(PreconditionError, match=f"not known: .*{missing}"):
        budget_of(plan, Prices.load(), INSTANCE_HOURS)
