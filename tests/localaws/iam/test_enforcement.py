"""LOCALAWS_ENFORCE_IAM=1: the policies decide on every call, and denials have AWS's messages."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localaws import daemon
from localaws.iam.guard import TLS_HEADER
from tests.support.http import HTTP
from tests.support.running import RunningLocalAws, start

ACCOUNT = "123456789012"
SERVER = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:mlflow-tracking-server/none"


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLocalAws]:
    """A localaws with enforcement, shared by the tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALAWS_ENFORCE_IAM", "1")
        running = start(tmp_path_factory.mktemp("enforcing"))
    yield running
    daemon.down(running.settings)


@dataclass(frozen=True)
class User:
    """An IAM user and its key."""

    localaws: RunningLocalAws
    name: str
    keys: dict[str, str]

    def client(self, service: str) -> Any:
        return self.localaws.client(service, **self.keys)

    def refused(self, service: str, operation: str, **parameters: Any) -> tuple[str, str]:
        """Code and message of a call that must fail."""
        with pytest.raises(ClientError) as caught:
            getattr(self.client(service), operation)(**parameters)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def user(localaws: RunningLocalAws, name: str, *statements: dict[str, Any]) -> User:
    iam = localaws.client("iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return User(localaws, name, keys)


def bucket(localaws: RunningLocalAws, name: str) -> str:
    localaws.client("s3").create_bucket(Bucket=name)
    return f"arn:aws:s3:::{name}"


def test_enforcement_is_off_by_default(localaws: RunningLocalAws) -> None:
    nobody = user(localaws, "iam-nobody")
    assert "Buckets" in nobody.client("s3").list_buckets()


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "action", "resource"),
    [
        ("s3", "list_buckets", {}, "AccessDenied", "s3:ListAllMyBuckets", "*"),
        ("iam", "list_roles", {}, "AccessDenied", "iam:ListRoles", "*"),
        ("sagemaker", "list_models", {}, "AccessDeniedException", "sagemaker:ListModels", "*"),
        (
            "sagemaker-runtime",
            "invoke_endpoint",
            {"EndpointName": "e", "Body": b"{}"},
            "AccessDeniedException",
            "sagemaker:InvokeEndpoint",
            f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/e",
        ),
    ],
)
def test_a_user_without_policies_is_denied_in_the_form_of_each_service(
    enforcing: RunningLocalAws,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    code: str,
    action: str,
    resource: str,
) -> None:
    nobody = user(enforcing, f"nobody-{operation.replace('_', '-')}")
    assert nobody.refused(service, operation, **parameters) == (
        code,
        f"User: arn:aws:iam::{ACCOUNT}:user/{nobody.name} is not authorized to perform: {action} "
        f"on resource: {resource} because no identity-based policy allows the {action} action",
    )


def test_get_caller_identity_requires_no_permission(enforcing: RunningLocalAws) -> None:
    assert user(enforcing, "nobody").client("sts").get_caller_identity()["Account"] == ACCOUNT


def test_a_policy_allows_only_its_actions_and_a_denied_write_changes_nothing(enforcing: RunningLocalAws) -> None:
    arn = bucket(enforcing, "enforced-reader")
    enforcing.client("s3").put_object(Bucket="enforced-reader", Key="a", Body=b"1")
    reader = user(enforcing, "reader", allow("s3:GetObject", f"{arn}/*"))
    assert reader.client("s3").get_object(Bucket="enforced-reader", Key="a")["Body"].read() == b"1"
    assert "s3:PutObject" in reader.refused("s3", "put_object", Bucket="enforced-reader", Key="b")[1]
    assert "s3:DeleteObject" in reader.refused("s3", "delete_object", Bucket="enforced-reader", Key="a")[1]
    assert enforcing.client("s3").list_objects_v2(Bucket="enforced-reader")["KeyCount"] == 1


def test_a_missing_object_is_forbidden_without_permission_to_list(enforcing: RunningLocalAws) -> None:
    arn = bucket(enforcing, "enforced-missing")
    blind = user(enforcing, "blind", allow("s3:GetObject", f"{arn}/*"))
    assert "s3:ListBucket" in blind.refused("s3", "get_object", Bucket="enforced-missing", Key="no")[1]
    seeing = user(enforcing, "seeing", allow("s3:GetObject", f"{arn}/*"), allow("s3:ListBucket", arn))
    with pytest.raises(ClientError, match="NoSuchKey"):
        seeing.client("s3").get_object(Bucket="enforced-missing", Key="no")


