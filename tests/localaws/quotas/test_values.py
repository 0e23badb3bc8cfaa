"""Values in requests that the service refuses, each beside one that it accepts."""

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from moto.core.utils import get_service_model
from moto.ssm.models import Parameter, ParameterDict

from localaws.errors import AwsError
from localaws.quotas import budgets, checks, cloudwatch, ecr, events, functions, iam, kms, logs, sns, sqs, ssm, sts
from tests.localaws.functions.test_archives import zipped

QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
PROJECT = "arn:aws:codebuild:us-east-1:123456789012:project/p"
# moto's own class: a made-up one would have the attributes that the checks expect.
HELD = Parameter("1", "/advanced", "v", "String", None, None, None, datetime.now(UTC), 1, "text", tier="Advanced")
RULE = SimpleNamespace(targets=[{"Id": str(number)} for number in range(4)])
BUSES = {"default": SimpleNamespace(rules={"rule": RULE})}
TOPICS = {
    "arn:aws:sns:us-east-1:123456789012:held": SimpleNamespace(display_name="a", policy='{"a":1}', fifo_topic=False)
}
LARGE = "arn:aws:sns:us-east-1:123456789012:large"
TOPICS[LARGE] = SimpleNamespace(arn=LARGE, maximum_message_size="300000")
SUBSCRIPTIONS = {"email": SimpleNamespace(protocol="email", topic=SimpleNamespace(arn=TOPIC))}
FUNCTION = SimpleNamespace(function_name="held", policy=SimpleNamespace(statements=[{"Sid": "held"}]))
ZIP = zipped(a="b")
KMS = SimpleNamespace(
    keys={
        name: SimpleNamespace(key_spec=name, key_state="Enabled", arn=name)
        for name in ("RSA_2048", "SYMMETRIC_DEFAULT")
    },
    get_key_id=str,
    get_alias_name=str,
)
RESPONSE = SimpleNamespace(
    ssm_backend=SimpleNamespace(_parameters={"/advanced": [HELD]}),
    events_backend=SimpleNamespace(event_buses=BUSES),
    backend=SimpleNamespace(topics=TOPICS, subscriptions=SUBSCRIPTIONS, list_functions=lambda: [FUNCTION]),
    kms_backend=KMS,
    logs_backend=SimpleNamespace(groups={"held": None}),
    partition="aws",
    region="us-east-1",
    current_account="123456789012",
)


def attribute(**more: Any) -> dict[str, Any]:
    return {"Attributes": {name: str(value) for name, value in more.items()}}


def parameter(name: str = "/a/b", value: str = "v", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Value": value, **more}


def subscription(protocol: str, endpoint: str) -> dict[str, Any]:
    return {"TopicArn": TOPIC, "Protocol": protocol, "Endpoint": endpoint}


def topic(name: str = "new", **attributes: str) -> dict[str, Any]:
    return {"Name": name, "Attributes": attributes}


def function(**more: Any) -> dict[str, Any]:
    return {"FunctionName": "f", "Handler": "m.h", "Runtime": "python3.12", "Code": {}, **more}


def variables(**given: str) -> dict[str, Any]:
    return function(Environment={"Variables": given})


def points(count: int) -> dict[str, Any]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return {"StartTime": start, "EndTime": start + timedelta(minutes=count), "Period": 60}


def measured(**more: Any) -> dict[str, Any]:
    return {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1, **more}]}


def published(arn: str, size: int, **attributes: str) -> dict[str, Any]:
    given = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    return {"TopicArn": arn, "Message": "x" * size, "MessageAttributes": given}


def batch(*sizes: int) -> dict[str, Any]:
    entries = [{"Id": str(number), "Message": "x" * size} for number, size in enumerate(sizes)]
    return {"TopicArn": TOPIC, "PublishBatchRequestEntries": entries}


def sized(arn: str, size: str) -> dict[str, Any]:
    return {"TopicArn": arn, "AttributeName": "MaximumMessageSize", "AttributeValue": size}


def emailed(arn: str) -> dict[str, Any]:
    return {**subscription("email", "a@b.org"), "TopicArn": arn}


def events_of(*hours: float) -> dict[str, Any]:
    """A batch with events of so many hours ago."""
    now = time.time() * 1000
    return {"logEvents": [{"timestamp": int(now - one * 3600000), "message": "m"} for one in hours]}


