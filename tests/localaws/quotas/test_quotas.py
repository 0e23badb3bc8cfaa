"""localaws refuses what exceeds AWS's quotas, with AWS's error codes, and accepts what is just below them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import TRUST, RunningLocalAws

Action = Callable[[], Any]
ACCOUNT = "123456789012"


def refused(action: Action) -> tuple[str, str]:
    """Code and message of the error that an action must end in."""
    with pytest.raises(ClientError) as caught:
        action()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def policy(size: int, bucket: str = "bucket", **more: str) -> str:
    """A policy with this many characters that are not white space, and some white space that IAM does not count.

    `more` are elements of the statement, such as the principal of a bucket's policy.
    """
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/", **more}],
    }
    missing = size - len(json.dumps(document, separators=(",", ":")))
    document["Statement"][0]["Resource"] += "x" * missing  # type: ignore[index]
    return json.dumps(document, indent=4)


def trust(size: int) -> str:
    document = json.loads(json.dumps(TRUST))
    document["Statement"][0]["Sid"] = ""
    document["Statement"][0]["Sid"] = "x" * (size - len(json.dumps(document, separators=(",", ":"))))
    return json.dumps(document, indent=2)


def tags(count: int, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: f"key-{number}", value: "v"} for number in range(count)]


@pytest.fixture(scope="module")
def iam(localaws: RunningLocalAws) -> Any:
    client = localaws.client("iam")
    client.create_role(RoleName="quota", AssumeRolePolicyDocument=json.dumps(TRUST))
    return client


@pytest.fixture(scope="module")
def s3(localaws: RunningLocalAws) -> Any:
    client = localaws.client("s3")
    client.create_bucket(Bucket="quota-bucket")
    client.delete_public_access_block(Bucket="quota-bucket")
    return client


def test_a_managed_policy_has_at_most_6144_characters_besides_white_space(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="quota-full", PolicyDocument=policy(6144))["Policy"]["Arn"]
    expected = ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    assert refused(lambda: iam.create_policy(PolicyName="quota-over", PolicyDocument=policy(6145))) == expected
    assert refused(lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(6145))) == expected


def test_the_inline_policies_of_a_role_have_at_most_10240_characters_together(iam: Any) -> None:
    iam.put_role_policy(RoleName="quota", PolicyName="one", PolicyDocument=policy(6000))
    iam.put_role_policy(RoleName="quota", PolicyName="two", PolicyDocument=policy(4240))
    iam.put_role_policy(RoleName="quota", PolicyName="two", PolicyDocument=policy(4240))
    assert refused(lambda: iam.put_role_policy(RoleName="quota", PolicyName="two", PolicyDocument=policy(4241))) == (
        "LimitExceeded",
        "Maximum policy size of 10240 bytes exceeded for role quota",
    )


def test_a_request_without_parameters_is_not_checked(iam: Any) -> None:
    assert iam.get_account_summary()["SummaryMap"]


def test_a_trust_policy_has_at_most_2048_characters(iam: Any) -> None:
    iam.update_assume_role_policy(RoleName="quota", PolicyDocument=trust(2048))
    expected = ("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
    assert refused(lambda: iam.update_assume_role_policy(RoleName="quota", PolicyDocument=trust(2049))) == expected
    assert refused(lambda: iam.create_role(RoleName="over", AssumeRolePolicyDocument=trust(2049))) == expected


def test_a_role_has_at_most_ten_managed_policies(iam: Any) -> None:
    iam.create_role(RoleName="quota-ten", AssumeRolePolicyDocument=json.dumps(TRUST))
    arns = [
        iam.create_policy(PolicyName=f"quota-{number}", PolicyDocument=policy(200))["Policy"]["Arn"]
        for number in range(11)
    ]
    for arn in [*arns[:10], arns[0]]:
        iam.attach_role_policy(RoleName="quota-ten", PolicyArn=arn)
    assert refused(lambda: iam.attach_role_policy(RoleName="quota-ten", PolicyArn=arns[10])) == (
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerRole: 10",
    )


def test_a_policy_or_boundary_must_exist(iam: Any) -> None:
    absent = f"arn:aws:iam::{ACCOUNT}:policy/absent"
    document = json.dumps(TRUST)
    for action in (
        lambda: iam.attach_role_policy(RoleName="quota", PolicyArn=absent),
        lambda: iam.put_role_permissions_boundary(RoleName="quota", PermissionsBoundary=absent),
        lambda: iam.create_role(RoleName="over", AssumeRolePolicyDocument=document, PermissionsBoundary=absent),
    ):
        assert refused(action)[0] == "NoSuchEntity"
    existing = iam.create_policy(PolicyName="quota-boundary", PolicyDocument=policy(200))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="quota", PermissionsBoundary=existing)


@pytest.mark.parametrize("name", ["r" * 65, "a/b", "ä"], ids=["65 characters", "a slash", "an umlaut"])
def test_a_role_name_follows_the_rules_of_iam(iam: Any, name: str) -> None:
    code, _ = refused(lambda: iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST)))
    assert code == "ValidationError"


def test_a_bucket_policy_has_at_most_20480_bytes_without_unnecessary_white_space(s3: Any) -> None:
    def put(size: int) -> Any:
        return s3.put_bucket_policy(Bucket="quota-bucket", Policy=policy(size, "quota-bucket", Principal="*"))

    put(20480)
    code, _ = refused(lambda: put(20481))
    assert code == "PolicyTooLarge"


def test_an_object_has_at_most_ten_tags(s3: Any) -> None:
    def query(count: int) -> str:
        return "&".join(f"key-{number}=v" for number in range(count))

    s3.put_object(Bucket="quota-bucket", Key="k", Body=b"", Tagging=query(10))
    expected = ("BadRequest", "Object tags cannot be greater than 10")
    assert refused(lambda: s3.put_object(Bucket="quota-bucket", Key="k", Body=b"", Tagging=query(11))) == expected
    assert refused(lambda: s3.create_multipart_upload(Bucket="quota-bucket", Key="k", Tagging=query(11))) == expected


def test_tags_of_an_object_have_different_keys(s3: Any) -> None:
    for action in (
        lambda: s3.put_object(Bucket="quota-bucket", Key="k", Body=b"", Tagging="a=1&a=2"),
        lambda: s3.create_multipart_upload(Bucket="quota-bucket", Key="k", Tagging="a=1&a=2"),
    ):
        code, message = refused(action)
        assert (code, message[:26]) == ("InvalidArgument", "The header 'x-amz-tagging'")
    s3.put_object(Bucket="quota-bucket", Key="k", Body=b"")
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert refused(lambda: s3.put_object_tagging(Bucket="quota-bucket", Key="k", Tagging=twice)) == (
        "InvalidTag",
        "Cannot provide multiple Tags with the same key",
    )


def test_a_bucket_is_created_with_its_tags(s3: Any) -> None:
    code, _ = refused(lambda: s3.create_bucket(Bucket="over-tagged", CreateBucketConfiguration={"Tags": tags(51)}))
    assert code == "BadRequest"
    assert "over-tagged" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.create_bucket(Bucket="new-tagged", CreateBucketConfiguration={"Tags": tags(2)})
    assert s3.get_bucket_tagging(Bucket="new-tagged")["TagSet"] == tags(2)


def test_a_key_policy_has_at_most_32768_bytes(localaws: RunningLocalAws) -> None:
    kms = localaws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    document = policy(32769)
    code, _ = refused(lambda: kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document))
    assert code == "LimitExceededException"


def test_a_standard_parameter_has_at_most_4096_characters(localaws: RunningLocalAws) -> None:
    ssm = localaws.client("ssm")
    ssm.put_parameter(Name="/quota/full", Value="x" * 4096, Type="String")
    code, message = refused(lambda: ssm.put_parameter(Name="/quota/over", Value="x" * 4097, Type="String"))
    assert (code, "maximum parameter value of 4096" in message) == ("ValidationException", True)


# How each service creates something with tags, the names of a tag's members, and the codes for too many and bad tags.
TAGGED: dict[str, tuple[Callable[[Any, Any], Any], tuple[str, str], str, str]] = {
    "iam": (
        lambda client, given: client.create_policy(
            PolicyName=f"tagged-{len(given)}", PolicyDocument=policy(200), Tags=given
        ),
        ("Key", "Value"),
        "ValidationError",
        "ValidationError",
    ),
    "s3": (
        lambda client, given: client.put_bucket_tagging(Bucket="quota-bucket", Tagging={"TagSet": given}),
        ("Key", "Value"),
        "BadRequest",
        "InvalidTag",
    ),
    "kms": (
        lambda client, given: client.create_key(Tags=given),
        ("TagKey", "TagValue"),
        "LimitExceededException",
        "TagException",
    ),
    "sns": (
        lambda client, given: client.create_topic(Name="tagged", Tags=given),
        ("Key", "Value"),
        "TagLimitExceeded",
        "InvalidParameter",
    ),
    "ssm": (
        lambda client, given: client.put_parameter(Name="/tagged", Value="v", Type="String", Tags=given),
        ("Key", "Value"),
        "TooManyTagsError",
        "ValidationException",
    ),
    "ecr": (
        lambda client, given: client.create_repository(repositoryName="tagged", tags=given),
        ("Key", "Value"),
        "TooManyTagsException",
        "InvalidTagParameterException",
    ),
    "sagemaker": (
        lambda client, given: client.create_model_package_group(ModelPackageGroupName="tagged", Tags=given),
        ("Key", "Value"),
        "ValidationException",
        "ValidationException",
    ),
}


@pytest.mark.parametrize("service", TAGGED)
def test_tags_follow_the_rules_of_aws(localaws: RunningLocalAws, s3: Any, service: str) -> None:
    create, (key, value), too_many, invalid = TAGGED[service]
    client = localaws.client(service)
    assert refused(lambda: create(client, tags(51, key, value)))[0] == too_many
    for bad in ({key: "team", value: "a (b)"}, {key: "a;b", value: "v"}):
        assert refused(lambda bad=bad: create(client, [bad]))[0] == invalid  # type: ignore[misc]
    refused(lambda: create(client, [{key: "aws:team", value: "v"}]))
    create(client, [*tags(49, key, value), {key: "Kosten stelle_.:/=+-@", value: "Zürich 8 _.:/=+-@"}])


@pytest.mark.parametrize("service", TAGGED)
def test_two_tags_with_one_key_are_refused(localaws: RunningLocalAws, s3: Any, service: str) -> None:
    create, (key, value), _, invalid = TAGGED[service]
    client = localaws.client(service)
    twice = [{key: "team", value: "a"}, {key: "team", value: "b"}]
    assert refused(lambda: create(client, twice))[0] in (invalid, "InvalidInput")


def pairs(given: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in given}


def alarm(client: Any, given: list[dict[str, str]]) -> str:
    metric = {"Namespace": "n", "MetricName": "m", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0}
    client.put_metric_alarm(
        AlarmName="full", Statistic="Sum", ComparisonOperator="GreaterThanThreshold", Tags=given, **metric
    )
    return str(client.describe_alarms(AlarmNames=["full"])["MetricAlarms"][0]["AlarmArn"])


def log_group(client: Any, given: list[dict[str, str]]) -> str:
    client.create_log_group(logGroupName="full", tags=pairs(given))
    return f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:full"


def parameter(client: Any, given: list[dict[str, str]]) -> str:
    client.put_parameter(Name="/full", Value="v", Type="String", Tags=given)
    return "/full"


def role(client: Any, given: list[dict[str, str]]) -> str:
    client.create_role(RoleName="full", AssumeRolePolicyDocument=json.dumps(TRUST), Tags=given)
    return "full"


def key(client: Any, given: list[dict[str, str]]) -> str:
    return str(client.create_key(Tags=of_kms(given))["KeyMetadata"]["KeyId"])


def of_kms(given: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in given]


def trail(client: Any, given: list[dict[str, str]]) -> str:
    return str(client.create_trail(Name="full", S3BucketName="quota-trails", TagsList=given)["TrailARN"])


def machine(client: Any, given: list[dict[str, str]]) -> str:
    states = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    role = f"arn:aws:iam::{ACCOUNT}:role/quota-states"
    made = client.create_state_machine(
        name="full", definition=json.dumps(states), roleArn=role, tags=in_small_letters(given)
    )
    return str(made["stateMachineArn"])


def in_small_letters(given: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in given]


# How each service creates something with 50 tags, how it adds others, and the code for too many.
ADDED: dict[str, tuple[Callable[[Any, Any], str], Callable[[Any, str, Any], Any], str]] = {
    "cloudtrail": (
        trail,
        lambda client, arn, given: client.add_tags(ResourceId=arn, TagsList=given),
        "TagsLimitExceededException",
    ),
    "cloudwatch": (
        alarm,
        lambda client, arn, given: client.tag_resource(ResourceARN=arn, Tags=given),
        "InvalidParameterValue",
    ),
    "ecr": (
        lambda client, given: client.create_repository(repositoryName="full", tags=given)["repository"][
            "repositoryArn"
        ],
        lambda client, arn, given: client.tag_resource(resourceArn=arn, tags=given),
        "TooManyTagsException",
    ),
    "events": (
        lambda client, given: client.put_rule(Name="full", ScheduleExpression="rate(1 hour)", Tags=given)["RuleArn"],
        lambda client, arn, given: client.tag_resource(ResourceARN=arn, Tags=given),
        "LimitExceededException",
    ),
    "iam": (role, lambda client, name, given: client.tag_role(RoleName=name, Tags=given), "LimitExceeded"),
    "kms": (
        key,
        lambda client, name, given: client.tag_resource(KeyId=name, Tags=of_kms(given)),
        "LimitExceededException",
    ),
    "logs": (
        log_group,
        lambda client, arn, given: client.tag_resource(resourceArn=arn, tags=pairs(given)),
        "TooManyTagsException",
    ),
    "sagemaker": (
        lambda client, given: client.create_model_package_group(ModelPackageGroupName="full", Tags=given)[
            "ModelPackageGroupArn"
        ],
        lambda client, arn, given: client.add_tags(ResourceArn=arn, Tags=given),
        "ValidationException",
    ),
    "scheduler": (
        lambda client, given: client.create_schedule_group(Name="full", Tags=given)["ScheduleGroupArn"],
        lambda client, arn, given: client.tag_resource(ResourceArn=arn, Tags=given),
        "ValidationException",
    ),
    "sns": (
        lambda client, given: client.create_topic(Name="full", Tags=given)["TopicArn"],
        lambda client, arn, given: client.tag_resource(ResourceArn=arn, Tags=given),
        "TagLimitExceeded",
    ),
    "ssm": (
        parameter,
        lambda client, name, given: client.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=given),
        "TooManyTagsError",
    ),
    "stepfunctions": (
        machine,
        lambda client, arn, given: client.tag_resource(resourceArn=arn, tags=in_small_letters(given)),
        "TooManyTags",
    ),
}


@pytest.fixture(scope="module")
def used(localaws: RunningLocalAws, s3: Any) -> None:
    """The bucket of a trail, and the role of a state machine."""
    statement = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [{**statement, "Action": ["s3:GetBucketAcl", "s3:PutObject"]}]}
    s3.create_bucket(Bucket="quota-trails")
    s3.put_bucket_policy(
        Bucket="quota-trails", Policy=json.dumps(document).replace('"*"', '["arn:aws:s3:::quota-trails*"]')
    )
    trusted = json.dumps(TRUST).replace("sagemaker.amazonaws.com", "states.amazonaws.com")
    localaws.client("iam").create_role(RoleName="quota-states", AssumeRolePolicyDocument=trusted)


@pytest.mark.parametrize("service", ADDED)
@pytest.mark.usefixtures("used")
def test_a_resource_has_at_most_50_tags_however_they_are_added(localaws: RunningLocalAws, service: str) -> None:
    make, add, too_many = ADDED[service]
    client = localaws.client(service)
    made = make(client, tags(50))
    add(client, made, [{"Key": "key-7", "Value": "another"}])
    assert refused(lambda: add(client, made, [{"Key": "key-50", "Value": "v"}]))[0] == too_many
