"""The permissions that calls require, tested with requests as boto3 sends them."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.identify import identify
from localaws.front.sigv4 import Signature
from localaws.iam.passed_roles import replication_role
from localaws.iam.permission import RequiredPermission
from localaws.iam.required_permissions import required_permissions
from localaws.mlflow_actions import ACTIONS
from tests.localaws.iam.capture import captured
from tests.localaws.iam.reference import knows
from tests.localaws.iam.required_permission_cases import BOUNDARY, CASES, FILE, KEY, ROLE, S3, SM, TAGS, TRUST, US


@dataclass
class Fake:
    """Resources for the tests: one bucket with one object."""

    account: str = US
    default_key: str | None = None
    object_under: str | None = None
    bucket_keys: bool = False
    objects: set[str] = field(default_factory=lambda: {"a/b"})

    def bucket_owner(self, bucket: str) -> str:
        return "999999999999" if bucket == "theirs" else US

    def bucket_key(self, *_: object) -> str | None:
        return self.default_key

    def uses_bucket_key(self, *_: object) -> bool:
        return self.bucket_keys

    def object_exists(self, _bucket: str, key: str, *_: object) -> bool:
        return key in self.objects

    def object_key(self, _bucket: str, key: str, *_: object) -> str | None:
        return self.object_under if key in self.objects else None

    def tags(self, arn: str) -> dict[str, str]:
        return {"environment": "staging"} if arn.endswith((":endpoint/e", ":key/tagged")) else {}

    def iam_arn(self, kind: str, name: str) -> str:
        return f"arn:aws:iam::{US}:{kind}/team/{name}" if name == "filed" else f"arn:aws:iam::{US}:{kind}/{name}"

    def role_boundary(self, name: str) -> str | None:
        return BOUNDARY if name == "bounded" else None

    def key_arn(self, given: str, region: str) -> str:
        given = "k" if given == "alias/known" else given
        return given if given.startswith("arn:") else f"arn:aws:kms:{region}:{US}:key/{given}"


def needs(service: str, operation: str, lookup: Fake | None = None, **parameters: Any) -> list[RequiredPermission]:
    return required_permissions(captured(service, operation, **parameters), lookup or Fake())


def pairs(found: list[RequiredPermission]) -> list[tuple[str, str]]:
    return [(need.action, need.resource) for need in found]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES]
)
def test_a_call_requires_these_actions_and_aws_has_them(
    service: str, operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = pairs(needs(service, operation, **parameters))
    assert found == expected
    assert [pair for pair in found if not knows(*pair)] == []


def test_a_bucket_of_another_account_belongs_to_that_account() -> None:
    assert [need.account for need in needs("s3", "list_objects_v2", Bucket="theirs")] == ["999999999999"]


def test_writing_under_a_customer_key_uses_the_key_through_s3() -> None:
    write, use = needs("s3", "put_object", Fake(default_key=KEY), **FILE)
    assert write.action == "s3:PutObject"
    assert (use.action, use.resource) == ("kms:GenerateDataKey", KEY)
    assert use.context["kms:ViaService"] == "s3.us-east-1.amazonaws.com"
    assert use.context["kms:EncryptionContext:aws:s3:arn"] == f"{S3}/a/b"


def test_with_a_bucket_key_the_encryption_context_is_the_bucket() -> None:
    _, use = needs("s3", "put_object", Fake(default_key=KEY, bucket_keys=True), **FILE)
    assert use.context["kms:EncryptionContext:aws:s3:arn"] == S3


@pytest.mark.parametrize(
    ("operation", "more", "used"),
    [
        ("get_object", {}, ["kms:Decrypt"]),
        ("head_object", {}, []),
        ("head_object", {"ChecksumMode": "ENABLED"}, ["kms:Decrypt"]),
        ("create_multipart_upload", {}, ["kms:GenerateDataKey"]),
        ("upload_part", {"UploadId": "u", "PartNumber": 1}, ["kms:GenerateDataKey", "kms:Decrypt"]),
        ("complete_multipart_upload", {"UploadId": "u"}, ["kms:GenerateDataKey", "kms:Decrypt"]),
        ("put_object", {"ServerSideEncryption": "AES256"}, []),
        ("delete_object", {}, []),
    ],
)
def test_each_operation_requires_its_own_key_actions(operation: str, more: dict[str, Any], used: list[str]) -> None:
    found = needs("s3", operation, Fake(default_key=KEY, object_under=KEY), **FILE, **more)
    assert [need.action for need in found if need.action.startswith("kms:")] == used


def test_a_write_with_a_key_uses_it_and_conditions_see_its_arn() -> None:
    write, use = needs(
        "s3", "put_object", Fake(default_key=KEY), **FILE, ServerSideEncryption="aws:kms", SSEKMSKeyId="own"
    )
    own = f"arn:aws:kms:us-east-1:{US}:key/own"
    assert use.resource == own
    assert write.context["s3:x-amz-server-side-encryption"] == "aws:kms"
    assert write.context["s3:x-amz-server-side-encryption-aws-kms-key-id"] == own


def test_a_copy_decrypts_its_source() -> None:
    found = needs("s3", "copy_object", Fake(object_under=KEY), Bucket="data", Key="c", CopySource="data/a/b")
    assert pairs(found)[-1] == ("kms:Decrypt", KEY)


def test_conditions_see_the_prefix_of_a_listing() -> None:
    (listing,) = needs("s3", "list_objects_v2", Bucket="data", Prefix="runs/", Delimiter="/")
    assert (listing.context["s3:prefix"], listing.context["s3:delimiter"]) == ("runs/", "/")


def test_a_missing_object_requires_to_list_its_key_as_prefix() -> None:
    _, listing = needs("s3", "head_object", Bucket="data", Key="runs/no")
    assert (listing.action, listing.context["s3:prefix"]) == ("s3:ListBucket", "runs/no")


def test_passing_a_role_has_the_service_and_the_resource_as_condition_keys() -> None:
    _, passing = needs("sagemaker", "create_model", ModelName="m", ExecutionRoleArn=ROLE)
    assert passing.context == {
        "iam:PassedToService": "sagemaker.amazonaws.com",
        "iam:AssociatedResourceArn": f"{SM}:model/m",
    }


@pytest.mark.parametrize("operation", sorted(ACTIONS))
def test_a_tracking_call_requires_an_existing_action_on_the_server(operation: str) -> None:
    call = Call("GET", "/", "/", "", {}, None, "sagemaker-mlflow", operation, f"{SM}:mlflow-tracking-server/t")
    need, *others = required_permissions(call, Fake())
    assert knows(need.action, need.resource)
    assert need.resource == ("*" if operation == "AccessUI" else call.resource)
    # AccessUI has no resource, so a signed request also needs the right to open the UI of its server.
    opening = ("sagemaker:CreatePresignedMlflowTrackingServerUrl", call.resource)
    assert pairs(others) == ([opening] if operation == "AccessUI" else [])
    call.ui = "t-1"
    assert len(required_permissions(call, Fake())) == 1


def test_conditions_see_the_tags_of_the_request_and_of_the_resource() -> None:
    creating, _, tagging = needs("sagemaker", "create_endpoint", EndpointName="e", EndpointConfigName="c", Tags=TAGS)
    requested = {"aws:RequestTag/project": "mlflow", "aws:TagKeys": ["project"]}
    assert creating.context == {**requested, "aws:ResourceTag/environment": "staging"}
    assert tagging.action == "sagemaker:AddTags"
    assert tagging.context == requested | {"sagemaker:TaggingAction": "CreateEndpoint"}


def test_conditions_see_that_an_upload_uses_a_customer_provided_key() -> None:
    (write,) = needs("s3", "put_object", **FILE, SSECustomerAlgorithm="AES256", SSECustomerKey="0" * 32)
    assert write.context["s3:x-amz-server-side-encryption-customer-algorithm"] == "AES256"


@pytest.mark.parametrize("operation", ["delete_alarms", "describe_alarms"])
def test_alarms_that_are_named_are_the_resources(operation: str) -> None:
    found = needs("cloudwatch", operation, AlarmNames=["a", "b"])
    assert [one.resource for one in found] == [f"arn:aws:cloudwatch:us-east-1:{US}:alarm:{name}" for name in "ab"]


def test_conditions_see_the_tags_of_the_key_that_encrypts_an_object() -> None:
    _, encrypting = needs("s3", "put_object", Fake(default_key=KEY.replace("key/k", "key/tagged")), **FILE)
    assert encrypting.context["aws:ResourceTag/environment"] == "staging"


def test_a_new_or_changed_budget_is_the_resource() -> None:
    budget = {"BudgetName": "b", "TimeUnit": "MONTHLY", "BudgetType": "COST"}
    arn = f"arn:aws:budgets::{US}:budget/b"
    assert pairs(needs("budgets", "create_budget", AccountId=US, Budget=budget)) == [("budgets:ModifyBudget", arn)]
    assert pairs(needs("budgets", "update_budget", AccountId=US, NewBudget=budget)) == [("budgets:ModifyBudget", arn)]
    assert pairs(needs("budgets", "list_tags_for_resource", ResourceARN=arn)) == [("budgets:ListTagsForResource", arn)]


def test_conditions_see_the_tags_of_a_new_key() -> None:
    creating, tagging = needs("kms", "create_key", Tags=[{"TagKey": "project", "TagValue": "mlflow"}])
    assert (creating.action, tagging.action) == ("kms:CreateKey", "kms:TagResource")
    assert creating.context == tagging.context == {"aws:RequestTag/project": "mlflow", "aws:TagKeys": ["project"]}


def test_conditions_see_the_call_that_tags_a_new_resource() -> None:
    tags = [{"Key": "project", "Value": "mlflow"}]
    creating, tagging = needs("sagemaker", "create_experiment", ExperimentName="iris", Tags=tags)
    assert tagging.context == creating.context | {"sagemaker:TaggingAction": "CreateExperiment"}
    [later] = needs("sagemaker", "add_tags", ResourceArn=f"arn:aws:sagemaker:us-east-1:{US}:domain/d-1", Tags=tags)
    assert later.action == "sagemaker:AddTags"
    assert "sagemaker:TaggingAction" not in later.context


def test_lists_in_the_query_protocol_are_lists() -> None:
    body = b"Action=DeleteAlarms&Version=2010-08-01&AlarmNames.member.1=a&AlarmNames.member.2=b"
    credential = "Credential=someone/20261129/us-east-1/monitoring/aws4_request"
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-amz-date": "20261129T000000Z",
        "authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0",
    }
    call = Call("POST", "/", "/", "", headers, body)
    identify(call, Signature.of(call))
    assert [one.resource for one in required_permissions(call, Fake())] == [
        f"arn:aws:cloudwatch:us-east-1:{US}:alarm:{name}" for name in "ab"
    ]


def test_a_schedule_is_in_the_group_of_the_call_and_a_group_is_a_resource() -> None:
    scheduler = f"arn:aws:scheduler:us-east-1:{US}"
    assert [one.resource for one in needs("scheduler", "get_schedule", Name="s", GroupName="g")] == [
        f"{scheduler}:schedule/g/s"
    ]
    assert [one.resource for one in needs("scheduler", "get_schedule", Name="s")] == [f"{scheduler}:schedule/default/s"]
    assert needs("scheduler", "get_schedule_group", Name="g")[0].resource == f"{scheduler}:schedule-group/g"


@pytest.mark.parametrize(
    ("operation", "parameters", "boundary"),
    [
        ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}, None),
        (
            "create_role",
            {"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": BOUNDARY},
            BOUNDARY,
        ),
        ("put_role_policy", {"RoleName": "bounded", "PolicyName": "p", "PolicyDocument": TRUST}, BOUNDARY),
        ("put_role_policy", {"RoleName": "r", "PolicyName": "p", "PolicyDocument": TRUST}, None),
        ("update_assume_role_policy", {"RoleName": "bounded", "PolicyDocument": TRUST}, None),
        ("delete_role", {"RoleName": "bounded"}, None),
    ],
)
def test_conditions_see_the_boundary_of_a_role(
    operation: str, parameters: dict[str, Any], boundary: str | None
) -> None:
    assert needs("iam", operation, **parameters)[0].context.get("iam:PermissionsBoundary") == boundary


def test_conditions_see_the_policy_that_is_attached() -> None:
    (attaching,) = needs("iam", "attach_role_policy", RoleName="r", PolicyArn=BOUNDARY)
    assert attaching.resource == f"arn:aws:iam::{US}:role/r"
    assert attaching.context["iam:PolicyARN"] == BOUNDARY


def test_scaling_an_endpoint_is_a_call_for_one_service_and_tags_need_a_permission_of_their_own() -> None:
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/iris/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    call = captured("application-autoscaling", "register_scalable_target", **target, Tags={"project": "mlflow"})
    registering, tagging = required_permissions(call, Fake())
    assert registering.action == "application-autoscaling:RegisterScalableTarget"
    assert registering.context["application-autoscaling:service-namespace"] == "sagemaker"
    assert registering.context["application-autoscaling:scalable-dimension"] == target["ScalableDimension"]
    assert tagging.action == "application-autoscaling:TagResource"
    assert tagging.context["aws:RequestTag/project"] == "mlflow"


def test_conditions_see_the_instance_types_of_an_endpoint_configuration() -> None:
    variants = [
        {"VariantName": name, "ModelName": "m", "InstanceType": kind, "InitialInstanceCount": 1}
        for name, kind in (("one", "ml.m5.large"), ("two", "ml.g5.xlarge"))
    ]
    found = needs("sagemaker", "create_endpoint_config", EndpointConfigName="c", ProductionVariants=variants)
    assert found[0].context["sagemaker:InstanceTypes"] == ["ml.m5.large", "ml.g5.xlarge"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("sagemaker", "delete_tags", {"ResourceArn": f"{SM}:domain/d-1", "TagKeys": ["a", "b"]}),
        ("iam", "untag_role", {"RoleName": "job", "TagKeys": ["a", "b"]}),
        ("lambda", "untag_resource", {"Resource": f"arn:aws:lambda:us-east-1:{US}:function:f", "TagKeys": ["a", "b"]}),
        ("iam", "tag_role", {"RoleName": "job", "Tags": [{"Key": key, "Value": "v"} for key in "ab"]}),
        (
            "budgets",
            "untag_resource",
            {"ResourceARN": f"arn:aws:budgets::{US}:budget/b", "ResourceTagKeys": ["a", "b"]},
        ),
        (
            "stepfunctions",
            "tag_resource",
            {
                "resourceArn": f"arn:aws:states:us-east-1:{US}:stateMachine:s",
                "tags": [{"key": key, "value": "v"} for key in "ab"],
            },
        ),
    ],
)
def test_conditions_see_every_tag_that_a_call_adds_or_removes(
    service: str, operation: str, parameters: dict[str, Any]
) -> None:
    """ForAllValues holds without any key: a policy that allows some tags would allow all."""
    needed, *_ = needs(service, operation, **parameters)
    assert needed.context["aws:TagKeys"] == ["a", "b"]


def test_conditions_see_the_tags_of_a_new_role() -> None:
    creating, tagging = needs("iam", "create_role", RoleName="job", AssumeRolePolicyDocument=TRUST, Tags=TAGS)
    assert creating.context == tagging.context == {"aws:RequestTag/project": "mlflow", "aws:TagKeys": ["project"]}


def test_a_trust_policy_sees_the_external_id() -> None:
    (assuming,) = needs("sts", "assume_role", RoleArn=ROLE, RoleSessionName="now", ExternalId="secret")
    assert assuming.context == {"sts:ExternalId": "secret", "sts:RoleSessionName": "now"}


def test_a_role_in_a_value_of_the_callers_own_naming_is_not_passed() -> None:
    code = {"ZipFile": b"zip"}
    environment = {"Variables": {"ROLE": ROLE.replace("job", "other")}}
    found = needs("lambda", "create_function", FunctionName="f", Role=ROLE, Code=code, Environment=environment)
    assert [need.resource for need in found if need.action == "iam:PassRole"] == [ROLE]


@pytest.mark.parametrize("body", [b"", b"<a/>", b"<ReplicationConfiguration><Role/></ReplicationConfiguration>"])
def test_a_replication_without_a_readable_role_is_refused(body: bytes) -> None:
    with pytest.raises(AwsError, match="MalformedXML"):
        list(replication_role(body))


def test_a_call_without_a_user_is_about_the_caller() -> None:
    call = captured("iam", "create_access_key")
    call.principal = f"arn:aws:iam::{US}:user/own"
    assert [need.resource for need in required_permissions(call, Fake())] == [call.principal]


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("put_object", {"Tagging": "a=1&b=2"}),
        ("put_object_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}}),
    ],
)
def test_conditions_see_the_tags_that_an_object_gets(operation: str, parameters: dict[str, Any]) -> None:
    *_, tagging = needs("s3", operation, **FILE, **parameters)
    assert tagging.action == "s3:PutObjectTagging"
    assert tagging.context["s3:RequestObjectTagKeys"] == ["a", "b"]
    assert tagging.context["s3:RequestObjectTag/b"] == "2"


@pytest.mark.parametrize("body", [b"", b"<Tagging/>", b"<Tagging><TagSet><Tag/></TagSet></Tagging>"])
def test_tags_that_cannot_be_read_are_refused(body: bytes) -> None:
    call = captured("s3", "put_object_tagging", **FILE, Tagging={"TagSet": []})
    call.body = body
    with pytest.raises(AwsError, match="MalformedXML"):
        required_permissions(call, Fake())