def subscribed(**attributes: str) -> dict[str, Any]:
    return {**subscription("sqs", QUEUE), "Attributes": attributes}


def pattern(given: Any) -> dict[str, Any]:
    return {"Name": "rule", "EventPattern": json.dumps(given)}


def expression(text: str) -> dict[str, Any]:
    return {"Name": "rule", "ScheduleExpression": text}


def target(number: int = 0, arn: str = QUEUE, **more: Any) -> dict[str, Any]:
    return {"Rule": "rule", "Targets": [{"Id": str(number), "Arn": arn, **more}]}


def transformed(template: str, **paths: str) -> dict[str, Any]:
    return target(InputTransformer={"InputPathsMap": {"a": "$.detail", **paths}, "InputTemplate": template})


def redrive(count: Any) -> dict[str, Any]:
    return attribute(RedrivePolicy=json.dumps({"deadLetterTargetArn": QUEUE, "maxReceiveCount": count}))


def images(*selections: dict[str, Any]) -> dict[str, Any]:
    rules = [
        {"rulePriority": number, "action": {"type": "expire"}, "selection": {**COUNTED, **selection}}
        for number, selection in enumerate(selections, 1)
    ]
    return {"lifecyclePolicyText": json.dumps({"rules": rules})}


def budget(*subscribers: tuple[str, str], times: int = 1) -> dict[str, Any]:
    listed = [{"SubscriptionType": kind, "Address": address} for kind, address in subscribers]
    return {"NotificationsWithSubscribers": times * [{"Notification": {"Threshold": 80}, "Subscribers": listed}]}


