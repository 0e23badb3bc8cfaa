"""An authorization request: principal, action, resource and condition keys."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from localaws.iam.matching import Context

SESSION = re.compile(r"arn:([^:]+):sts::(\d{12}):assumed-role/([^/]+)/(.+)")


@dataclass(frozen=True)
class Principal:
    """An IAM user or role session by its ARN, or a service by its host name.

    Attributes:
        role: the ARN of the session's role. If it is empty, `entity` derives it from the session's ARN, which does not
            contain the role's path.
    """

    arn: str
    role: str = ""

    @property
    def is_service(self) -> bool:
        """Whether it is a service, such as `sagemaker.amazonaws.com`."""
        return not self.arn.startswith("arn:")

    @property
    def account(self) -> str:
        """The account, or an empty string for a service."""
        return "" if self.is_service else self.arn.split(":")[4]

    @cached_property
    def entity(self) -> str:
        """The ARN of the IAM entity: the user, or the session's role. It is what `aws:PrincipalArn` holds."""
        session = SESSION.fullmatch(self.arn)
        return (self.role or f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}") if session else self.arn

    @property
    def is_session(self) -> bool:
        """Whether it is a session of an assumed role."""
        return SESSION.fullmatch(self.arn) is not None


@dataclass(frozen=True)
class Request:
    """One IAM action on one resource.

    Attributes:
        account: the account that owns the resource.
        context: condition keys and their value or values.
    """

    principal: Principal
    action: str
    resource: str
    account: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @cached_property
    def keys(self) -> Context:
        """The context with its keys in lower case, because condition keys are case-insensitive."""
        return {
            key.lower(): (values,) if isinstance(values, str) else tuple(values) for key, values in self.context.items()
        }
