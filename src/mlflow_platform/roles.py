"""Roles on localaws that have only one of the mlflow module's sets of client permissions."""

from __future__ import annotations

import json
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from mlflow_common.arns import account_of
from mlflow_common.errors import PreconditionError
from mlflow_platform.localaws_client import CONTROL_HEADERS, SESSION, localaws_home, use_localaws

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts import STSClient

# The permission levels that can run the whole demo. A reader cannot log a run.
DEMO_LEVELS = ("writer", "admin")


@dataclass(frozen=True)
class Role:
    """A role that the account's users may assume."""

    arn: str
    sts: STSClient

    def session(self, name: str) -> dict[str, str]:
        """Assume the role for an hour. Returns the variables that AWS clients read; the call log shows the name."""
        found = self.sts.assume_role(RoleArn=self.arn, RoleSessionName=name)["Credentials"]
        keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
        return dict(zip(SESSION, keys, strict=True))


def become_administrator(environ: MutableMapping[str, str]) -> None:
    """Point `environ` at localaws as its administrator, and check that it enforces IAM policies.

    Raises:
        PreconditionError: localaws is not running, or does not enforce policies.
    """
    environ.pop("AWS_SESSION_TOKEN", None)
    use_localaws(localaws_home(environ), environ)
    health = Request(f"{environ['AWS_ENDPOINT_URL']}/_localaws/health", headers=CONTROL_HEADERS)  # noqa: S310 as in use_localaws
    with urlopen(health, timeout=5) as answer:  # noqa: S310 as in use_localaws
        enforces = json.load(answer).get("enforces_iam")
    if not enforces:
        raise PreconditionError(
            "the running localaws does not enforce IAM policies, so a role would prove nothing. Stop it with "
            "`make local-down`, then run this command again."
        )


def make_role(iam: IAMClient, sts: STSClient, name: str, policy_arns: Sequence[str]) -> Role:
    """Create a role with these managed policies and nothing else; a role of that name that exists is used."""
    account = account_of(policy_arns[0])
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    for arn in policy_arns:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    return Role(f"arn:aws:iam::{account}:role/{name}", sts)