@pytest.mark.parametrize("tls", ["none", "1.1"])
def test_a_bucket_policy_also_denies_the_administrator_without_tls(enforcing: RunningLocalAws, tls: str) -> None:
    name = f"enforced-tls-{tls.replace('.', '-')}"
    arn = bucket(enforcing, name)
    everybody = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    s3 = enforcing.client("s3")
    s3.put_bucket_policy(
        Bucket=name,
        Policy=document(
            {**everybody, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {**everybody, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
        ),
    )
    s3.put_object(Bucket=name, Key="a")

    def say(request: Any, **_: Any) -> None:
        request.headers[TLS_HEADER] = tls

    s3.meta.events.register("before-send", say)
    try:
        with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
            s3.get_object(Bucket=name, Key="a")
    finally:
        s3.meta.events.unregister("before-send", say)  # The tests share their clients.


def test_an_object_under_a_customer_key_requires_use_of_the_key_through_s3(enforcing: RunningLocalAws) -> None:
    arn = bucket(enforcing, "enforced-key")
    key = enforcing.client("kms").create_key()["KeyMetadata"]
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]}
    enforcing.client("s3").put_bucket_encryption(
        Bucket="enforced-key",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    objects = allow(["s3:PutObject", "s3:GetObject"], f"{arn}/*")
    keyless = user(enforcing, "keyless", objects)
    assert (
        "kms:GenerateDataKey on resource: " + key["Arn"]
        in keyless.refused("s3", "put_object", Bucket="enforced-key", Key="a", Body=b"1")[1]
    )
    through_s3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    keyed = user(
        enforcing,
        "keyed",
        objects,
        allow(["kms:GenerateDataKey", "kms:Decrypt"], key["Arn"], Condition=through_s3),
    )
    keyed.client("s3").put_object(Bucket="enforced-key", Key="a", Body=b"1")
    assert keyed.client("s3").get_object(Bucket="enforced-key", Key="a")["Body"].read() == b"1"
    assert "kms:Decrypt" in keyless.refused("s3", "get_object", Bucket="enforced-key", Key="a")[1]
    assert "kms:GenerateDataKey" in keyed.refused("kms", "generate_data_key", KeyId=key["KeyId"], KeySpec="AES_256")[1]


def test_managed_policies_of_groups_apply(enforcing: RunningLocalAws) -> None:
    iam = enforcing.client("iam")
    policy = iam.create_policy(PolicyName="lists", PolicyDocument=document(allow("s3:ListAllMyBuckets", "*")))
    iam.create_group(GroupName="team")
    iam.attach_group_policy(GroupName="team", PolicyArn=policy["Policy"]["Arn"])
    member = user(enforcing, "member")
    iam.add_user_to_group(GroupName="team", UserName="member")
    assert "Buckets" in member.client("s3").list_buckets()


def test_a_trust_policy_allows_to_assume_a_role_and_a_boundary_and_session_policies_limit_it(
    enforcing: RunningLocalAws,
) -> None:
    iam = enforcing.client("iam")
    entering = user(enforcing, "entering", allow("sts:AssumeRole", "*"))
    boundary = iam.create_policy(PolicyName="bound", PolicyDocument=document(allow("s3:ListAllMyBuckets", "*")))
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    closed = {**trust, "Principal": {"Service": "sagemaker.amazonaws.com"}}
    for name, statement in (("open", trust), ("closed", closed)):
        iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=document(statement),
            PermissionsBoundary=boundary["Policy"]["Arn"],
        )
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=document(allow("*", "*")))
    arn = f"arn:aws:iam::{ACCOUNT}:role/"
    _, message = entering.refused("sts", "assume_role", RoleArn=f"{arn}closed", RoleSessionName="now")
    assert "because no resource-based policy allows the sts:AssumeRole action" in message

    session = assumed(entering, f"{arn}open")
    assert "Buckets" in session.client("s3").list_buckets()
    assert "because no permissions boundary allows" in session.refused("iam", "list_roles")[1]

    logs = document(allow("logs:*", "*"))
    managed = iam.create_policy(PolicyName="session", PolicyDocument=logs)["Policy"]["Arn"]
    for limit in ({"Policy": logs}, {"PolicyArns": [{"arn": managed}]}):
        limited = assumed(entering, f"{arn}open", **limit)
        assert "because no session policy allows" in limited.refused("s3", "list_buckets")[1]
        assert "Buckets" in session.client("s3").list_buckets(), "the other session has the same ARN"
    both = assumed(entering, f"{arn}open", Policy=document(allow("s3:*", "*")), PolicyArns=[{"arn": managed}])
    assert "Buckets" in both.client("s3").list_buckets()
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        assumed(entering, f"{arn}open", Policy='{"a": 1}')


