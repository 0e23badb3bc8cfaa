"""Lists are returned in pages, as AWS does, also where moto returns them whole."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.responses import ActionResult

from localaws.errors import AwsError
from localaws.jobs.listing import matching
from localaws.page_tokens import position_of, token_at
from localaws.pages import page
from tests.localaws.endpoints.hosted import unique
from tests.support.running import RunningLocalAws, role


class Listing:
    """A response class with two lists, as CloudWatch's DescribeAlarms has."""

    def __init__(self, **params: Any) -> None:
        self.params, self.body = params, ""

    def _get_param(self, name: str) -> Any:
        return self.params.get(name)

    def describe_alarms(self) -> ActionResult:
        assert "NextToken" not in self.params
        return ActionResult({"MetricAlarms": [1, 2, 3], "CompositeAlarms": [4, 5]})


@pytest.fixture(scope="module")
def listing() -> type[Listing]:
    for _ in range(2):  # Installing twice changes nothing.
        page(Listing, "cloudwatch", "DescribeAlarms", 2)
    return Listing


def test_pages_follow_each_other_and_end(listing: type[Listing]) -> None:
    token, found = None, []
    while True:
        result = listing(**({"NextToken": token} if token else {})).describe_alarms().result
        found.append((result["MetricAlarms"], result["CompositeAlarms"]))
        token = result.get("NextToken")
        if not token:
            break
    assert found == [([1, 2], []), ([3], [4]), ([], [5])]


def test_the_requests_limit_is_kept(listing: type[Listing]) -> None:
    result = listing(MaxRecords=4).describe_alarms().result
    assert (result["MetricAlarms"], result["CompositeAlarms"]) == ([1, 2, 3], [4])


def test_a_changed_token_is_refused(listing: type[Listing]) -> None:
    with pytest.raises(AwsError, match="NextToken is not valid"):
        listing(NextToken="cGFnZS14").describe_alarms()


@pytest.mark.parametrize("token", ["LTU=", "eA==", "no token"])
def test_a_token_is_a_position_that_exists(token: str) -> None:
    assert position_of(token_at(3)) == 3
    with pytest.raises(ValueError, match=r"not a page token|base64|padding|alphabet"):
        position_of(token)


def test_sagemaker_lists_ten_models_by_default_and_filters_them(localaws: RunningLocalAws) -> None:
    sagemaker, name = localaws.client("sagemaker"), unique("paged")
    for number in range(11):
        sagemaker.create_model_package_group(ModelPackageGroupName=f"{name}-{number}")
    first = sagemaker.list_model_package_groups(NameContains=name)
    assert len(first["ModelPackageGroupSummaryList"]) == 10
    second = sagemaker.list_model_package_groups(NameContains=name, NextToken=first["NextToken"])
    assert len(second["ModelPackageGroupSummaryList"]) == 1
    assert "NextToken" not in second
    assert sagemaker.list_models(NameContains=name)["Models"] == []
    with pytest.raises(ClientError, match="NextToken is not valid"):
        sagemaker.list_models(NextToken="other")


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("list_model_package_groups", {"MaxResults": 101}),
        ("list_endpoints", {"SortBy": "Age"}),
        ("list_endpoint_configs", {"SortOrder": "Random"}),
        ("list_models", {"NameContains": "a.b"}),
    ],
)
def test_sagemakers_lists_refuse_what_their_model_does_not_have(
    localaws: RunningLocalAws, operation: str, given: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match=r"ValidationException.*failed to satisfy constraint"):
        getattr(localaws.client("sagemaker"), operation)(**given)


@pytest.mark.parametrize(
    ("noun", "given", "expected"),
    [
        ("Endpoint", {}, ["b", "a"]),
        ("TrainingJob", {}, ["a", "b"]),
        ("TransformJob", {}, ["b", "a"]),
        ("Endpoint", {"SortOrder": "Ascending"}, ["a", "b"]),
        ("TrainingJob", {"SortBy": "Name", "SortOrder": "Descending"}, ["b", "a"]),
        ("TrainingJob", {"WarmPoolStatusEquals": "Available"}, []),
        ("TrainingJob", {"TrainingPlanArnEquals": "plan"}, ["b"]),
        ("Pipeline", {"CreatedAfter": datetime(2026, 1, 1, tzinfo=UTC)}, ["b"]),
        ("Pipeline", {"CreatedBefore": datetime(2026, 1, 2, tzinfo=UTC)}, ["a"]),
    ],
)
def test_lists_have_the_filters_and_the_order_that_aws_documents(
    noun: str, given: dict[str, Any], expected: list[str]
) -> None:
    # moto's times have no time zone.
    items = [
        {f"{noun}Name": "a", "CreationTime": datetime(2026, 1, 1)},  # noqa: DTZ001
        {f"{noun}Name": "b", "CreationTime": datetime(2026, 1, 2), "ResourceConfig": {"TrainingPlanArn": "plan"}},  # noqa: DTZ001
    ]
    assert [one[f"{noun}Name"] for one in matching(items, given, noun)] == expected


def test_pipelines_are_found_by_prefix_and_arn(localaws: RunningLocalAws) -> None:
    sagemaker, name = localaws.client("sagemaker"), unique("listed")
    text = '{"Version": "2020-12-01", "Steps": [{"Name": "a", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}]}'
    arn = role(localaws, name)
    for one in (f"{name}-1", f"{name}-2", f"x-{name}"):
        sagemaker.create_pipeline(PipelineName=one, RoleArn=arn, PipelineDefinition=text)
    listed = [
        page["PipelineSummaries"][0]["PipelineName"]
        for page in sagemaker.get_paginator("list_pipelines").paginate(
            PipelineNamePrefix=name, SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 1}
        )
    ]
    assert listed == [f"{name}-1", f"{name}-2"]
    assert sagemaker.list_pipelines(PipelineNamePrefix=name, ManagedBy="AWS")["PipelineSummaries"] == []
    arn = sagemaker.describe_pipeline(PipelineName=f"{name}-1")["PipelineArn"]
    before = sagemaker.describe_pipeline(PipelineName=arn)["LastModifiedTime"]
    sagemaker.update_pipeline(PipelineName=f"{name}-1", PipelineDescription="changed")
    assert sagemaker.describe_pipeline(PipelineName=arn)["LastModifiedTime"] > before


@pytest.mark.parametrize("resource", ["model/none", "model-package/none/1", "unknown-kind/none", "endpoint/none"])
def test_the_tags_of_a_missing_resource_are_an_error_of_the_caller(localaws: RunningLocalAws, resource: str) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:{localaws.settings.account}:{resource}"
    with pytest.raises(ClientError) as refused:
        localaws.client("sagemaker").list_tags(ResourceArn=arn)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
