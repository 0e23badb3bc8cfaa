"""Automatic scaling: what is accepted, which requests AWS gets, and what an update keeps."""

from dataclasses import replace
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.endpoints import scaling
from mlflow_platform.endpoints.deployment import Deployer
from mlflow_platform.endpoints.hosting import Asynchronous
from mlflow_platform.endpoints.previous import Configuration, preview_rollback
from mlflow_platform.endpoints.removal import Removed, preview_removal
from mlflow_platform.endpoints.resources import Clients, EndpointResources
from mlflow_platform.endpoints.scaling import FROM_ZERO, TRACKING, Autoscaling, Scaling
from mlflow_platform.endpoints.specification import EndpointSpec, OtherVariant
from mlflow_platform.endpoints.strategy import Strategy, strategy
from mlflow_platform.environment import Environment
from tests.platform.conftest import FakeClock
from tests.platform.endpoints.deployed import NAME, spec_of
from tests.platform.endpoints.fleet import Fleet

ONE = f"endpoint/{NAME}/variant/AllTraffic"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
WANTED = Scaling(1, 4, 100.0)
BACKLOG = f"{NAME}-AllTraffic-backlog"
QUEUE = Asynchronous("s3://bucket/async/out", "s3://bucket/async/failed")
CANARY = strategy("canary", share=None, wait=None, keep=0)


@pytest.fixture
def spec(environment: Environment) -> EndpointSpec:
    return spec_of(environment, "1")


@pytest.fixture
def autoscaling(clients: Clients, fleet: Fleet, environment: Environment, spec: EndpointSpec) -> Autoscaling:
    """The scaling of an environment with one endpoint in service. moto wants it to exist before it scales."""
    deployer = Deployer(clients, environment, progress=lambda _: None, clock=FakeClock())
    deployer.deploy(spec)
    return Autoscaling(clients)


def targets(clients: Clients) -> dict[str, tuple[int, int]]:
    found = clients.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    return {one["ResourceId"]: (one["MinCapacity"], one["MaxCapacity"]) for one in found}


def policies(clients: Clients) -> dict[str, Any]:
    found = clients.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    return {one["PolicyName"]: one for one in found}


def alarms(clients: Clients) -> set[str]:
    found = clients.cloudwatch.describe_alarms(AlarmNames=[BACKLOG])["MetricAlarms"]
    return {one["AlarmName"] for one in found}


@pytest.mark.parametrize(
    ("bounds", "target", "asynchronous", "expected"),
    [
        (None, None, False, None),
        ("1:4", 100.0, False, Scaling(1, 4, 100.0)),
        ("0:1", 0.5, True, Scaling(0, 1, 0.5)),
        ("3:3", 1.0, False, Scaling(3, 3, 1.0)),
        ("off", None, False, Scaling(0, 0, 0.0)),
    ],
)
def test_bounds_are_read(bounds: str | None, target: float | None, asynchronous: bool, expected: Any) -> None:
    assert scaling.parse_scaling(bounds, target, asynchronous=asynchronous) == expected


