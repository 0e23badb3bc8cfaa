"""IAM refuses to delete what is in use and to create what exists; STS refuses sessions that the role does not allow."""

import json
from typing import Any

import pytest

from tests.support.refused import code
from tests.support.running import EVERYTHING, TRUST, RunningLocalAws

POLICY = json.dumps(EVERYTHING)


@pytest.fixture(scope="module")
def iam(localaws: RunningLocalAws) -> Any:
    return localaws.client("iam")


def test_a_policy_in_use_is_not_deleted(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="in-use", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.create_role(RoleName="in-use", AssumeRolePolicyDocument=json.dumps(TRUST))

    def refused() -> bool:
        return code(lambda: iam.delete_policy(PolicyArn=arn)) == "DeleteConflict"

    iam.attach_role_policy(RoleName="in-use", PolicyArn=arn)
    assert refused()
    iam.detach_role_policy(RoleName="in-use", PolicyArn=arn)
    iam.put_role_permissions_boundary(RoleName="in-use", PermissionsBoundary=arn)
    assert refused()
    iam.delete_role_permissions_boundary(RoleName="in-use")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY)
    assert refused()
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)


def test_a_user_with_keys_or_groups_is_not_deleted(iam: Any) -> None:
    iam.create_user(UserName="in-use")
    key = iam.create_access_key(UserName="in-use")["AccessKey"]["AccessKeyId"]
    assert code(lambda: iam.delete_user(UserName="in-use")) == "DeleteConflict"
    iam.delete_access_key(UserName="in-use", AccessKeyId=key)
    iam.create_group(GroupName="in-use")
    iam.add_user_to_group(GroupName="in-use", UserName="in-use")
    assert code(lambda: iam.delete_user(UserName="in-use")) == "DeleteConflict"
    iam.remove_user_from_group(GroupName="in-use", UserName="in-use")
    iam.delete_user(UserName="in-use")


def test_names_are_not_distinguished_by_case(iam: Any) -> None:
    iam.create_role(RoleName="in-case", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_policy(PolicyName="in-case", PolicyDocument=POLICY)
    for action in (
        lambda: iam.create_role(RoleName="In-Case", AssumeRolePolicyDocument=json.dumps(TRUST)),
        lambda: iam.create_policy(PolicyName="In-Case", PolicyDocument=POLICY),
        lambda: iam.create_policy(PolicyName="in-case", PolicyDocument=POLICY),
    ):
        assert code(action) == "EntityAlreadyExists"


def test_a_session_is_as_long_as_its_role_allows(localaws: RunningLocalAws, iam: Any) -> None:
    sts, account = localaws.client("sts"), localaws.settings.account
    trusted = {"AWS": f"arn:aws:iam::{account}:root"}
    document = {**TRUST, "Statement": [{"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="session", AssumeRolePolicyDocument=json.dumps(document), MaxSessionDuration=7200)
    iam.put_role_policy(RoleName="session", PolicyName="all", PolicyDocument=POLICY)
    role = {"RoleArn": f"arn:aws:iam::{account}:role/session", "RoleSessionName": "tests"}
    assert code(lambda: sts.assume_role(**role, DurationSeconds=7201)) == "ValidationError"
    assert code(lambda: sts.assume_role(**{**role, "RoleSessionName": "a b"})) == "ValidationError"
    assert code(lambda: sts.assume_role(**role, Policy="{")) == "MalformedPolicyDocument"
    assert code(lambda: sts.assume_role(**{**role, "RoleArn": f"{role['RoleArn']}-absent"})) == "AccessDenied"
    given = sts.assume_role(**role, DurationSeconds=7200)["Credentials"]
    keys = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"]}
    chained = localaws.client("sts", **keys, aws_session_token=given["SessionToken"])
    assert code(lambda: chained.assume_role(**role, DurationSeconds=3601)) == "ValidationError"
    chained.assume_role(**role, DurationSeconds=3600)
