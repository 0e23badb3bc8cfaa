"""How traffic moves: what AWS is sent, and which options are refused."""

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from mlflow_common.errors import InputError
from mlflow_platform.endpoints.strategy import KINDS, strategy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alarms", [[], ["one", "two"]])
def test_every_strategy_is_a_valid_request(kind: str, alarms: list[str]) -> None:
    shape = botocore.session.get_session().get_service_model("sagemaker").shape_for("DeploymentConfig")
    config = strategy(kind, share=None, wait=None, keep=0).deployment_config(alarms)
    assert not ParamValidator().validate(config, shape).has_errors()
    named: Any = config.get("AutoRollbackConfiguration", {"Alarms": []})
    assert [alarm["AlarmName"] for alarm in named["Alarms"]] == alarms


def test_a_canary_has_its_size_and_its_waits() -> None:
    policy = strategy("canary", share=20, wait=600, keep=120).deployment_config([])["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 600,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 20},
    }
    assert policy["TerminationWaitInSeconds"] == 120


def test_the_time_limit_covers_all_steps() -> None:
    config = strategy("linear", share=10, wait=1200, keep=0).deployment_config([])
    assert config["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] >= 10 * 1200


@pytest.mark.parametrize(
    ("kind", "options", "complaint"),
    [
        ("blue", {}, "there is no strategy 'blue'. --strategy takes all-at-once, canary, linear or rolling"),
        ("all-at-once", {"share": 10}, "Leave --share out"),
        ("canary", {"share": 51}, "AWS takes 1 to 50 percent"),
        ("linear", {"share": 9}, "AWS takes 10 to 50 percent"),
        ("rolling", {"share": 4}, "AWS takes 5 to 50 percent"),
        ("rolling", {"keep": 10}, "Leave --keep-old out"),
        ("linear", {"share": 10, "wait": 3600}, "longer than AWS allows"),
    ],
)
def test_refuses_what_aws_does_not_support(kind: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        strategy(kind, **({"share": None, "wait": None, "keep": 0} | options))