@pytest.mark.parametrize(
    ("bounds", "target", "asynchronous", "problem"),
    [
        ("4", 1.0, False, "takes MIN:MAX"),
        ("4:1", 1.0, False, "takes MIN:MAX"),
        ("0:0", 1.0, True, "takes MIN:MAX"),
        ("-1:2", 1.0, False, "takes MIN:MAX"),
        ("1:2:3", 1.0, False, "takes MIN:MAX"),
        ("0:2", 1.0, False, "only asynchronous endpoints scale to zero"),
        ("1:2", None, False, "requests per minute for each instance"),
        ("1:2", None, True, "requests in the queue for each instance"),
        ("1:2", 0.0, False, "must be above 0"),
        (None, 5.0, False, "--target is for --autoscale"),
        ("off", 5.0, False, "Leave --target out"),
    ],
)
def test_bounds_that_aws_does_not_have_are_refused(
    bounds: str | None, target: float | None, asynchronous: bool, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        scaling.parse_scaling(bounds, target, asynchronous=asynchronous)


def test_a_variant_follows_its_requests_and_a_repetition_changes_nothing(
    autoscaling: Autoscaling, clients: Clients, spec: EndpointSpec
) -> None:
    assert autoscaling.apply(spec, WANTED)
    assert targets(clients) == {ONE: (1, 4)}
    tracking = policies(clients)[TRACKING]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 100.0
    metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == "SageMakerVariantInvocationsPerInstance"
    assert not autoscaling.apply(spec, WANTED)
    # Without the option, an update keeps what there is.
    assert not autoscaling.apply(spec, None)
    assert autoscaling.apply(spec, Scaling(2, 4, 100.0))
    assert targets(clients) == {ONE: (2, 4)}
    assert autoscaling.apply(spec, scaling.parse_scaling("off", None, asynchronous=False))
    assert targets(clients) == {}
    assert not autoscaling.apply(spec, Scaling(0, 0, 0.0))


def test_an_asynchronous_variant_follows_its_queue_and_starts_from_zero(
    autoscaling: Autoscaling, clients: Clients, spec: EndpointSpec
) -> None:
    queued = replace(spec, asynchronous=QUEUE)
    assert autoscaling.apply(queued, Scaling(0, 2, 5.0))
    found = policies(clients)
    metric = found[TRACKING]["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    assert metric["MetricName"] == "ApproximateBacklogSizePerInstance"
    assert metric["Dimensions"] == [{"Name": "EndpointName", "Value": NAME}]
    (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=[BACKLOG])["MetricAlarms"]
    assert alarm["AlarmActions"] == [found[FROM_ZERO]["PolicyARN"]]
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"
    assert not autoscaling.apply(queued, Scaling(0, 2, 5.0))
    # With one instance at least, nothing must start the first one.
    assert autoscaling.apply(queued, Scaling(1, 2, 5.0))
    assert set(policies(clients)) == {TRACKING}
    assert alarms(clients) == set()


@pytest.mark.parametrize("wanted", [Scaling(0, 0, 0.0), Scaling(1, 2, 5.0)])
def test_the_alarm_of_a_deregistered_variant_is_removed_when_it_starts_nothing_any_more(
    autoscaling: Autoscaling, clients: Clients, spec: EndpointSpec, wanted: Scaling
) -> None:
    queued = replace(spec, asynchronous=QUEUE)
    autoscaling.apply(queued, Scaling(0, 2, 5.0))
    policy = policies(clients)[FROM_ZERO]["PolicyARN"]
    (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=[BACKLOG])["MetricAlarms"]
    keys = ("Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods", "Threshold")
    own = {key: alarm[key] for key in (*keys, "ComparisonOperator")}
    somebodys = f"{NAME}-pager-backlog"
    clients.cloudwatch.put_metric_alarm(AlarmName=somebodys, AlarmActions=["arn:aws:sns:us-east-1:1:pager"], **own)
    # AWS deletes the policies with the target, and leaves the alarm.
    target = {"ServiceNamespace": "sagemaker", "ResourceId": ONE, "ScalableDimension": DIMENSION}
    clients.autoscaling.delete_scaling_policy(PolicyName=FROM_ZERO, **target)
    clients.autoscaling.deregister_scalable_target(**target)
    clients.cloudwatch.put_metric_alarm(AlarmName=BACKLOG, AlarmActions=[policy], **own)
    assert autoscaling.apply(queued, wanted)
    assert alarms(clients) == set()
    assert clients.cloudwatch.describe_alarms(AlarmNames=[somebodys])["MetricAlarms"]
    assert not autoscaling.apply(queued, wanted)


def test_a_variant_that_is_gone_no_longer_scales(
    autoscaling: Autoscaling, clients: Clients, spec: EndpointSpec
) -> None:
    two = replace(spec, others=(OtherVariant("Challenger", "s3://bucket/a", {}, 0.1),))
    assert autoscaling.apply(two, WANTED)
    assert set(targets(clients)) == {ONE, ONE.replace("AllTraffic", "Challenger")}
    assert autoscaling.apply(spec, None)
    assert set(targets(clients)) == {ONE}


def test_an_update_keeps_the_number_of_instances_only_while_the_endpoint_scales(
    autoscaling: Autoscaling, clients: Clients, environment: Environment, fleet: Fleet, spec: EndpointSpec
) -> None:
    messages: list[str] = []
    deployer = Deployer(clients, environment, progress=messages.append, clock=FakeClock())
    autoscaling.apply(spec, WANTED)
    deployer.deploy(spec_of(environment, "2"))
    assert "the endpoint scales automatically, so it keeps its number of instances" in messages
    assert fleet.updates[-1]["RetainAllVariantProperties"] is True
    assert fleet.updates[-1]["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DesiredWeight"}]
    assert targets(clients) == {ONE: (1, 4)}
    assert autoscaling.bounds(NAME) == "1 to 4 instances"
    autoscaling.apply(spec, Scaling(0, 0, 0.0))
    assert autoscaling.bounds(NAME) is None
    deployer.deploy(spec)
    assert "RetainAllVariantProperties" not in fleet.updates[-1]


def test_a_removal_deregisters_the_variants(
    autoscaling: Autoscaling, clients: Clients, environment: Environment, spec: EndpointSpec
) -> None:
    autoscaling.apply(replace(spec, asynchronous=QUEUE), Scaling(0, 2, 5.0))
    preview = preview_removal(clients, environment, NAME)
    assert preview.scaled == {"AllTraffic"}
    assert preview.alarms == {BACKLOG}
    assert Removed(endpoint=False, resources=EndpointResources(), scaled=preview.scaled)
    assert Deployer(clients, environment, progress=lambda _: None, clock=FakeClock()).delete(NAME) == preview
    assert targets(clients) == {}
    assert alarms(clients) == set()


def test_a_removal_finds_the_backlog_alarm_of_a_variant_that_no_longer_scales(
    autoscaling: Autoscaling, clients: Clients, environment: Environment, spec: EndpointSpec
) -> None:
    autoscaling.apply(replace(spec, asynchronous=QUEUE), Scaling(0, 2, 5.0))
    (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=[BACKLOG])["MetricAlarms"]
    keys = ("Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator")
    alike = {key: alarm[key] for key in keys}
    other = f"{NAME}-b-AllTraffic-backlog"
    dimensions = [{"Name": "EndpointName", "Value": f"{NAME}-b"}]
    clients.cloudwatch.put_metric_alarm(AlarmName=other, Dimensions=dimensions, **alike)
    clients.autoscaling.deregister_scalable_target(
        ServiceNamespace="sagemaker", ResourceId=ONE, ScalableDimension="sagemaker:variant:DesiredInstanceCount"
    )
    preview = preview_removal(clients, environment, NAME)
    assert not preview.scaled
    assert preview.alarms == {BACKLOG}
    assert Deployer(clients, environment, progress=lambda _: None, clock=FakeClock()).delete(NAME) == preview
    assert alarms(clients) == set()
    kept = clients.cloudwatch.describe_alarms(AlarmNames=[other])["MetricAlarms"]
    assert len(kept) == 1


def test_another_instance_type_needs_a_decision_about_the_scaling(
    autoscaling: Autoscaling, clients: Clients, spec: EndpointSpec
) -> None:
    autoscaling.apply(spec, WANTED)
    larger = replace(spec, instance_type="ml.m5.xlarge")
    with (
        pytest.raises(PreconditionError, match=r"refuses to change its instance type from .* --autoscale off"),
        autoscaling.during(larger, None, Strategy()),
    ):
        pass
    assert targets(clients) == {ONE: (1, 4)}
    with autoscaling.during(larger, WANTED, CANARY):
        assert targets(clients) == {}


def test_a_failed_update_restores_the_scaling(
    autoscaling: Autoscaling, clients: Clients, spec: EndpointSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    # moto keeps no tags of scalable targets.
    registered: list[dict[str, Any]] = []
    register = clients.autoscaling.register_scalable_target

    def remember(**given: Any) -> Any:
        registered.append(given)
        return register(**given)

    monkeypatch.setattr(clients.autoscaling, "register_scalable_target", remember)
    queued = replace(spec, asynchronous=QUEUE)
    autoscaling.apply(queued, Scaling(0, 2, 5.0))
    before = policies(clients)
    with (
        pytest.raises(PlatformError),
        autoscaling.during(replace(queued, instance_type="ml.m5.xlarge"), WANTED, Strategy()),
    ):
        raise PlatformError("the model did not start")
    assert targets(clients) == {ONE: (0, 2)}
    after = policies(clients)
    assert set(after) == set(before)
    for name, policy in after.items():
        for key in ("StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration"):
            assert policy.get(key) == before[name].get(key)
    (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=[BACKLOG])["MetricAlarms"]
    assert alarm["AlarmActions"] == [after[FROM_ZERO]["PolicyARN"]]
    made, restored = registered
    assert restored["Tags"] == made["Tags"] == dict(spec.tags)
    tags = clients.cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == dict(spec.tags)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (QUEUE, None, "scales as an asynchronous endpoint, which it would no longer be. Add --async, or"),
        (None, QUEUE, "scales as a real-time endpoint, which it would no longer be. Leave --async out, or"),
    ],
)
def test_an_endpoint_that_gets_or_loses_a_queue_needs_a_decision_about_the_scaling(
    autoscaling: Autoscaling, clients: Clients, spec: EndpointSpec, before: Any, after: Any, complaint: str
) -> None:
    autoscaling.apply(replace(spec, asynchronous=before), WANTED)
    with (
        pytest.raises(PreconditionError, match=complaint),
        autoscaling.during(replace(spec, asynchronous=after), None, Strategy()),
    ):
        pass
    with pytest.raises(PreconditionError, match=complaint):
        autoscaling.check(replace(spec, asynchronous=after), None, Strategy())
    assert set(targets(clients)) == {ONE}
    with autoscaling.during(replace(spec, asynchronous=after), WANTED, Strategy()):
        assert targets(clients) == {}
    with autoscaling.during(replace(spec, asynchronous=before), None, Strategy()):
        pass


