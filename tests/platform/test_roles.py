"""A role on localaws: one policy and nothing else, whoever made it before."""

from collections.abc import Callable
from typing import Any

from mlflow_platform.localaws_client import SESSION
from mlflow_platform.roles import make_role

POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'


def test_a_role_is_made_once_and_taken_up_by_name(aws: Callable[[str], Any]) -> None:
    iam, sts = aws("iam"), aws("sts")
    policy = iam.create_policy(PolicyName="writer", PolicyDocument=POLICY)["Policy"]["Arn"]
    first = make_role(iam, sts, "demo", policy)
    again = make_role(iam, sts, "demo", policy)
    assert first.arn == again.arn == "arn:aws:iam::123456789012:role/demo"
    attached = iam.list_attached_role_policies(RoleName="demo")["AttachedPolicies"]
    assert [one["PolicyArn"] for one in attached] == [policy]
    one, other = again.session("log_run"), again.session("log_run")
    assert tuple(one) == SESSION
    assert one["AWS_SESSION_TOKEN"] != other["AWS_SESSION_TOKEN"]
