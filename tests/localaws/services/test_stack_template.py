"""Templates and requests that CloudFormation refuses."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localaws.errors import AwsError
from localaws.services import stack_requests
from localaws.services.stack_template import Yaml, check, parse

QUEUE: dict[str, Any] = {"Type": "AWS::SQS::Queue"}
MOST, MOST_IN_S3 = 51200, 1024**2


def resource(**more: Any) -> dict[str, Any]:
    return {"Resources": {"A": {**QUEUE, **more}}}


def queue(name: Any) -> dict[str, Any]:
    return resource(Properties={"QueueName": name})


def parameter(**rule: Any) -> dict[str, Any]:
    return {**resource(), "Parameters": {"P": rule}}


ACCEPTED: list[dict[str, Any]] = [
    resource(),
    {**resource(), "AWSTemplateFormatVersion": "2010-09-09", "Description": "x" * 1024},
    queue({"Fn::Sub": ["${AWS::StackName}-${own}-${!literal}", {"own": {"Ref": "AWS::Region"}}]}),
    {"Resources": {"A": QUEUE, "B": {**QUEUE, "DependsOn": ["A"]}}, "Outputs": {"o": {"Value": {"Ref": "A"}}}},
    {**resource(Condition="C"), "Conditions": {"C": {"Fn::Equals": ["a", "b"]}}},
    parameter(Type="AWS::SSM::Parameter::Value<String>", MinLength="1"),
    {"Resources": {"A": QUEUE, "CDKMetadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2"}}}},
    {**resource(), "Transform": [{"Name": "AWS::Include"}]},
    {"Resources": {"A": {"Type": "AWS::SageMaker::MlflowApp"}}},
]
# fmt: off
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "At least one Resources member"),
    ({**resource(), "Resource": {}}, r"Invalid template property or properties \[Resource\]"),
    ({**resource(), "AWSTemplateFormatVersion": "2020-01-01"}, "not a supported value"),
    ({**resource(), "Description": "x" * 1025}, "length is greater than 1024"),
    ({"Resources": {"A-b": QUEUE}}, "A-b is non alphanumeric"),
    ({"Resources": {"A": []}}, "resource definition is malformed"),
    ({"Resources": {"A": {}}}, "must contain a Type member"),
    ({"Resources": {"A": {"Type": "Queue"}}}, r"Unrecognized resource types: \[Queue\]"),
    ({"Resources": {"A": {"Type": "AWS::Foo::Bar"}}}, "NotImplemented: localaws does not have"),
    ({"Resources": {"A": {"Type": "Custom::Own", "Properties": {}}}}, "NotImplemented: .*Custom::Own"),
    ({"Resources": {"A": {"Type": "AWS::CloudFormation::CustomResource"}}}, "NotImplemented: .*custom resources"),
    ({"Transform": "AWS::LanguageExtensions", "Resources": {"Fn::ForEach::A": ["x", ["a"], {}]}},
     "NotImplemented: .*LanguageExtensions"),
    ({**resource(), "Transform": ["AWS::Serverless-2016-10-31"], "Globals": {}}, "NotImplemented: .*Serverless"),
    ({**resource(), "Transform": [1]}, "ValidationError: .*Transform"),
    (resource(DependsOn={"Ref": "A"}), "ValidationError: .*DependsOn of A must be"),
    (resource(DependsOn=[["A"]]), "ValidationError: .*DependsOn of A must be"),
    ({"Resources": {"A": {**QUEUE, 1: {}, "B": {}}}}, "resource property '1'"),
    (resource(Propertys={}), "Invalid template resource property 'Propertys'"),
    (queue({"Ref": "B"}), r"Unresolved resource dependencies \[B\] in the Resources block"),
    (queue({"Fn::GetAtt": ["B", "Arn"]}), r"\[B\]"),
    (queue({"Fn::Sub": "${B.Arn}"}), r"\[B\]"),
    (queue({"Fn::Foo": "x"}), "unsupported function: Fn::Foo"),
    (resource(DependsOn="B"), r"\[B\]"),
    (resource(Condition="C"), "Unresolved condition dependency C"),
    ({**resource(), "Outputs": {"o": {}}}, "Output o is malformed"),
    ({"Resources": {"A": {**QUEUE, "DependsOn": "B"}, "B": {**QUEUE, "DependsOn": "A"}}}, "Circular dependency"),
    (queue({"Fn::GetAtt": "A.Arn"}), "Circular dependency"),
    (parameter(Default="x"), "must contain a Type member"),
    (parameter(Type="Text"), "Unrecognized parameter type: Text"),
    (parameter(Type="String", MinLength="x"), "MinLength of the parameter P must be a number"),
    (parameter(Type="String", MaxLength=[1]), "MaxLength of the parameter P must be a number"),
]
# fmt: on


@pytest.mark.parametrize("template", ACCEPTED)
def test_accepts(template: dict[str, Any]) -> None:
    from localaws.services import cloudformation  # The type of an App is there.

    assert cloudformation
    check(template)


@pytest.mark.parametrize(("template", "message"), REFUSED)
def test_refuses(template: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check(template)


@pytest.mark.parametrize("text", ["{", "a: [", "- a", "text", ""])
def test_refuses_a_text_that_is_no_template(text: str) -> None:
    with pytest.raises(AwsError, match="ValidationError"):
        parse(text)


def test_a_template_in_a_request_is_shorter_than_one_in_s3() -> None:
    long = json.dumps({**resource(), "Metadata": "x" * MOST})
    with pytest.raises(AwsError, match="less than or equal to 51200"):
        stack_requests.template_of(request(TemplateBody=long))
    assert stack_requests.template_of(request(long, UsePreviousTemplate=True)) == long
    assert parse(long)["Metadata"] == "x" * MOST
    with pytest.raises(AwsError, match="ValidationError: Template may not exceed"):
        parse(json.dumps({"Metadata": "x" * MOST_IN_S3}))


def test_reads_short_forms() -> None:
    assert parse("{a: !Ref B, c: !GetAtt D.Arn, e: !Join ['', [f]]}") == {
        "a": {"Ref": "B"},
        "c": {"Fn::GetAtt": ["D", "Arn"]},
        "e": {"Fn::Join": ["", ["f"]]},
    }


def test_a_template_runs_no_code_and_has_no_aliases(tmp_path: Path) -> None:
    file = tmp_path / "executed"
    text = f'Description: !!python/object/apply:os.system ["touch {file}"]'
    for read in (parse, lambda given: Yaml.load(given, None)):
        with pytest.raises(Exception, match="is not supported"):
            read(text)
    assert not file.exists()
    with pytest.raises(AwsError, match="aliases are not allowed"):
        parse("a: &a [x]\nb: *a")


def request(stack: str | None = None, **given: Any) -> Any:
    held = SimpleNamespace(
        template=stack, stack_parameters={"P": "p", "L": ["a", "b"]}, tags={"k": "v"}, notification_arns=[]
    )
    given = {"StackName": "s", **given}
    return SimpleNamespace(
        _get_param=lambda name, default=None: given.get(name, default),
        _get_bool_param=lambda name, default: given.get(name, default),
        cloudformation_backend=SimpleNamespace(get_stack=lambda _name: held),
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"StackName": "a_b", "TemplateBody": "{}"}, "at 'stackName'"),
        ({"StackName": "1a", "TemplateBody": "{}"}, "at 'stackName'"),
        ({}, "Either Template URL or Template Body"),
        ({"TemplateBody": "{}", "TemplateURL": "https://x"}, "Either Template URL or Template Body"),
        ({"TemplateBody": "{}", "UsePreviousTemplate": True}, "cannot specify both"),
    ],
)
def test_a_request_names_one_template(given: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        stack_requests.template_of(request("{}", **given))


SAME = {
    **resource(),
    "Parameters": {"P": {"Type": "String", "Default": "p"}, "L": {"Type": "CommaDelimitedList", "Default": "a,b"}},
}


@pytest.mark.parametrize(
    ("template", "given", "changes"),
    [
        (SAME, {}, False),
        (SAME, {"Parameters": [{"ParameterKey": "P", "UsePreviousValue": True}]}, False),
        (SAME, {"Parameters": [{"ParameterKey": "P", "ParameterValue": "q"}]}, True),
        (SAME, {"Tags": [{"Key": "k", "Value": "v"}]}, False),
        (SAME, {"Tags": [{"Key": "k", "Value": "w"}]}, True),
        (SAME, {"StackPolicyBody": "{}"}, True),
        ({**SAME, "Description": "new"}, {}, True),
    ],
)
def test_an_update_changes_something(template: dict[str, Any], given: dict[str, Any], changes: bool) -> None:
    response = request(json.dumps(SAME), **given)
    if changes:
        stack_requests.check_change(response, template)
    else:
        with pytest.raises(AwsError, match="No updates are to be performed"):
            stack_requests.check_change(response, template)