def test_a_rollback_to_another_instance_type_keeps_the_scaling(
    autoscaling: Autoscaling, clients: Clients, environment: Environment, fleet: Fleet, spec: EndpointSpec
) -> None:
    deployer = Deployer(clients, environment, progress=lambda _: None, clock=FakeClock())
    deployer.deploy(replace(spec, instance_type="ml.c5.large"))
    autoscaling.apply(spec, WANTED)
    during: list[Any] = []
    watch = clients.sagemaker.meta.events
    # AWS refuses another instance type while a variant is a scalable target.
    watch.register_first("before-call.sagemaker.UpdateEndpoint", lambda **_: during.append(targets(clients)))
    deployer.rollback(NAME)
    assert (fleet.config, during) == (spec.config_name, [{}])
    assert (targets(clients), set(policies(clients))) == ({ONE: (1, 4)}, {TRACKING})
    fleet.after_update = ("Updating", "FAILED_BACK")
    with pytest.raises(PlatformError):
        deployer.rollback(NAME)
    assert (targets(clients), set(policies(clients))) == ({ONE: (1, 4)}, {TRACKING})


def test_a_rollback_ends_the_scaling_of_variants_that_are_gone(
    autoscaling: Autoscaling, clients: Clients, environment: Environment, spec: EndpointSpec
) -> None:
    autoscaling.apply(replace(spec, others=(OtherVariant("Challenger", "s3://bucket/a", {}, 0.1),)), WANTED)
    to = Configuration("c", {}, ({"VariantName": "AllTraffic", "InstanceType": spec.instance_type},))
    messages: list[str] = []
    with autoscaling.across(NAME, to, messages.append):
        assert set(targets(clients)) == {ONE}
    assert set(targets(clients)) == {ONE}
    assert messages[0].startswith("the automatic scaling of Challenger ends; of AllTraffic is kept.")


