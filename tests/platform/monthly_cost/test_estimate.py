"""What an environment costs: servers, endpoints, storage, builds and the rest; and what is not known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlflow_platform.doctor.terraform_state import Resource, TerraformState
from mlflow_platform.endpoints.creation import ensure_resources
from mlflow_platform.environment import Environment
from mlflow_platform.monthly_cost import report
from mlflow_platform.monthly_cost.estimation import CostInputs, estimate_costs
from mlflow_platform.monthly_cost.lines import BUILDS, ENDPOINTS, OTHER, SERVERS, STORAGE, CostEstimate, CostLine
from mlflow_platform.monthly_cost.months import Months, in_hours
from mlflow_platform.monthly_cost.servers import server_lines
from mlflow_platform.monthly_cost.storage import bucket_lines, image_lines
from mlflow_platform.plan_guard.cost import Prices, Schedule
from tests.platform.conftest import BUCKET, REGION
from tests.platform.endpoints.deployed import spec_of

# November has 720 hours, December 744. Half of November has passed.
NOW = datetime(2026, 11, 16, tzinfo=UTC)
MONTHS = Months(NOW)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PRICES = Prices.load()
WEEKDAYS = Schedule({"": ["cron(0 8 ? * MON-FRI *)"]}, {"": ["cron(0 20 ? * MON-FRI *)"]})


def server(**changes: Any) -> Any:
    """A client that knows one server."""
    described = {
        "TrackingServerName": "s",
        "TrackingServerArn": f"arn:aws:sagemaker:{REGION}:1:mlflow-tracking-server/s",
        "TrackingServerSize": "Small",
        "TrackingServerStatus": "Started",
        "CreationTime": LONG_AGO,
        "LastModifiedTime": NOW,
    } | changes
    return SimpleNamespace(
        meta=SimpleNamespace(region_name=REGION),
        exceptions=SimpleNamespace(ClientError=ClientError),
        describe_mlflow_tracking_server=lambda **_: described,
    )


def sums(lines: list[CostLine]) -> tuple[float, float]:
    return CostEstimate(lines).sums


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": f"may not {operation}."}}, operation)


@pytest.mark.parametrize(
    ("changes", "schedule", "hours"),
    [
        ({}, None, (720, 744)),
        ({"CreationTime": NOW + timedelta(hours=-10)}, None, (370, 744)),
        ({"TrackingServerStatus": "Stopped"}, None, (360, 0)),
        ({"TrackingServerStatus": "Stopped", "LastModifiedTime": LONG_AGO}, None, (0, 0)),
        ({"TrackingServerStatus": "Stopped"}, WEEKDAYS, (720 * 0.3575, 744 * 0.3575)),
        ({}, Schedule({"": ["cron(0 8 ? * 6L *)"]}, {"": ["rate(1 day)"]}), (720, 744)),
    ],
    ids=["always", "created this month", "stopped now", "stopped before", "scheduled", "schedule not understood"],
)
def test_a_server_costs_the_hours_that_it_runs(
    changes: Any, schedule: Schedule | None, hours: tuple[float, float]
) -> None:
    found = server_lines(server(**changes), ["s"], schedule, PRICES, MONTHS)
    assert sums(found) == pytest.approx(tuple(one * 0.642 for one in hours), rel=1e-3)


def test_a_server_that_does_not_exist_is_named() -> None:
    def missing(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": "no"}}, "DescribeMlflowTrackingServer")

    client = server()
    client.describe_mlflow_tracking_server = missing
    found, _ = server_lines(client, ["gone"], None, PRICES, MONTHS)
    assert (found.what, found.known) == ("tracking server gone", False)


def test_what_has_no_price_is_never_zero_and_comes_first() -> None:
    found = CostEstimate(server_lines(server(TrackingServerSize="Large"), ["s"], None, PRICES, MONTHS))
    found.lines.append(CostLine(OTHER, "kms key", "1 x 1", 1.0, 1.0))
    assert [line.known for line in found.ordered] == [False, False, True]
    shown = [text for text, _ in report.lines(found, None, PRICES, REGION, MONTHS)]
    assert shown[0].startswith("Not in the sums")
    assert "tracking server s (Large): no price known" in "\n".join(shown)
    assert shown[-1].split() == ["sum", "of", "what", "is", "known", "1.00", "1.00"]
    shown_json = report.as_json(found, None, PRICES, REGION, MONTHS)
    assert not shown_json["complete"]
    assert shown_json["lines"][0]["this_month"] is None
    assert shown_json["parts"][SERVERS] is None
    assert shown_json["parts"][OTHER] == {"this_month": 1.0, "next_month": 1.0}


@pytest.mark.parametrize("size", ["Medium", "Large"])
def test_a_server_of_a_size_without_a_price_is_in_no_sum(size: str) -> None:
    found = CostEstimate(server_lines(server(TrackingServerSize=size), ["s"], None, PRICES, MONTHS))
    assert found.of_part(SERVERS) is None
    assert not found.complete
    assert f"tracking server s ({size})" in [line.what for line in found.ordered if not line.known]


def test_a_region_without_prices_has_no_sum(aws: Callable[[str], Any]) -> None:
    found = CostEstimate(bucket_lines(aws("s3"), f"s3://{BUCKET}", PRICES, "eu-west-3"))
    assert not found.complete
    assert "no price known" in found.lines[0].how
    assert "Add prices with --prices FILE" in report.lines(found, None, PRICES, "eu-west-3", MONTHS)[-1][0]


def test_old_versions_and_storage_classes_count(aws: Callable[[str], Any]) -> None:
    s3 = aws("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"a" * 1000, b"b" * 3000):
        s3.put_object(Bucket=BUCKET, Key="x/a", Body=body)
    s3.put_object(Bucket=BUCKET, Key="y/other", Body=b"c" * 5000)
    s3.put_object(Bucket=BUCKET, Key="x/cold", Body=b"d", StorageClass="GLACIER")
    cold, standard = bucket_lines(s3, f"s3://{BUCKET}/x", PRICES, REGION)
    assert standard.next_month == pytest.approx(4000 / 2**30 * 0.023)
    assert not cold.known


def test_says_that_old_versions_are_missing_if_they_may_not_be_listed(
    aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = aws("s3")
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"a" * 1000)
    paginator = s3.get_paginator

    def refusing(operation: str) -> Any:
        if operation == "list_object_versions":
            raise denied(operation)
        return paginator(operation)

    monkeypatch.setattr(s3, "get_paginator", refusing)
    known, unknown = bucket_lines(s3, f"s3://{BUCKET}", PRICES, REGION)
    assert known.this_month == pytest.approx(1000 / 2**30 * 0.023)
    assert not unknown.known


def test_a_repository_that_does_not_exist_has_no_line(aws: Callable[[str], Any]) -> None:
    assert image_lines(aws("ecr"), "nowhere", PRICES, REGION) == []


class World:
    """An environment in moto; `state` is what Terraform deployed."""

    def __init__(self, aws: Callable[[str], Any], environment: Environment) -> None:
        self.aws, self.environment = aws, environment
        self.state: TerraformState | None = TerraformState()
        self.replaced: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        return self.replaced.get(service) or self.aws(service)

    def estimate(self, prices: Prices = PRICES) -> CostEstimate:
        given = CostInputs(self.environment, self.client, self.state, prices, Months(datetime.now(UTC)))
        return estimate_costs(given, lambda _line: None)


@pytest.fixture
def world(aws: Callable[[str], Any], environment: Environment) -> World:
    found = World(aws, environment)
    sagemaker = aws("sagemaker")

    class WithServer:
        def __getattr__(self, name: str) -> Any:
            return getattr(sagemaker, name)

        def describe_mlflow_tracking_server(self, **_: Any) -> Any:
            return server().describe_mlflow_tracking_server()

    found.replaced["sagemaker"] = WithServer()
    return found


def of(found: CostEstimate, part: str) -> list[CostLine]:
    return [line for line in found.lines if line.part == part]


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(0.0, "0 h"), (2.196, "2.2 h"), (5.0, "5 h"), (99.94, "99.9 h"), (282.75, "283 h"), (744.0, "744 h")],
)
def test_few_hours_are_shown_with_a_decimal(hours: float, shown: str) -> None:
    assert in_hours(hours) == shown


def test_endpoints_of_the_environment_cost_their_instances(world: World) -> None:
    sagemaker = world.aws("sagemaker")
    for name, changes in (
        ("mlflow-staging-a", {}),
        ("mlflow-staging-b", {"instance_type": "ml.c5.large"}),
        ("theirs", {"tags": {"project": "other", "environment": "staging"}}),
    ):
        spec = replace(spec_of(world.environment, "1"), endpoint=name, **changes)
        ensure_resources(sagemaker, spec)
        tags = [{"Key": key, "Value": value} for key, value in spec.tags.items()]
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=spec.config_name, Tags=tags)
    first, second = of(world.estimate(), ENDPOINTS)
    hours = (Months(datetime.now(UTC)).following_end - Months(datetime.now(UTC)).end).total_seconds() / 3600
    assert first.next_month == pytest.approx(hours * 0.115)
    assert not second.known
    assert "ml.c5.large" in second.what
    # AWS charges for an endpoint whose configuration was deleted.
    used = sagemaker.describe_endpoint(EndpointName="mlflow-staging-a")["EndpointConfigName"]
    sagemaker.delete_endpoint_config(EndpointConfigName=used)
    first, _ = of(world.estimate(), ENDPOINTS)
    assert (first.known, first.how) == (False, "not known: its configuration was deleted")


def test_builds_are_billed_by_started_minutes_of_this_month(world: World) -> None:
    start = Months(datetime.now(UTC)).start

    def build(started: datetime, seconds: int, kind: str = "BUILD_GENERAL1_SMALL") -> Any:
        ended = started + timedelta(seconds=seconds)
        return {"startTime": started, "endTime": ended, "environment": {"computeType": kind}}

    builds = {
        "c": build(start, 61),
        "b": build(start, 1, "BUILD_GENERAL1_LARGE"),
        "a": build(start - timedelta(days=1), 900),
    }
    world.environment = replace(world.environment, image_build_project="p")
    world.replaced["codebuild"] = SimpleNamespace(
        get_paginator=lambda _name: SimpleNamespace(paginate=lambda **_: [{"ids": list(builds)}, {"ids": ["a"]}]),
        batch_get_builds=lambda ids: {"builds": [builds[one] for one in ids]},
    )
    large, small = of(world.estimate(), BUILDS)
    assert not large.known
    assert small.how.startswith("2 minutes so far")
    # The nightly backup is a project, too.
    world.state = TerraformState("1.11.4", (Resource("b", "aws_codebuild_project", {"name": "b"}),))
    assert [line.what[:11] for line in of(world.estimate(), BUILDS)] == ["builds of b"] * 2 + ["builds of p"] * 2


def test_what_may_not_be_read_is_named_and_the_rest_is_estimated(world: World) -> None:
    class Denied:
        def get_paginator(self, operation: str) -> Any:
            raise denied(operation)

    world.environment = replace(world.environment, image_build_project="p")
    world.replaced["codebuild"] = Denied()
    found = world.estimate()
    assert found.not_examined == {f"{BUILDS} of p": "may not list_builds_for_project"}
    assert of(found, SERVERS)
    assert of(found, STORAGE)
    assert not found.complete


def test_without_terraforms_state_the_estimate_says_what_is_missing(world: World) -> None:
    world.state = None
    found = world.estimate()
    assert "keys, alarms, network endpoints" in found.not_examined[OTHER]
    assert found.sums[1] > 0


def test_fixed_prices_of_deployed_resources_are_added_and_unknown_ones_are_named(world: World) -> None:
    resources = [
        Resource("k", "aws_kms_key", {}),
        *(Resource(name, "aws_cloudwatch_metric_alarm", {"alarm_name": name}) for name in "ab"),
        Resource("e", "aws_vpc_endpoint", {"vpc_endpoint_type": "Interface", "subnet_ids": ["1", "2"]}),
        Resource("r", "aws_iam_role", {}),
        Resource("l", "aws_cloudwatch_log_group", {}),
        Resource("c", "aws_codecommit_repository", {}),
    ]
    world.state = TerraformState("1.11.4", tuple(resources))
    lines = of(world.estimate(), OTHER)
    assert sums(lines)[1] == pytest.approx(1.0 + 0.2 + 2 * 730 * 0.01)
    assert [line.what for line in lines if not line.known] == ["codecommit repository (1)"]


def test_an_app_has_no_charge_of_its_own(world: World) -> None:
    app = f"arn:aws:sagemaker:{REGION}:123456789012:mlflow-app/app-A"
    world.environment = replace(world.environment, server=replace(world.environment.server, arn=app, name="an-app"))
    stack = {"template_body": '{"Resources": {"App": {"Type": "AWS::SageMaker::MlflowApp"}}}'}
    world.state = TerraformState("1.11.4", (Resource("app", "aws_cloudformation_stack", stack),))
    found = world.estimate()
    [line] = [line for line in found.lines if line.part == SERVERS]
    assert (line.what, line.this_month, line.next_month) == ("MLflow App an-app", 0.0, 0.0)
    assert not any("cloudformation" in line.what for line in found.lines)
