"""Whether a service may assume a role: evaluates its trust policy with the condition keys that AWS sends.

AWS checks this when the role is passed to the service, and again whenever the service starts a session. Each service
returns its own error.
Source of the condition keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html and the page
"cross-service confused deputy prevention" of each service.
"""

from dataclasses import dataclass

from localaws.errors import AwsError
from localaws.iam.evaluate import evaluate
from localaws.iam.moto_policy_store import MotoPolicyStore
from localaws.iam.permission import RequiredPermission
from localaws.iam.policy import PolicyError
from localaws.iam.request import Principal, Request


@dataclass(frozen=True)
class Service:
    """A service that assumes roles of its users.

    Attributes:
        principal: the service principal in trust policies, such as `sagemaker.amazonaws.com`.
        code: the error code for a role that it cannot assume.
        message: the error message. `{role}` is replaced with the role's ARN.
    """

    principal: str
    code: str
    message: str


def sagemaker_source(region: str, account: str) -> str:
    """The `aws:SourceArn` that SageMaker sends when it assumes a role. The `*` is a literal character, not a wildcard.

    AWS sends this value for endpoints. For tracking servers it documents no value, only this form for all of SageMaker.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
    """
    return f"arn:aws:sagemaker:{region}:{account}:*"


def check_trust(policy_store: MotoPolicyStore, role_arn: str, service: Service, source_arn: str) -> None:
    """Rejects a role that does not exist or does not trust the service.

    Args:
        policy_store: reads policies from moto.
        role_arn: the role's ARN.
        service: the service that assumes the role.
        source_arn: the value of `aws:SourceArn`. Its account is the value of `aws:SourceAccount`.

    Raises:
        AwsError: the service's own error, or MalformedPolicyDocument for a trust policy that moto accepts but AWS
            rejects.
    """
    context = {"aws:SourceAccount": source_arn.split(":")[4], "aws:SourceArn": source_arn}
    permission = RequiredPermission("sts:AssumeRole", role_arn, policy_store.account)
    request = Request(Principal(service.principal), permission.action, role_arn, policy_store.account, context)
    try:
        decision = evaluate(request, policy_store.policies(request.principal, permission))
    except PolicyError as error:
        raise AwsError("MalformedPolicyDocument", f"localaws cannot read a policy. {error}", 400) from None
    if not decision.allowed:
        raise AwsError(service.code, service.message.format(role=role_arn), 400)
