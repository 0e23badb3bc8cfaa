"""Parameters and capabilities that CloudFormation refuses."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.services.stack_parameters import check_capabilities, check_parameters
from tests.support.running import RunningLocalAws

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Mode": {"Type": "String", "AllowedValues": ["On", "Off"]},
        "Count": {"Type": "Number", "MinValue": 1, "MaxValue": 5},
        "Name": {"Type": "String", "MinLength": 2, "MaxLength": 4, "AllowedPattern": "[a-z]+"},
        "Zones": {"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]},
        "Role": {"Type": "String", "AllowedPattern": "arn:.*", "ConstraintDescription": "is an ARN"},
    },
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Mod": "On"}, r"Parameters: \[Mod\] do not exist in the template"),
        ({"Mode": "on"}, "'Mode' must be one of AllowedValues"),
        ({"Count": "0"}, "'Count' must be at least 1"),
        ({"Count": "many"}, "'Count' must be a number"),
        ({"Name": "abcde"}, "'Name' must contain at most 4 characters"),
        ({"Name": "AB"}, "'Name' must match pattern"),
        ({"Zones": "a, c"}, "'Zones' must be one of"),
        ({"Role": "role"}, "'Role' is an ARN"),
    ],
)
def test_refuses(given: dict[str, str], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check_parameters(TEMPLATE, given)


def test_accepts_values_at_the_limits() -> None:
    check_parameters(TEMPLATE, {"Mode": "On", "Count": "5", "Name": "ab", "Zones": "a, b", "Role": "arn:aws"})


def test_iam_needs_a_capability() -> None:
    plain = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {}}}}
    named = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "a"}}}}
    check_capabilities(TEMPLATE, [])
    check_capabilities(plain, ["CAPABILITY_IAM"])
    check_capabilities(named, ["CAPABILITY_NAMED_IAM"])
    for template, given in ((plain, []), (named, ["CAPABILITY_IAM"])):
        with pytest.raises(AwsError, match="InsufficientCapabilitiesException"):
            check_capabilities(template, given)


def test_a_stack_is_checked_before_it_is_created(localaws: RunningLocalAws) -> None:
    given = [{"ParameterKey": "Unknown", "ParameterValue": "x"}]
    request = {"StackName": "unknown-parameter", "TemplateBody": json.dumps(TEMPLATE), "Parameters": given}
    with pytest.raises(ClientError, match="do not exist in the template"):
        localaws.client("cloudformation").create_stack(**request)
