"""The guard at localaws's front: works out what each call needs, notes it for the call log, and may refuse it."""

from datetime import UTC, datetime

from localaws.call import Call
from localaws.errors import AwsError
from localaws.iam.evaluate import evaluate
from localaws.iam.needs import Keys, Need, needs_of
from localaws.iam.policy import PolicyError
from localaws.iam.request import Principal, Request
from localaws.iam.standing import Standing

# localaws listens on the loopback address only, where nobody listens in: its plain HTTP stands for the TLS that a
# client would speak with AWS. With this header a call says otherwise, so that a policy's TLS statement can be tried:
# "none", or a version such as "1.1".
TLS_HEADER = "x-localaws-tls"
TLS_VERSION = "1.3"


class Guard:
    """Called with every signed call, after its signature was checked."""

    def __init__(self, standing: Standing, *, enforces: bool) -> None:
        self._standing = standing
        self._enforces = enforces

    def __call__(self, call: Call) -> None:
        """Puts what the call needs into `call.notes["iam"]`.

        Raises:
            AwsError: the policies deny something that the call needs, and the guard enforces them.
        """
        if call.principal == "anonymous":
            return
        principal = self._standing.principal(call.principal)
        needs = [(need, self._context(call, need, principal)) for need in needs_of(call, self._standing)]
        call.notes["iam"] = [
            {"action": need.action, "resource": need.resource, "context": context} for need, context in needs
        ]
        if self._enforces:
            for need, context in needs:
                self._decide(call, Request(principal, need.action, need.resource, need.account, context), need)

    def _decide(self, call: Call, request: Request, need: Need) -> None:
        try:
            decision = evaluate(request, self._standing.policies(request.principal, need))
        except PolicyError as error:
            raise AwsError("MalformedPolicyDocument", f"localaws cannot read a policy. {error}", 400) from None
        if not decision.allowed:
            raise AwsError(_code(call), decision.message(request), 403)

    def _context(self, call: Call, need: Need, principal: Principal) -> Keys:
        now = datetime.now(UTC)
        tls = call.headers.get(TLS_HEADER, TLS_VERSION)
        context: Keys = {
            "aws:CurrentTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "aws:EpochTime": str(int(now.timestamp())),
            "aws:PrincipalAccount": principal.account,
            "aws:PrincipalArn": principal.entity,
            "aws:PrincipalIsAWSService": "false",
            "aws:PrincipalType": "AssumedRole" if principal.is_session else "User",
            "aws:RequestedRegion": call.region,
            "aws:ResourceAccount": need.account,
            "aws:SecureTransport": "false" if tls == "none" else "true",
            "aws:ViaAWSService": "false",
        }
        if not principal.is_session:
            context["aws:username"] = principal.arn.rsplit("/", 1)[-1]
        if need.action.startswith("s3:"):
            context["s3:ResourceAccount"] = need.account
            if tls != "none":
                context["s3:TlsVersion"] = tls
        return context | need.context


def _code(call: Call) -> str:
    """S3 and the query services have a code of their own; so have tracking calls, whose status is what counts."""
    return "AccessDenied" if call.protocol in ("rest-xml", "query", "ec2") else "AccessDeniedException"
