"""Sessions that STS refuses.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (DurationSeconds). The message about
chained roles: https://github.com/99designs/aws-vault/issues/263.
"""

import re
from typing import Any

from localaws.call import current_call
from localaws.errors import AwsError
from localaws.iam.policy import Policy, PolicyError

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", re.ASCII)
DEFAULT = 3600
CHAINED = 3600


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a session of a role that does not exist, or one that lasts longer than the role allows.

    Raises:
        AwsError: AccessDenied, ValidationError or MalformedPolicyDocument.
    """
    if not operation.startswith("AssumeRole"):
        return
    from moto.iam.models import iam_backends

    arn, account = given["RoleArn"], response.current_account
    if not _ROLE.fullmatch(arn):
        raise AwsError("ValidationError", f"{arn} is invalid")
    roles = list(iam_backends[account]["aws"].roles.values())
    role = next((one for one in roles if one.arn == arn), None)
    caller = current_call.get().principal
    if role is None and arn.split(":")[4:5] == [account]:
        message = f"User: {caller} is not authorized to perform: sts:{operation} on resource: {arn}"
        raise AwsError("AccessDenied", message, 403)
    duration = given.get("DurationSeconds") or DEFAULT
    if operation == "AssumeRole" and ":assumed-role/" in caller and duration > CHAINED:
        limit = "exceeds the 1 hour session limit for roles assumed by role chaining"
        raise AwsError("ValidationError", f"The requested DurationSeconds {limit}")
    if role is not None and duration > int(role.max_session_duration or DEFAULT):
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise AwsError("ValidationError", message)
    if "Policy" in given:
        try:
            Policy.parse("session policy", given["Policy"])
        except PolicyError as error:
            raise AwsError("MalformedPolicyDocument", f"The session policy is not valid. {error}") from None
