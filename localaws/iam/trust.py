"""Whether a service may assume a role: evaluates its trust policy with the condition keys that AWS sends.

AWS judges that where the role is handed over, and again at every session that a service begins: each service refuses
with an error of its own.
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
    """A service that takes up its users' roles.

    Attributes:
        principal: its host name, as trust policies name it.
        code: of the error that refuses a role.
        message: the error's sentence; `{role}` stands for the role's ARN.
    """

    principal: str
    code: str
    message: str


def sagemaker_source(region: str, account: str) -> str:
    """What SageMaker says it takes a role up for. The star is no wildcard: it is what AWS sends for endpoints.

    For tracking servers AWS documents no value, and this form for SageMaker as a whole.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
    """
    return f"arn:aws:sagemaker:{region}:{account}:*"


def check_trust(policy_store: MotoPolicyStore, role_arn: str, service: Service, source_arn: str) -> None:
    """Refuses a role that is not there or does not trust the service.

    Args:
        policy_store: reads policies from moto.
        role_arn: the role's ARN.
        service: who wants to take it up.
        source_arn: the resource that the service says it does so for, `aws:SourceArn`; its account is
            `aws:SourceAccount`.

    Raises:
        AwsError: the service's own; MalformedPolicyDocument for a trust policy that moto took and AWS would not.
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