def assumed(caller: User, role: str, **given: Any) -> User:
    """A session of a role."""
    found = caller.client("sts").assume_role(RoleArn=role, RoleSessionName="now", **given)["Credentials"]
    keys = {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }
    return User(caller.localaws, role, keys)


def test_conditions_can_test_tags_of_the_request_and_of_the_resource(enforcing: RunningLocalAws) -> None:
    def tagged(kind: str) -> dict[str, Any]:
        return {"StringEquals": {f"aws:{kind}Tag/environment": "staging"}}

    tagger = user(
        enforcing,
        "tagger",
        allow("sagemaker:DescribeModelPackageGroup", "*", Condition=tagged("Resource")),
        allow(["sagemaker:CreateModelPackageGroup", "sagemaker:AddTags"], "*", Condition=tagged("Request")),
    )
    for environment in ("staging", "prod"):
        enforcing.client("sagemaker").create_model_package_group(
            ModelPackageGroupName=f"tagged-{environment}", Tags=[{"Key": "environment", "Value": environment}]
        )
    tagger.client("sagemaker").describe_model_package_group(ModelPackageGroupName="tagged-staging")
    tagger.refused("sagemaker", "describe_model_package_group", ModelPackageGroupName="tagged-prod")
    tagger.refused("sagemaker", "create_model_package_group", ModelPackageGroupName="untagged")
    tagger.client("sagemaker").create_model_package_group(
        ModelPackageGroupName="tagged-too", Tags=[{"Key": "environment", "Value": "staging"}]
    )


def test_a_tracking_call_requires_its_action_on_the_server(enforcing: RunningLocalAws) -> None:
    def status(caller: User) -> int:
        url = f"{enforcing.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=x"
        request = AWSRequest("GET", url, headers={"x-mlflow-sm-tracking-server-arn": SERVER})
        SigV4Auth(Credentials(*caller.keys.values()), "sagemaker-mlflow", "us-east-1").add_auth(request)
        return HTTP.get(url, headers=dict(request.headers)).status_code

    assert status(user(enforcing, "untracked")) == 403
    assert status(user(enforcing, "elsewhere", allow("sagemaker-mlflow:*", f"{SERVER}-other"))) == 403
    assert status(user(enforcing, "tracked", allow("sagemaker-mlflow:*", SERVER))) == 404  # The server does not exist.


def test_the_call_log_has_the_required_permissions_even_without_enforcement(localaws: RunningLocalAws) -> None:
    bucket(localaws, "noted-needs")
    localaws.client("s3").list_objects_v2(Bucket="noted-needs", Prefix="runs/")
    deadline = time.monotonic() + 60
    # The line of a call may be written shortly after the caller has received the response.
    while not (noted := [one for one in localaws.calls("noted-needs") if one["operation"] == "ListObjectsV2"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (call,) = noted
    (need,) = call["iam"]
    assert (need["action"], need["resource"]) == ("s3:ListBucket", "arn:aws:s3:::noted-needs")
    assert (need["context"]["s3:prefix"], need["context"]["aws:SecureTransport"]) == ("runs/", "true")


def test_a_stack_gives_no_rights_that_its_creator_lacks(enforcing: RunningLocalAws) -> None:
    body = json.dumps({"Resources": {"One": {"Type": "AWS::IAM::User", "Properties": {"UserName": "from-stack"}}}})
    new = {"StackName": "s", "TemplateBody": body, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    stacks = user(enforcing, "stacks", allow("cloudformation:*", "*"))
    for operation, given in (("create_stack", {}), ("create_change_set", {"ChangeSetName": "c"})):
        _, message = stacks.refused("cloudformation", operation, **new, **given)
        assert "is not authorized to perform: iam:*" in message
    both = user(enforcing, "stacks-and-users", allow(["cloudformation:*", "iam:*"], "*"))
    both.client("cloudformation").create_stack(**new)
    assert "iam:*" in stacks.refused("cloudformation", "delete_stack", StackName="s")[1]
    assert enforcing.client("iam").get_user(UserName="from-stack")
    both.client("cloudformation").delete_stack(StackName="s")
