"""Policies on resources: localaws refuses unknown principals, other buckets, and lock-outs from a key, as AWS does."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

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
