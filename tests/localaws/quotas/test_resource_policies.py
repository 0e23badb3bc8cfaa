"""Policies: localaws refuses wrong grammar, unknown principals, other buckets and lock-outs from a key, as AWS does."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.iam import service_principals
from tests.support.running import TRUST, RunningLocalAws

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
BUCKET = "policy-bucket"
ROOT = f"{IAM}:root"


def document(principal: Any, *, action: str = "s3:GetObject", resource: str | None = None, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    if resource:
        statement["Resource"] = resource
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture(scope="module")
def known(localaws: RunningLocalAws) -> str:
    """The ARN of a role with a path."""
    iam = localaws.client("iam")
    made = iam.create_role(RoleName="policy-known", Path="/team/", AssumeRolePolicyDocument=json.dumps(TRUST))
    localaws.client("s3").create_bucket(Bucket=BUCKET)
    localaws.client("s3").delete_public_access_block(Bucket=BUCKET)
    return str(made["Role"]["Arn"])


# How a policy with a principal is given to a resource of each service, and the code of the error.
Put = Callable[[RunningLocalAws, Any], Any]
PUT: dict[str, tuple[Put, str]] = {
    "s3": (
        lambda localaws, principal: localaws.client("s3").put_bucket_policy(
            Bucket=BUCKET, Policy=document(principal, resource=f"arn:aws:s3:::{BUCKET}/*")
        ),
        "MalformedPolicy",
    ),
    "kms": (
        lambda localaws, principal: localaws.client("kms").create_key(
            Policy=document(principal, action="kms:*", resource="*"), BypassPolicyLockoutSafetyCheck=True
        ),
        "MalformedPolicyDocumentException",
    ),
    "iam": (
        lambda localaws, principal: localaws.client("iam").update_assume_role_policy(
            RoleName="policy-known", PolicyDocument=document(principal, action="sts:AssumeRole")
        ),
        "MalformedPolicyDocument",
    ),
}


def refused(action: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        action()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize("service", PUT)
@pytest.mark.parametrize(
    "name",
    [
        f"{IAM}:role/policy-absent",
        f"{IAM}:role/policy-known",
        f"{IAM}:role/team/*",
        f"{IAM}:user/policy-absent",
        "arn:aws-cn:iam::123456789012:root",
        "AROAABSENTABSENTABSEN",
        "policy-known",
    ],
    ids=["a missing role", "a path left out", "a pattern", "a missing user", "another partition", "an id", "a name"],
)
def test_a_principal_that_does_not_exist_is_refused(
    localaws: RunningLocalAws, known: str, service: str, name: str
) -> None:
    put, code = PUT[service]
    found, message = refused(lambda: put(localaws, {"AWS": [known, name]}))
    assert (found, "principal" in message) == (code, True)


@pytest.mark.parametrize("service", PUT)
@pytest.mark.parametrize("name", ["sagemaker", "sagemakr.amazonaws.com", "stepfunctions.amazonaws.com"])
def test_a_service_principal_that_does_not_exist_is_refused(
    localaws: RunningLocalAws, known: str, service: str, name: str
) -> None:
    put, code = PUT[service]
    found, message = refused(lambda: put(localaws, {"AWS": known, "Service": [name]}))
    assert (found, "principal" in message) == (code, True)


@pytest.mark.parametrize(
    "name",
    [
        "states.amazonaws.com",
        "logs.us-east-1.amazonaws.com",
        "delivery.logs.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
        "ec2.amazonaws.com.cn",
        "elasticloadbalancing.amazonaws.com",
        "osis-pipelines.amazonaws.com",  # Not in botocore.
        "alexa-appkit.amazon.com",
        "service.aws.internal",
    ],
)
def test_service_principals_that_exist(name: str) -> None:
    assert service_principals.exists(name)


@pytest.mark.parametrize(
    "name",
    ["sagemaker", "sagemakr.amazonaws.com", "lamdba.amazonaws.com", "sagemakers.amazonaws.com",
     "stepfunctions.amazonaws.com", "lambda.amazonaws.org", "Lambda.amazonaws.com", ".aws.internal"],
)  # fmt: skip
def test_service_principals_that_cannot_exist(name: str) -> None:
    assert not service_principals.exists(name)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Action": None}, "Missing required field Action"),
        ({"Action": "s3:GetObject"}, "only specify STS"),
        ({"Resource": "*"}, "Has prohibited field Resource"),
        ({"Effect": "allow"}, "Invalid effect"),
        ({"Efect": "Allow"}, "not known"),
        ({"Principal": {"Federated": f"{IAM}:oidc"}}, "Federated principals"),
        ({"Sid": "a b"}, "alpha-numeric"),
    ],
)
def test_a_trust_policy_that_iam_refuses(localaws: RunningLocalAws, changed: dict[str, Any], message: str) -> None:
    statement = {**TRUST["Statement"][0], **changed}  # type: ignore[dict-item]
    policy = json.dumps({**TRUST, "Statement": [{name: value for name, value in statement.items() if value}]})
    iam = localaws.client("iam")
    found = refused(lambda: iam.create_role(RoleName="policy-refused", AssumeRolePolicyDocument=policy))
    assert (found[0], message in found[1]) == ("MalformedPolicyDocument", True)


@pytest.mark.parametrize("more", [{"Version": "2012-10-18"}, {"Statement": []}, {"Statement": 2 * [{"Sid": "a"}]}])
def test_a_trust_policy_is_complete(localaws: RunningLocalAws, more: dict[str, Any]) -> None:
    statements = [{**TRUST["Statement"][0], **one} for one in more.get("Statement", [{}])]  # type: ignore[dict-item]
    policy = json.dumps({**TRUST, **more, "Statement": statements})
    iam = localaws.client("iam")
    found, _ = refused(lambda: iam.create_role(RoleName="policy-refused", AssumeRolePolicyDocument=policy))
    assert found == "MalformedPolicyDocument"


@pytest.mark.parametrize("service", PUT)
def test_principals_that_exist_and_those_of_other_accounts_are_accepted(
    localaws: RunningLocalAws, known: str, service: str
) -> None:
    put, _ = PUT[service]
    for name in (known, ROOT, ACCOUNT, "arn:aws:iam::210987654321:role/theirs", f"{IAM}:user/localaws"):
        put(localaws, {"AWS": name})
    put(localaws, {"Service": "sagemaker.amazonaws.com"})


@pytest.mark.usefixtures("known")
def test_a_bucket_policy_names_a_principal_and_its_own_bucket_only(localaws: RunningLocalAws) -> None:
    s3 = localaws.client("s3")
    for resource in ("arn:aws:s3:::another/*", "*", f"arn:aws-cn:s3:::{BUCKET}"):
        policy = document("*", resource=resource)
        assert refused(lambda policy=policy: s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)) == (  # type: ignore[misc]
            "MalformedPolicy",
            "Policy has invalid resource",
        )
    without = json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}"}]})
    assert refused(lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy=without))[1].startswith("Missing required field")
    everything = document("*")
    found = refused(lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy=everything))
    assert found == ("MalformedPolicy", "Statement is missing required element")
    assert refused(lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy="[]"))[0] == "MalformedPolicy"


def test_a_key_policy_may_not_lock_its_caller_out(localaws: RunningLocalAws, known: str) -> None:
    kms = localaws.client("kms")
    theirs = document({"AWS": known}, action="kms:*", resource="*")
    message = "The new key policy will not allow you to update the key policy in the future."
    expected = ("MalformedPolicyDocumentException", message)
    assert refused(lambda: kms.create_key(Policy=theirs)) == expected
    # The conditions see the caller's account and the request.
    own = {"StringEquals": {"kms:CallerAccount": ACCOUNT}, "Bool": {"aws:SecureTransport": "true"}}
    policy = document({"AWS": ROOT}, action="kms:*", resource="*", Condition=own)
    key = kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"]
    assert refused(lambda: kms.put_key_policy(KeyId=key, PolicyName="default", Policy=theirs)) == expected
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=theirs, BypassPolicyLockoutSafetyCheck=True)


def test_a_key_policy_that_leaves_it_to_the_account_needs_the_callers_own_right(localaws: RunningLocalAws) -> None:
    iam = localaws.client("iam")
    iam.create_user(UserName="policy-creator")
    given = iam.create_access_key(UserName="policy-creator")["AccessKey"]
    keys = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"]}
    kms, policy = localaws.client("kms", **keys), document({"AWS": ROOT}, action="kms:*", resource="*")

    def allow(*actions: str) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="policy-creator", PolicyName="own", PolicyDocument=text)

    allow("kms:CreateKey")
    assert refused(lambda: kms.create_key(Policy=policy))[0] == "MalformedPolicyDocumentException"
    allow("kms:CreateKey", "kms:PutKeyPolicy")
    kms.create_key(Policy=policy)


@pytest.fixture(scope="module")
def queue(localaws: RunningLocalAws) -> str:
    return str(localaws.client("sqs").create_queue(QueueName="policy-queue")["QueueUrl"])


@pytest.fixture(scope="module")
def topic(localaws: RunningLocalAws) -> str:
    return str(localaws.client("sns").create_topic(Name="policy-topic")["TopicArn"])


MISTAKES = {
    "effect": {"Effect": "deny"},
    "operator": {"Condition": {"StringEqual": {"aws:SourceAccount": ACCOUNT}}},
    "element": {"Principle": "*"},
    "action": {"Action": "ec2:RunInstances"},
    "principal": {"principal": {"AWS": f"{IAM}:role/policy-unknown"}},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_policy_that_would_not_apply_is_refused(
    localaws: RunningLocalAws, known: str, queue: str, topic: str, mistake: str
) -> None:
    sqs, sns, s3 = localaws.client("sqs"), localaws.client("sns"), localaws.client("s3")

    def made(action: str, resource: str, **more: Any) -> str:
        return document(**{"principal": "*", "action": action, "resource": resource, **more})

    def put(**more: Any) -> list[Callable[[], Any]]:
        queued = made("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:policy-queue", **more)
        published = made("sns:Publish", topic, **more)
        stored = made("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", **more)
        return [
            lambda: sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": queued}),
            lambda: sqs.create_queue(QueueName="policy-other", Attributes={"Policy": queued}),
            lambda: sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=published),
            lambda: sns.create_topic(Name="policy-other", Attributes={"Policy": published}),
            lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy=stored),
        ]

    for right in put():
        right()
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="policy-other")["QueueUrl"])
    codes = [refused(wrong)[0] for wrong in put(**MISTAKES[mistake])]
    assert codes == [*2 * ["InvalidAttributeValue"], *2 * ["InvalidParameter"], "MalformedPolicy"]


def test_a_policy_of_an_identity_has_no_principal_and_alphanumeric_sids(localaws: RunningLocalAws, known: str) -> None:
    iam = localaws.client("iam")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    for more, message in (
        ({"Principal": "*"}, "Policy document should not specify a principal."),
        ({"Sid": "Deny all"}, "Statement IDs (SID) must be alpha-numeric."),
        ({"Condition": {"NullIfExists": {"aws:username": "true"}}}, "NullIfExists"),
    ):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **more}]})
        for action in (
            lambda policy=policy: iam.put_role_policy(RoleName="policy-known", PolicyName="p", PolicyDocument=policy),
            lambda policy=policy: iam.create_policy(PolicyName="policy-p", PolicyDocument=policy),
        ):
            code, found = refused(action)
            assert code == "MalformedPolicyDocument"
            assert message in found


@pytest.mark.parametrize("more", [{"Sid": "a b"}, {"Principal": {"Aws": "*"}}, {"Principal": {}}])
def test_a_trust_policy_that_breaks_the_grammar_is_refused(
    localaws: RunningLocalAws, known: str, more: dict[str, Any]
) -> None:
    policy = document("*", **{"action": "sts:AssumeRole", **more})
    iam = localaws.client("iam")
    code, _ = refused(lambda: iam.update_assume_role_policy(RoleName="policy-known", PolicyDocument=policy))
    assert code == "MalformedPolicyDocument"