COUNTED = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}
AGED = {"countType": "sinceImagePushed"}
TAGGED = {"tagStatus": "tagged"}
ANY = {"tagStatus": "any"}
MAIL = ("EMAIL", "a@b.org")
ABSENT = "alias/absent"
CASES: list[tuple[Any, str, dict[str, Any], dict[str, Any], str]] = [
    (logs, "PutRetentionPolicy", {"retentionInDays": 30}, {"retentionInDays": 31}, "InvalidParameterException"),
    (sqs, "CreateQueue", attribute(DelaySeconds=900), attribute(DelaySeconds=901), "InvalidAttributeValue"),
    (sqs, "SetQueueAttributes", attribute(VisibilityTimeout=0), attribute(VisibilityTimeout=-1), "InvalidAttribute"),
    (sqs, "CreateQueue", attribute(MessageRetentionPeriod=60), attribute(MessageRetentionPeriod=59), "InvalidAttr"),
    (sqs, "CreateQueue", redrive(1000), redrive(1001), "InvalidAttributeValue"),
    (sqs, "CreateQueue", redrive("5"), attribute(RedrivePolicy="{}"), "InvalidAttributeValue"),
    (sns, "Subscribe", subscription("email", "a@b.org"), subscription("email", "a"), "InvalidParameter"),
    (sns, "Subscribe", subscription("https", "https://a"), subscription("https", "http://a"), "InvalidParameter"),
    (sns, "Subscribe", subscription("sqs", QUEUE), subscription("sqs", f"{QUEUE}.fifo"), "InvalidParameter"),
    (
        sns,
        "Subscribe",
        subscription("sms", "+4912345"),
        subscription("slack", "a"),
        "does not support|Does not support",
    ),
    (sns, "CreateTopic", topic(DisplayName="a"), topic(Color="a"), "InvalidParameter"),
    (
        sns,
        "SetTopicAttributes",
        {"AttributeName": "SQSFailureFeedbackRoleArn"},
        {"AttributeName": "Color"},
        "InvalidParameter",
    ),
    (functions, "CreateFunction", function(Timeout=900), function(Timeout=901), "less than or equal to 900"),
    (
        functions,
        "CreateFunction",
        function(Code={"ZipFile": ZIP}),
        function(Code={"ZipFile": b"no"}),
        "Could not unzip",
    ),
    (functions, "UpdateFunctionCode", {"ZipFile": ZIP}, {"ZipFile": b"no"}, "Could not unzip uploaded file"),
    (functions, "CreateFunction", function(PackageType="Image", Handler=""), function(Handler=""), "mandatory"),
    (functions, "CreateFunction", variables(REGION="a"), variables(AWS_REGION="a"), "request: AWS_REGION"),
    (
        functions,
        "UpdateFunctionConfiguration",
        variables(AB="x" * (4096 - 9)),
        variables(AB="x" * (4096 - 8)),
        "exceeded the 4KB limit",
    ),
    (
        functions,
        "AddPermission",
        {"FunctionName": "held", "StatementId": "new"},
        {"FunctionName": "held", "StatementId": "held"},
        "ResourceConflictException",
    ),
    (cloudwatch, "GetMetricStatistics", points(1440), points(1441), "exceeds the limit of 1440"),
    (cloudwatch, "PutMetricData", measured(StorageResolution=60), measured(StorageResolution=5), "must be 1 or 60"),
    (logs, "PutLogEvents", events_of(400, 1, -3), events_of(25, 0), "cannot span more than 24 hours"),
    (
        logs,
        "PutLogEvents",
        {"logEvents": [{"timestamp": 0, "message": "x" * (1048576 - 26)}]},
        {"logEvents": [{"timestamp": 0, "message": "x" * (1048576 - 25)}]},
        "Upload too large: 1048577 bytes",
    ),
    (logs, "CreateLogGroup", {"logGroupName": "/aws/a"}, {"logGroupName": "aws/a"}, "reserved for AWS"),
    (logs, "CreateLogGroup", {"logGroupName": "a"}, {"logGroupName": "a", "kmsKeyId": ABSENT}, "could not be found"),
    (ecr, "CreateRepository", {}, {"encryptionConfiguration": {"kmsKey": ABSENT}}, "KmsException"),
    (kms, "CreateKey", {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, {"KeySpec": "RSA_2048"}, "a KeyUsage"),
    (kms, "EnableKeyRotation", {"KeyId": "SYMMETRIC_DEFAULT"}, {"KeyId": "RSA_2048"}, "UnsupportedOperation"),
    (iam, "CreateOpenIDConnectProvider", {"Url": "https://a"}, {"Url": "http://a"}, "must begin with https"),
    (sqs, "CreateQueue", {"QueueName": "a.fifo", **attribute(FifoQueue="true")}, {"QueueName": "a.fifo"}, "alphanum"),
    (
        sqs,
        "CreateQueue",
        attribute(KmsMasterKeyId="k"),
        attribute(KmsMasterKeyId="k", SqsManagedSseEnabled="true"),
        "SqsManagedSseEnabled",
    ),
    (sqs, "SendMessage", {"MessageBody": "a\n"}, {"MessageBody": ""}, "MissingParameter"),
    (sqs, "SendMessage", {"MessageBody": "\U0001f600"}, {"MessageBody": "\x01"}, "InvalidMessageContents"),
    (ssm, "GetParametersByPath", {"Path": "/a"}, {"Path": "a"}, "must begin with"),
    (
        ssm,
        "PutParameter",
        parameter(Type="SecureString", KeyId="alias/aws/ssm"),
        parameter(Type="SecureString", KeyId=ABSENT),
        "InvalidKeyId",
    ),
    (sns, "CreateTopic", topic(SignatureVersion="2"), topic(SignatureVersion="3"), "InvalidParameter"),
    (sns, "CreateTopic", topic(TracingConfig="Active"), topic(TracingConfig="On"), "InvalidParameter"),
    (sns, "CreateTopic", topic(DisplayName="a" * 100), topic(DisplayName="a" * 101), "InvalidParameter"),
    (sns, "CreateTopic", topic(DeliveryPolicy="{}"), topic(DeliveryPolicy="{"), "failed to parse JSON"),
    (sns, "CreateTopic", topic("held", DisplayName="a"), topic("held", DisplayName="b"), "already exists"),
    (sns, "CreateTopic", topic("held", Policy='{ "a": 1 }'), topic("held", Policy="{}"), "already exists"),
    (sns, "Subscribe", subscribed(FilterPolicy='{"a": ["b"]}'), subscribed(FilterPolicy="x"), "failed to parse JSON"),
    (sns, "Subscribe", subscribed(RawMessageDelivery="true"), subscribed(RawMessageDelivery="yes"), "InvalidParam"),
    (
        sns,
        "SetSubscriptionAttributes",
        {"AttributeName": "RedrivePolicy", "AttributeValue": json.dumps({"deadLetterTargetArn": QUEUE})},
        {"AttributeName": "RedrivePolicy", "AttributeValue": json.dumps({"deadLetterTargetArn": TOPIC})},
        "is not a queue",
    ),
    (sns, "Publish", {"Message": "x" * 262144}, {"Message": "x" * 262145}, "too long"),
    (sns, "Publish", {"Message": "x"}, {"Message": ""}, "Empty message"),
    (sns, "Publish", published(LARGE, 300000), published(LARGE, 300001), "too long"),
    (sns, "Publish", published(TOPIC, 262144 - 8, a="x"), published(TOPIC, 262144 - 7, a="x"), "too long"),
    (
        sns,
        "Publish",
        {"Message": "x", "Subject": "é"},
        {"Message": "x", "Subject": "a\nb"},
        "Invalid parameter: Subject",
    ),
    (sns, "PublishBatch", batch(131072, 131072), batch(131072, 131073), "BatchRequestTooLong"),
    (sns, "PublishBatch", batch(1), batch(), "EmptyBatchRequest"),
    (logs, "PutMetricFilter", {"logGroupName": "held"}, {"logGroupName": "absent"}, "ResourceNotFoundException"),
    (sns, "CreateTopic", topic(MaximumMessageSize="1024"), topic(MaximumMessageSize="1023"), "MaximumMessageSize"),
    (
        sns,
        "CreateTopic",
        topic("held", MaximumMessageSize="262144"),
        topic("held", MaximumMessageSize="2048"),
        "exists",
    ),
    (sns, "SetTopicAttributes", sized(LARGE, "1048576"), sized(TOPIC, "1048576"), "excludes subscriptions"),
    (sns, "Subscribe", {**subscription("sqs", QUEUE), "TopicArn": LARGE}, emailed(LARGE), "excludes subscriptions"),
    (
        sns,
        "Publish",
        {"Message": '{"default": "a"}', "MessageStructure": "json"},
        {"Message": '{"email": "a"}', "MessageStructure": "json"},
        "No default entry",
    ),
    (events, "PutRule", expression("rate(1 hour)"), expression("rate(1 hours)"), "ValidationException"),
    (events, "PutRule", expression("rate(5 hours)"), expression("rate(5 hour)"), "ValidationException"),
    (events, "PutRule", expression("cron(0 1 * * ? *)"), expression("cron(0 1 * * * *)"), "ValidationException"),
    (events, "PutRule", expression(""), expression("at(2030-01-01T00:00:00)"), "ValidationException"),
    (events, "PutRule", pattern({"a": [{"prefix": "b"}]}), pattern({"a": [{"prefx": "b"}]}), "InvalidEventPattern"),
    (
        events,
        "PutRule",
        pattern({"$or": [{"a": ["b"]}, {"c": ["d"]}]}),
        pattern({"$or": [{"a": [{"b": 1}]}]}),
        "InvalidEventPatt",
    ),
    (events, "PutTargets", target(Input="{}"), target(Input="{"), "JSON syntax error"),
    (events, "PutTargets", target(InputPath="$.a"), target(InputPath="$.a", Input="{}"), "Only one of"),
    (events, "PutTargets", target(arn=PROJECT, RoleArn="arn"), target(arn=PROJECT), "RoleArn is required"),
    (
        events,
        "PutTargets",
        target(9),
        {"Rule": "rule", "Targets": [*target(8)["Targets"], *target(9)["Targets"]]},
        "LimitExceededException",
    ),
    (events, "PutTargets", target(InputPath="$.a-b.c[0]"), target(InputPath="a"), "Invalid InputPath"),
    (
        events,
        "PutTargets",
        target(DeadLetterConfig={"Arn": QUEUE}),
        target(DeadLetterConfig={"Arn": TOPIC}),
        "not a standard SQS queue",
    ),
    (events, "PutTargets", transformed("<a> <aws.events.rule-name>"), transformed("<b>"), "invalid placeholder b"),
    (events, "PutTargets", transformed("<a>"), transformed("<a>", a="$['a']"), "Invalid InputPath"),
    (events, "PutTargets", transformed("<a>"), transformed("<aws.a>", **{"aws.a": "$"}), "reserved"),
    (
        events,
        "PutTargets",
        transformed("<a>", **{f"v{number}": "$" for number in range(99)}),
        transformed("<a>", **{f"v{number}": "$" for number in range(100)}),
        "more than 100",
    ),
    (ecr, "PutLifecyclePolicy", images({}, ANY), images(ANY, {}), "highest rulePriority"),
    (ecr, "PutLifecyclePolicy", images({**AGED, "countUnit": "days"}), images(AGED), "countUnit"),
    (ecr, "PutLifecyclePolicy", images({}), images({"countUnit": "days"}), "countUnit"),
    (ecr, "PutLifecyclePolicy", images({**TAGGED, "tagPrefixList": ["a"]}), images(TAGGED), "tagPrefixList"),
    (ecr, "PutLifecyclePolicy", images(), images({"tagPrefixList": ["a"]}), "has no tagPrefixList"),
    (budgets, "CreateBudget", budget(MAIL, ("SNS", TOPIC)), budget(("SNS", "topic")), "InvalidParameterException"),
    (budgets, "CreateBudget", budget(*10 * [MAIL]), budget(*11 * [MAIL]), "CreationLimitExceededException"),
    (budgets, "CreateBudget", budget(), budget(MAIL, times=2), "DuplicateRecordException"),
    (ssm, "PutParameter", parameter("name"), parameter("a/b"), "ValidationException"),
    (ssm, "PutParameter", parameter("/a.b-c_d"), parameter("/a b"), "ValidationException"),
    (ssm, "PutParameter", parameter("/a" * 15), parameter("/a" * 16), "HierarchyLevelLimitExceeded"),
    (ssm, "PutParameter", parameter(value='{"a":{"b":1}}'), parameter(value="x {{a}}"), "ValidationException"),
    (ssm, "PutParameter", parameter("/advanced"), parameter("/advanced", Tier="Standard"), "ValidationException"),
    (ssm, "PutParameter", parameter("/advanced", Policies="[]"), parameter(Policies="[1]"), "ValidationException"),
    (
        ssm,
        "PutParameter",
        parameter(value="12", AllowedPattern=r"^\d+$"),
        parameter(AllowedPattern=r"^\d+$"),
        "ParameterPatternMismatch",
    ),
    (ssm, "PutParameter", parameter(), parameter(AllowedPattern="["), "InvalidAllowedPattern"),
    (ssm, "PutParameter", parameter(AllowedPattern=r"\p{Alpha}"), parameter("/a/"), "must begin with / and not end"),
]


@pytest.mark.parametrize(("service", "operation", "accepted", "refused", "error"), CASES)
def test_a_value_that_the_service_refuses(
    service: Any, operation: str, accepted: dict[str, Any], refused: dict[str, Any], error: str
) -> None:
    service.check(RESPONSE, operation, accepted)
    with pytest.raises(AwsError, match=error):
        service.check(RESPONSE, operation, refused)


def test_the_type_of_a_parameter_can_be_changed() -> None:
    # As Terraform's provider does: https://github.com/hashicorp/terraform-provider-aws/pull/10819
    parameters = ParameterDict("1", "us-east-1")
    parameters["/flat"].append(HELD)
    response = SimpleNamespace(
        ssm_backend=SimpleNamespace(_parameters=parameters), current_account="1", region="us-east-1"
    )
    ssm.check(response, "PutParameter", parameter("/flat", Type="StringList", Overwrite=True))


def test_a_session_needs_the_arn_of_a_role() -> None:
    with pytest.raises(AwsError, match="ValidationError: arn:aws:iam::1:user/a is invalid"):
        sts.check(RESPONSE, "AssumeRole", {"RoleArn": "arn:aws:iam::1:user/a"})


def test_a_standard_topic_is_created_again_with_its_attributes() -> None:
    sns.check(RESPONSE, "CreateTopic", {"Name": "held", **attribute(FifoTopic="false")})
    with pytest.raises(AwsError, match="different attributes"):
        sns.check(RESPONSE, "CreateTopic", {"Name": "held", **attribute(FifoTopic="true")})


def test_a_text_instead_of_a_number_is_refused_with_the_code_of_the_query_protocol() -> None:
    request = SimpleNamespace(
        method="POST",
        values={"MaxItems": "abc"},
        headers={},
        data=b"",
        path="/",
        content_type="application/x-www-form-urlencoded",
    )
    response = SimpleNamespace(normalized_request=request, uri_match={}, boto3_service_name="iam")
    with pytest.raises(AwsError, match="ValidationError"):
        checks._parsed(response, get_service_model("iam"), "ListUsers")
