"""A definition is checked as AWS checks it, and its references are resolved."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from localaws.errors import AwsError
from localaws.pipelines.conditions import holds
from localaws.pipelines.definition import Definition
from localaws.pipelines.expressions import ExpressionError, Values, resolve
from localaws.pipelines.policies import lifetime, may_retry

EQUAL = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}


def text(*steps: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> str:
    return json.dumps({"Version": "2020-12-01", "Parameters": parameters or [], "Steps": list(steps)})


def fail(name: str, message: Any = "no", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def condition(name: str, left: Any, *, then: list[Any], otherwise: list[Any]) -> dict[str, Any]:
    conditions = [{"Type": "Equals", "LeftValue": left, "RightValue": 1}]
    return {
        "Name": name,
        "Type": "Condition",
        "Arguments": {"Conditions": conditions, "IfSteps": then, "ElseSteps": otherwise},
    }


def register(**policy: Any) -> dict[str, Any]:
    """A step with a retry policy."""
    policies = [{"ExceptionType": ["Step.THROTTLING"], **policy}]
    return {"Name": "r", "Type": "RegisterModel", "Arguments": {}, "RetryPolicies": policies}


def job(**more: Any) -> dict[str, Any]:
    """A processing step with members of the step or of its arguments."""
    of_step = {name: more.pop(name) for name in ("CacheConfig", "PropertyFiles") if name in more}
    return {"Name": "a", "Type": "Processing", "Arguments": more, **of_step}


def calling(output: dict[str, Any]) -> dict[str, Any]:
    """A Lambda step with one output."""
    return {"Name": "a", "Type": "Lambda", "FunctionArn": "f", "OutputParameters": [output]}


def branch(given: dict[str, Any]) -> dict[str, Any]:
    """A condition step with one condition."""
    return {"Name": "c", "Type": "Condition", "Arguments": {"Conditions": [given], "IfSteps": [], "ElseSteps": []}}


def nested(levels: int) -> str:
    """A definition with a condition within many others."""
    inner = '{"Type": "Equals", "LeftValue": 1, "RightValue": 1}'
    return text(branch({"Type": ""})).replace(
        '{"Type": ""}', '{"Type": "Not", "Condition": ' * levels + inner + "}" * levels
    )


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("{", "Invalid JSON"),
        ('{"Version": "2021-01-01"}', "Version must be 2020-12-01"),
        ("{}", "at least one step"),
        (text(), "at least one step"),
        (text(fail("a"), fail("a")), "Duplicate step names: a"),
        (text(fail("a"), condition("c", 1, then=[fail("a")], otherwise=[])), "Duplicate step names: a"),
        (text(fail("a", {"Get": "Steps.b.Name"})), r"refers to Steps\.b, which does not exist"),
        (text(fail("a", {"Get": "Parameters.x"})), r"refers to Parameters\.x, which does not exist"),
        (text(fail("a", DependsOn=[1])), "Step a: DependsOn must be a list of names"),
        (text(fail("a", {"Get": 5})), "Invalid property reference '5' in step a"),
        (text(fail("a", {"Get": "Parameters"})), "Invalid property reference 'Parameters'"),
        (text(fail("a", {"Std:Join": ["x"]})), "Std:Join must have a list of Values in step a"),
        (text(fail("a", {"Std:JsonGet": {"PropertyFile": "R", "Path": "x"}})), "Std:JsonGet must have a Path"),
        (text({"Name": "a", "Type": ["Fail"], "Arguments": {}}), r"has the type \['Fail'\]"),
        (text(fail("a"), parameters=[{"Name": "n", "Type": ["Integer"]}]), "a Name and a Type of Integer"),
        (text(fail("a", DependsOn=["b"])), "depends on b, which does not exist"),
        (text(fail("a", DependsOn=["b"]), fail("b", DependsOn=["a"])), "in a cycle"),
        (text({"Name": "a", "Type": "Magic", "Arguments": {}}), "has the type Magic"),
        (
            text({"Name": "a", "Type": "EMR", "ClusterId": "c"}),
            r"type EMR\. localaws runs: Callback, Condition, Fail",
        ),
        (text({"Name": "a", "Type": "Lambda", "Arguments": {}}), "Lambda must have FunctionArn"),
        (text({"Name": "a", "Type": "Callback", "SqsQueueUrl": ""}), "Callback must have SqsQueueUrl"),
        (text(calling({})), "each of OutputParameters must have an OutputName"),
        (text(calling({"OutputName": "o", "OutputType": "Date"})), "OutputType of o must be one of String, Integer"),
        (text(fail("a"), parameters=[{"Name": "n", "Type": "Integer", "DefaultValue": "1"}]), "not of type Integer"),
        (text(fail("a", "x" * 1024 * 1024)), "larger than 1048576 bytes"),
        (text(fail("a", CacheConfig={"Enabled": True, "ExpireAfter": "30 days"})), "is not a duration"),
        (text(fail("a", CacheConfig={"Enabled": True, "ExpireAfter": "PT"})), "is not a duration"),
        (text(fail("a", RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"]}])), "has no RetryPolicies"),
        (text(register(MaxAttempts=21)), "MaxAttempts of a retry policy must be an integer from 0 to 20"),
        (text(register(MaxAttempts=1, ExpireAfterMin=1)), "only one of MaxAttempts and ExpireAfterMin"),
        (text(register(ExceptionType=["Magic"])), "ExceptionType of a retry policy must be a list of"),
        (text(register(BackoffRate="2")), "BackoffRate of a retry policy must be a number"),
        (text(branch({"Type": "Magic"})), "Unknown condition type 'Magic'"),
        (text(branch({"Type": "Not", "Condition": {"Type": "In", "Values": []}})), "In must have QueryValue"),
        (text(branch({"Type": "Not", "Expression": EQUAL})), "unknown property 'Expression'"),
        (text(branch({**EQUAL, "Left": 1})), "unknown property 'Left'"),
        (text(branch({"Type": []})), "Unknown condition type"),
        (text(condition("c", 1, then=[branch(EQUAL) | {"Name": "d"}], otherwise=[])), "in a branch of another one"),
        (
            text(job(), fail("b", DependsOn=["a"]), fail("d", DependsOn=["b"])),
            "Step d cannot depend on",
        ),
        (text(fail("a"), fail("b", {"Get": "Steps.a.ErrorMessage"})), "Step b cannot depend on the Fail step a"),
        (text(fail("a", DependsOn="b"), fail("b")), "Expecting start of Json Array"),
        (text(fail("a", Timeout=1)), "Cannot parse object, unknown property 'Timeout'"),
        (text(job(CacheConfig="P1D")), "Expecting start of Json Object"),
        (text(job(PropertyFiles=[{"PropertyFileName": "f"}])), "each of PropertyFiles must have"),
        (text(job(ProcessingInput=[])), "Unknown Argument member 'ProcessingInput'"),
        (text(job(ProcessingResources="ml.m5.large")), "Expecting start of Json Object"),
        (text(job(AppSpecification={"ImageUri": "i", "Image": "i"})), "Unknown Argument member 'Image'"),
        (text(job(NetworkConfig={"VpcConfig": {"Subnets": {"Get": "Parameters.s"}}})), "Expecting start of Json Array"),
        (text(register() | {"Arguments": {"ModelPackageName": "p"}}), "Unknown Argument member 'ModelPackageName'"),
        (text(fail("a", {"Std:Join": {"On": "/"}})), "Std:Join must have a list of Values"),
        (text(fail("a", {"Std:JsonGet": {"Path": "x"}})), "Std:JsonGet must have a Path, and a PropertyFile"),
        (text(fail("a"), parameters=[{"Name": "a b", "Type": "String"}]), "Each parameter must have a Name"),
        (text(fail("a"), parameters=[{"Name": "a", "Type": "String", "EnumValues": "b"}]), "must be a list"),
        (text(branch({"Type": "Not", "Condition": {"Type": "Magic"}})), "Unknown condition type 'Magic'"),
        (text(branch({"Type": "Or"})), "Or must have Conditions"),
        pytest.param('{"Steps": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply", id="many lists"),
        pytest.param(nested(600), "nested too deeply", id="many conditions"),
    ],
)
def test_rejects_a_definition_that_cannot_run(definition: str, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        Definition.parse(definition)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("30d", timedelta(days=30)),
        ("5y", timedelta(days=5 * 365)),
        ("T16m", timedelta(minutes=16)),
        ("30dT5h", timedelta(days=30, hours=5)),
        ("P2W", timedelta(weeks=2)),
        ("P30M", timedelta(days=900)),
    ],
)
def test_the_cache_expires_after_the_durations_that_aws_documents(given: str, expected: timedelta) -> None:
    assert lifetime(given) == expected
    Definition.parse(text(fail("a", CacheConfig={"Enabled": True, "ExpireAfter": given})))


@pytest.mark.parametrize(
    ("policy", "attempt", "minutes", "expected"),
    [
        ({}, 5, 0, True),
        ({}, 6, 0, False),
        ({"MaxAttempts": 0}, 1, 0, False),
        ({"ExpireAfterMin": 5}, 50, 4.9, True),
        ({"ExpireAfterMin": 5}, 1, 5, False),
    ],
)
def test_a_retry_policy_ends_after_its_attempts_or_its_time(
    policy: dict[str, Any], attempt: int, minutes: float, expected: bool
) -> None:
    assert may_retry(policy, attempt, minutes) is expected


def test_a_condition_does_not_wait_for_what_its_branches_need() -> None:
    branch = fail("b", {"Get": "Steps.a.X"})
    steps = Definition.parse(text(job(), condition("c", 1, then=[branch], otherwise=[]))).steps
    assert steps["c"].needs == frozenset()
    assert steps["b"].needs == {"a"}
    assert steps["b"].gates == (("c", True),)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"Name": "n", "Value": "many"}], "must be of type Integer"),
        ([{"Name": "n", "Value": "1_0"}], "must be of type Integer"),
        ([{"Name": "m", "Value": "1"}], "Unknown parameter names"),
        ([], "have no default value"),
        ([{"Name": "n", "Value": "1" * 1025}], "longer than 1024 characters"),
        ([{"Name": "n", "Value": "3"}], "must be one of"),
    ],
)
def test_rejects_parameters_that_do_not_fit(given: list[dict[str, str]], message: str) -> None:
    parameters = [{"Name": "n", "Type": "Integer", "EnumValues": [1, 2]}]
    with pytest.raises(AwsError, match=message):
        Definition.parse(text(fail("a"), parameters=parameters)).values(given)


def values() -> Values:
    outputs = [{"OutputName": "train", "S3Output": {"S3Uri": "s3://b/train"}}]
    properties = {"Prepare": {"ProcessingOutputConfig": {"Outputs": outputs}}}
    report = {"metrics": {"accuracy": [{"value": 0.9}]}}
    execution = {"PipelineExecutionId": "e1"}
    return Values({"n": 3}, execution, properties, lambda _step, _name: report, lambda uri: {"uri": uri})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"}, "s3://b/train"),
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs[0].S3Output.S3Uri"}, "s3://b/train"),
        ([{"Get": "Parameters.n"}], [3]),
        (
            {
                "Std:Join": {
                    "On": "/",
                    "Values": ["s3:", {"Get": "Execution.PipelineExecutionId"}, {"Get": "Parameters.n"}],
                }
            },
            "s3:/e1/3",
        ),
        (
            {
                "Std:JsonGet": {
                    "PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Report"},
                    "Path": "metrics.accuracy[0].value",
                }
            },
            0.9,
        ),
        (
            {"Std:JsonGet": {"S3Uri": {"Std:Join": {"On": "/", "Values": ["s3:/", "b", "f"]}}, "Path": "uri"}},
            "s3://b/f",
        ),
    ],
)
def test_resolves_references_and_functions(given: Any, expected: Any) -> None:
    assert resolve(given, values()) == expected


def test_a_reference_without_a_value_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="has no value"):
        resolve({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri"}, values())
    numbers = replace(values(), property_file=lambda _step, _name: {"metrics": [0.9]})
    report = {"PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Report"}, "Path": "metrics.accuracy"}
    with pytest.raises(ExpressionError, match=r"has no value at the path 'metrics\.accuracy'"):
        resolve({"Std:JsonGet": report}, numbers)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Type": "GreaterThanOrEqualTo", "LeftValue": {"Get": "Parameters.n"}, "RightValue": 3}, True),
        ({"Type": "LessThan", "LeftValue": {"Get": "Parameters.n"}, "RightValue": 3}, False),
        ({"Type": "In", "QueryValue": {"Get": "Parameters.n"}, "Values": [1, 3]}, True),
        ({"Type": "In", "Value": {"Get": "Parameters.n"}, "In": [1, 2]}, False),
        ({"Type": "NotIn", "Value": {"Get": "Parameters.n"}, "In": [1, 2]}, True),
        ({"Type": "NotEquals", "LeftValue": {"Get": "Parameters.n"}, "RightValue": 3}, False),
        ({"Type": "Not", "Condition": EQUAL}, False),
        ({"Type": "Not", "Condition": {"Type": "Equals", "LeftValue": 1, "RightValue": 2}}, True),
        ({"Type": "Or", "Conditions": [{"Type": "Equals", "LeftValue": 1, "RightValue": 2}]}, False),
    ],
)
def test_evaluates_conditions(condition: dict[str, Any], expected: bool) -> None:
    assert holds(condition, values()) is expected


def test_comparing_a_text_with_a_number_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="Cannot compare"):
        holds({"Type": "GreaterThan", "LeftValue": "high", "RightValue": 3}, values())
