"""Requests whose parameters have other types than botocore's model, or lack required ones."""

from typing import Any

import pytest
from moto.core.utils import get_service_model

from localaws.constraints import check, check_types
from localaws.errors import AwsError
from localaws.front.application import _failure


def refusal(service: str, operation: str, given: dict[str, Any]) -> str:
    """The code of the error for a request; empty if it is accepted."""
    model = get_service_model(service)
    try:
        check_types(model.operation_model(operation).input_shape, model.resolved_protocol, given)
    except AwsError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("service", "operation", "given", "code"),
    [
        ("sagemaker", "ListModels", {}, ""),
        ("sagemaker", "ListModels", {"MaxResults": 5, "CreationTimeAfter": 1.5, "NameContains": None, "x": 1}, ""),
        ("sagemaker", "ListModels", {"MaxResults": "5"}, "SerializationException"),
        ("sagemaker", "ListModels", {"MaxResults": True}, "SerializationException"),
        ("sagemaker", "ListModels", {"NameContains": ["x"]}, "SerializationException"),
        ("sagemaker", "ListModels", {"CreationTimeAfter": 1e20}, "SerializationException"),
        ("sagemaker", "ListModels", {"CreationTimeAfter": float("nan")}, "SerializationException"),
        ("sagemaker", "DescribeModel", {}, "ValidationException"),
        ("sagemaker", "DescribeModel", {"ModelName": None}, "ValidationException"),
        ("sagemaker", "AddTags", {"ResourceArn": "a", "Tags": [{"Key": {}, "Value": "v"}]}, "SerializationException"),
        ("events", "PutTargets", {"Rule": "r", "Targets": "t"}, "SerializationException"),
        ("ssm", "PutParameter", {"Name": "n", "Value": "v", "Overwrite": "yes"}, "SerializationException"),
        ("scheduler", "CreateSchedule", {"ScheduleExpression": "rate(1 day)"}, "ValidationException"),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e"}, ""),
        ("codebuild", "StartBuild", {"projectName": {"a": 1}}, "SerializationException"),
        ("iam", "AttachRolePolicy", {"RoleName": "r"}, "ValidationError"),
        ("iam", "GetRole", {"RoleName": "r\0"}, "ValidationError"),
        ("iam", "TagRole", {"RoleName": "r", "Tags.member.1.Key": "k\x1b"}, "ValidationError"),
        ("sts", "AssumeRole", {"RoleArn": "a\x01", "RoleSessionName": "s"}, "ValidationError"),
        ("sns", "Publish", {"Message": "m\t\n\U0001f600"}, ""),
        ("iam", "TagRole", {"RoleName": "r", "Tags": "x"}, "MalformedInput"),
        ("iam", "TagRole", {"RoleName": "r", "Tags.member.1.Key": "k"}, ""),
        ("iam", "TagRole", {"RoleName": "r", "Tags": ""}, ""),
        ("sns", "Publish", {"Message": "m"}, ""),
        # An empty required text, as Terraform sends it when a description is removed.
        ("iam", "UpdateRoleDescription", {"RoleName": "r", "Description": ""}, ""),
        # The names in the body differ from those of the model.
        ("apigatewayv2", "CreateApi", {"name": "a", "protocolType": "HTTP"}, ""),
        ("apigatewayv2", "CreateApi", {"name": "a"}, "ValidationException"),
        ("apigatewayv2", "CreateApi", {"name": "a", "protocolType": ["HTTP"]}, "SerializationException"),
    ],
)
def test_malformed_parameters_are_refused(service: str, operation: str, given: dict[str, Any], code: str) -> None:
    assert refusal(service, operation, given) == code


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"HyperParameters": {str(number): "1" for number in range(101)}}, "length less than or equal to 100"),
        ({"HyperParameters": {"k": "x" * 2501}}, "Map value must satisfy constraint: [Member must have length less"),
        ({"HyperParameters": {"k" * 257: "1"}}, "Map keys must satisfy constraint: [Member must have length less"),
        ({"Environment": {"a-b": "1"}}, "Map keys must satisfy constraint: [Member must satisfy regular expression"),
        ({"Environment": {"a_b": "1"}}, ""),
    ],
)
def test_maps_are_checked_against_the_model(more: dict[str, Any], message: str) -> None:
    given = {
        "TrainingJobName": "t",
        "RoleArn": "arn:aws:iam::123456789012:role/jobs",
        "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
        **more,
    }
    assert message in checked("CreateTrainingJob", given)
    assert bool(message) == bool(checked("CreateTrainingJob", given))


def test_an_operation_without_parameters_has_nothing_to_check() -> None:
    check("iam", "DeleteAccountPasswordPolicy", {})


def test_decimal_numbers_are_checked_against_the_model() -> None:
    weights = [{"VariantName": "one", "DesiredWeight": -0.5}]
    given = {"EndpointName": "e", "DesiredWeightsAndCapacities": weights}
    assert "greater than or equal to 0" in checked("UpdateEndpointWeightsAndCapacities", given)


def checked(operation: str, given: dict[str, Any]) -> str:
    """The message of SageMaker's refusal; empty if it accepts the request."""
    try:
        check("sagemaker", operation, given)
    except AwsError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    ("module", "error", "status"),
    [
        ("moto.x.models", "KeyError('a')", 400),
        ("moto.x.models", "RuntimeError('changed')", 500),
        ("localaws.x", "KeyError('a')", 500),
    ],
)
def test_only_what_moto_cannot_use_is_the_clients_error(module: str, error: str, status: int) -> None:
    with pytest.raises((KeyError, RuntimeError)) as raised:
        exec(f"raise {error}", {"__name__": module})  # noqa: S102 an exception in code of that module
    failure = _failure(raised.value)
    assert failure.status == status
    assert "python -m localaws logs" in failure.message
