"""Validation of requests against botocore's model, with AWS's error messages."""

import pytest

from localaws.constraints import check
from localaws.errors import AwsError

OPERATION = ("sagemaker", "CreatePresignedMlflowTrackingServerUrl")


def refusal(**given: object) -> AwsError:
    with pytest.raises(AwsError) as refused:
        check(*OPERATION, given)
    return refused.value


def test_accepts_a_valid_request() -> None:
    check(*OPERATION, {"TrackingServerName": "a", "ExpiresInSeconds": 5})


def test_a_missing_member_is_reported_as_null() -> None:
    assert refusal().message == (
        "1 validation error detected: Value null at 'trackingServerName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_all_violations_are_reported_together() -> None:
    error = refusal(TrackingServerName="-", ExpiresInSeconds=4, SessionExpirationDurationInSeconds=43201)
    assert error.code == "ValidationException"
    assert error.message.startswith("3 validation errors detected: Value '-' at 'trackingServerName'")
    assert (
        "Value '4' at 'expiresInSeconds' failed to satisfy constraint: Member must have value greater" in error.message
    )
    assert "Member must have value less than or equal to 43200" in error.message


def test_tags_accept_letters_of_every_script() -> None:
    tags = {
        "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m",
        "Tags": [{"Key": "größe", "Value": "大"}],
    }
    check("sagemaker", "AddTags", tags)
    with pytest.raises(AwsError, match=r"tags\.1\.member\.value"):
        check("sagemaker", "AddTags", {**tags, "Tags": [{"Key": "k", "Value": "<script>"}]})


@pytest.mark.parametrize("value", [5, ["a"], {"a": 1}, True])
def test_a_value_of_the_wrong_type_is_a_serialization_error(value: object) -> None:
    assert refusal(TrackingServerName=value).code == "SerializationException"