@pytest.mark.parametrize("instance_type", ["ml.m5.large", "ml.c5.large"])
def test_a_rollback_of_an_asynchronous_endpoint_to_a_real_time_one_ends_its_scaling(
    autoscaling: Autoscaling,
    clients: Clients,
    environment: Environment,
    fleet: Fleet,
    spec: EndpointSpec,
    instance_type: str,
) -> None:
    messages: list[str] = []
    deployer = Deployer(clients, environment, progress=messages.append, clock=FakeClock())
    queued = replace(spec, asynchronous=QUEUE, instance_type=instance_type)
    deployer.deploy(queued)
    autoscaling.apply(queued, Scaling(0, 4, 5.0))
    to = preview_rollback(clients.sagemaker, environment, NAME).target
    assert str(autoscaling.upon_rollback(NAME, to)) == "of AllTraffic ends"
    fleet.after_update = ("Updating", "FAILED_BACK")
    with pytest.raises(PlatformError):
        deployer.rollback(NAME)
    assert (targets(clients), alarms(clients)) == ({ONE: (0, 4)}, {BACKLOG})
    fleet.after_update = ("Updating", "InService")
    deployer.rollback(NAME)
    # A real-time endpoint keeps no queue's number of instances, which can be zero.
    assert (fleet.config, "RetainAllVariantProperties" in fleet.updates[-1]) == (spec.config_name, False)
    assert (targets(clients), alarms(clients)) == ({}, set())
    assert messages[-1].startswith("the automatic scaling of AllTraffic ends.")


def test_a_canary_of_an_endpoint_that_has_scaled_to_one_instance_is_refused(
    autoscaling: Autoscaling, clients: Clients, fleet: Fleet, spec: EndpointSpec
) -> None:
    autoscaling.apply(spec, WANTED)
    fleet.instances = 1
    with pytest.raises(PreconditionError, match="scaled to 1 instances"), autoscaling.during(spec, None, CANARY):
        pass
    with autoscaling.during(spec, None, Strategy()):
        pass
    fleet.instances = 2
    with autoscaling.during(spec, None, CANARY):
        pass
    assert targets(clients) == {ONE: (1, 4)}
