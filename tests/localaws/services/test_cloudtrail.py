"""Trails on localaws: what AWS refuses."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.services.cloudtrail import problems_of
from tests.support.running import RunningLocalAws

ARTIFACTS = {
    "Name": "Artifacts",
    "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::artifacts/"]},
        {"Field": "readOnly", "Equals": ["false"]},
    ],
}
SERVER = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/churn"


def selector(**changed: Any) -> list[dict[str, Any]]:
    """A selector of data events on tracking servers with other fields; None removes a field."""
    fields: dict[str, Any] = {
        "eventCategory": {"Equals": ["Data"]},
        "resources.type": {"Equals": ["AWS::SageMaker::MlflowTrackingServer"]},
        "resources.ARN": {"Equals": [SERVER]},
    }
    fields |= {name.replace("_", "."): condition for name, condition in changed.items()}
    return [{"FieldSelectors": [{"Field": name, **given} for name, given in fields.items() if given is not None]}]


def policy(bucket: str, trail: str) -> str:
    """What CloudTrail documents for the bucket of a trail."""
    trails = {"aws:SourceArn": f"arn:aws:cloudtrail:us-east-1:123456789012:trail/{trail}"}
    service = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    acl = {"s3:x-amz-acl": "bucket-owner-full-control"}
    bucket_arn = f"arn:aws:s3:::{bucket}"
    check = service | {"Action": "s3:GetBucketAcl", "Resource": bucket_arn, "Condition": {"StringEquals": trails}}
    write = service | {
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/AWSLogs/123456789012/*",
        "Condition": {"StringEquals": trails | acl},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [check, write]})


def test_a_trail_needs_a_bucket_whose_policy_lets_cloudtrail_write(localaws: RunningLocalAws) -> None:
    s3, cloudtrail = localaws.client("s3"), localaws.client("cloudtrail")
    s3.create_bucket(Bucket="trail-logs")
    for name in ("no-policy", "another-trail"):
        with pytest.raises(ClientError, match="Incorrect S3 bucket policy is detected for bucket: trail-logs"):
            cloudtrail.create_trail(Name=name, S3BucketName="trail-logs", TagsList=[{"Key": "team", "Value": "ml"}])
        s3.put_bucket_policy(Bucket="trail-logs", Policy=policy("trail-logs", "data"))
    refused = cloudtrail.create_trail(Name="data", S3BucketName="trail-logs")["TrailARN"].replace("/data", "/no-policy")
    assert cloudtrail.list_tags(ResourceIdList=[refused])["ResourceTagList"][0]["TagsList"] == []
    with pytest.raises(ClientError, match="Incorrect S3 bucket policy"):
        cloudtrail.update_trail(Name="data", S3BucketName="trail-logs", S3KeyPrefix="elsewhere")
    assert "S3KeyPrefix" not in cloudtrail.get_trail(Name="data")["Trail"]
    with pytest.raises(ClientError, match="TrailAlreadyExistsException"):
        cloudtrail.create_trail(Name="data", S3BucketName="trail-logs", S3KeyPrefix="elsewhere")
    assert "data" in [trail["Name"] for trail in cloudtrail.list_trails()["Trails"]]

    def described(*named: str) -> list[str]:
        return [trail["Name"] for trail in cloudtrail.describe_trails(trailNameList=named)["trailList"]]

    arn = cloudtrail.get_trail(Name="data")["Trail"]["TrailARN"]
    assert (described("data"), described(arn), described("other")) == (["data"], ["data"], [])

    cloudtrail.put_event_selectors(TrailName="data", AdvancedEventSelectors=[ARTIFACTS])
    found = cloudtrail.get_event_selectors(TrailName="data")["AdvancedEventSelectors"]
    assert found == [ARTIFACTS]
    assert cloudtrail.get_trail(Name="data")["Trail"]["HasCustomEventSelectors"]
    with pytest.raises(ClientError, match=r"resources\.type of data events must equal one type"):
        cloudtrail.put_event_selectors(TrailName="data", AdvancedEventSelectors=selector(resources_type=None))
    assert cloudtrail.get_event_selectors(TrailName="data")["AdvancedEventSelectors"] == found
    cloudtrail.delete_trail(Name="data")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, None),
        ({"eventCategory": None}, "eventCategory must equal one of"),
        ({"eventCategory": {"StartsWith": ["Data"]}}, "eventCategory takes the operator Equals only"),
        ({"resources_type": {"Equals": ["AWS::SageMaker::MlflowApp"]}}, "must equal one type of resources"),
        ({"resources_ARN": {"Equals": ["arn:aws:s3:::artifacts/"]}}, "is not the ARN of an AWS::SageMaker::Mlflow"),
        ({"readOnly": {"NotEquals": ["true"]}}, "readOnly takes the operator Equals only"),
        ({"user": {"Equals": ["someone"]}}, "user is not a field"),
        ({"eventName": {"Equals": []}}, "eventName has no condition"),
        ({"eventName": {"Equals": [str(number) for number in range(499)]}}, "they have 502 values"),
    ],
)
def test_event_selectors_are_checked(given: dict[str, Any], problem: str | None) -> None:
    found = next(problems_of(selector(**given)), None)
    assert found is None if problem is None else found is not None and problem in found
