"""Parameters and capabilities that CloudFormation refuses."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.services.cloudformation import _checked
from localaws.services.stack_parameters import check_capabilities, check_parameters
from localaws.services.stack_permissions import StackPermissions
from localaws.services.stack_template import parse
from tests.support.running import RunningLocalAws

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Mode": {"Type": "String", "AllowedValues": ["On", "Off"]},
        "Count": {"Type": "Number", "MinValue": 1, "MaxValue": 5},
        "Name": {"Type": "String", "MinLength": 2, "MaxLength": 4, "AllowedPattern": "[a-z]+"},
        "Zones": {"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]},
        "Role": {"Type": "String", "AllowedPattern": "arn:.*", "ConstraintDescription": "is an ARN"},
        "Flag": {"Type": "String", "AllowedValues": [True, False]},
        "Java": {"Type": "String", "AllowedPattern": "\\p{Alpha}+"},
    },
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
}
IAM = ["CAPABILITY_IAM"]


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
        ({"Flag": "True"}, r"'Flag' must be one of AllowedValues \[true, false\]"),
    ],
)
def test_refuses(given: dict[str, str], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check_parameters(TEMPLATE, given)


def test_accepts_values_at_the_limits() -> None:
    check_parameters(TEMPLATE, {"Mode": "On", "Count": "5", "Name": "ab", "Zones": "a, b", "Role": "arn:aws"})
    check_parameters(TEMPLATE, {"Flag": "true", "Java": "abc"})


def test_iam_needs_a_capability() -> None:
    plain = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {}}}}
    named = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "a"}}}}
    check_capabilities(TEMPLATE, [])
    check_capabilities(plain, IAM)
    check_capabilities(named, ["CAPABILITY_NAMED_IAM"])
    for template, given in ((plain, []), (named, IAM)):
        with pytest.raises(AwsError, match="InsufficientCapabilitiesException"):
            check_capabilities(template, given)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AccessKey", {"UserName": {"Ref": "User"}}),
        ("UserToGroupAddition", {"GroupName": {"Ref": "Group"}, "Users": []}),
        ("Policy", {"PolicyName": "inline"}),
    ],
)
def test_a_reference_to_a_name_needs_no_capability_for_names(kind: str, properties: dict[str, Any]) -> None:
    check_capabilities({"Resources": {"One": {"Type": f"AWS::IAM::{kind}", "Properties": properties}}}, IAM)


def test_loops_and_malformed_parts_of_a_template_are_not_checked() -> None:
    loop = ["Name", ["a", "b"], {"Topic${Name}": {"Type": "AWS::SNS::Topic"}}]
    check_capabilities({"Resources": {"Fn::ForEach::Topics": loop}}, [])
    check_capabilities({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": [{}]}}}, IAM)
    check_capabilities({"Resources": []}, [])
    check_parameters({"Parameters": {"Name": "String"}}, {"Name": "a"})


def test_a_stack_is_checked_before_it_is_created(localaws: RunningLocalAws) -> None:
    given = [{"ParameterKey": "Unknown", "ParameterValue": "x"}]
    request = {"StackName": "unknown-parameter", "TemplateBody": json.dumps(TEMPLATE), "Parameters": given}
    with pytest.raises(ClientError, match="do not exist in the template"):
        localaws.client("cloudformation").create_stack(**request)


@pytest.mark.parametrize("template", ["A: &a {b: c}\nD: *a\n", "A: &a {b: c}\nD: {<<: *a}\n", '{"A": &a 1, "B": *a}'])
def test_a_template_with_aliases_is_refused(template: str) -> None:
    with pytest.raises(AwsError, match="YAML aliases are not allowed in CloudFormation templates"):
        parse(template)


@pytest.mark.parametrize("template", ["A: &a {b: c}\n", "A: '*a'\n", '{"A": "*a"}', "A: !Sub b\n"])
def test_a_template_without_aliases_passes(template: str) -> None:
    parse(template)


def test_a_parameter_without_a_key_is_not_checked() -> None:
    listed = {"TemplateBody": json.dumps(TEMPLATE), "Parameters": [{"ParameterValue": "x"}]}
    get = SimpleNamespace(_get_param=lambda name, default=None: listed.get(name, default), _get_bool_param=listed.get)
    allowed = StackPermissions(lambda _: None, lambda _role, _action: True, enforces=False)
    assert _checked(lambda _: "created", lambda _response, _role: None, allowed)(get) == "created"
    with pytest.raises(AwsError, match="must be one of AllowedValues"):
        check_parameters({"Parameters": {"Mode": {**TEMPLATE["Parameters"]["Mode"], "Default": "x"}}}, {})
