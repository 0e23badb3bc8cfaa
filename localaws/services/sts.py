"""STS: a session remembers its session policies. moto keeps its inline policy and forgets its managed ones.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (Policy, PolicyArns)
"""

from functools import wraps
from typing import Any

from localaws.moto_methods import original
from localaws.services.context import ServiceContext


def install(_context: ServiceContext) -> None:
    """Changes moto's STS."""
    from moto.sts.responses import TokenResponse

    for name in ("assume_role", "assume_role_with_web_identity"):
        setattr(TokenResponse, name, _keeping(original(getattr(TokenResponse, name))))


def _keeping(assume: Any) -> Any:
    @wraps(assume)
    def keep(self: Any) -> Any:
        answer = assume(self)
        session = answer.result["Credentials"]
        session.policy_arns = [given["arn"] for given in self._get_param("PolicyArns") or []]
        return answer

    return keep
