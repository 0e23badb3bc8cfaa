"""Lists are returned in pages, as AWS does, also where moto returns them whole."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.responses import ActionResult

from localaws.errors import AwsError
from localaws.pages import page
from tests.localaws.endpoints.hosted import unique
from tests.support.running import RunningLocalAws


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


@pytest.mark.parametrize("resource", ["model/none", "model-package/none/1", "unknown-kind/none", "endpoint/none"])
def test_the_tags_of_a_missing_resource_are_an_error_of_the_caller(localaws: RunningLocalAws, resource: str) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:{localaws.settings.account}:{resource}"
    with pytest.raises(ClientError) as refused:
        localaws.client("sagemaker").list_tags(ResourceArn=arn)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
