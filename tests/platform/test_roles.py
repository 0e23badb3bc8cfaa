"""A role on localaws that has the given policies and nothing else."""

from collections.abc import Callable
from typing import Any

from mlflow_platform.localaws_client import SESSION
from mlflow_platform.roles import make_role

POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'


def test_make_role_is_idempotent_and_attaches_every_policy(aws: Callable[[str], Any]) -> None:
    iam, sts = aws("iam"), aws("sts")
    policies = [
        iam.create_policy(PolicyName=name, PolicyDocument=POLICY)["Policy"]["Arn"] for name in ("artifacts", "writer")
    ]
    first = make_role(iam, sts, "demo", policies)
    again = make_role(iam, sts, "demo", policies)
    assert first.arn == again.arn == "arn:aws:iam::123456789012:role/demo"
    attached = iam.list_attached_role_policies(RoleName="demo")["AttachedPolicies"]
    assert sorted(one["PolicyArn"] for one in attached) == policies
    one, other = again.session("log_run"), again.session("log_run")
    assert tuple(one) == SESSION
    assert one["AWS_SESSION_TOKEN"] != other["AWS_SESSION_TOKEN"]
