"""The guard records the permissions that each authenticated call requires and, if enforcement is on, checks them."""

from dataclasses import replace
from datetime import UTC, datetime

from localaws.call import Call, CheckedPermission
from localaws.errors import AwsError
from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.moto_policy_store import MotoPolicyStore
from localaws.iam.permission import Keys, RequiredPermission
from localaws.iam.policy import PolicyError
from localaws.iam.request import Principal, Request
from localaws.iam.required_permissions import required_permissions

# localaws serves plain HTTP on the loopback address, and treats it as TLS 1.3 in policy conditions. A client can send
# this header to claim another version ("none", "1.1") and test a policy's TLS statement.
TLS_HEADER = "x-localaws-tls"
TLS_VERSION = "1.3"


class Guard:
    """Called for every authenticated call."""

    def __init__(self, policy_store: MotoPolicyStore, *, enforces: bool) -> None:
        self._policy_store = policy_store
        self._enforces = enforces

    def __call__(self, call: Call) -> None:
        """Sets `call.permissions`.

        Raises:
            AwsError: enforcement is on, and the policies deny a permission that the call requires.
        """
        if call.principal == "anonymous":
            return
        principal = self._policy_store.principal(call.principal)
        required = [
            (permission, self._context(call, permission, principal))
            for permission in required_permissions(call, self._policy_store)
        ]
        call.permissions = [
            CheckedPermission(permission.action, permission.resource, context) for permission, context in required
        ]
        if self._enforces:
            for permission, context in required:
                request = Request(principal, permission.action, permission.resource, permission.account, context)
                self._decide(call, request, permission)

    def require(self, principal: str, access_key: str, action: str, resource: str) -> None:
        """Check a permission that no call of an API asks for, such as git's.

        Args:
            principal: the ARN of the user or session.
            access_key: the key of its signature.

        Raises:
            AwsError: enforcement is on, and the policies deny it.
        """
        if not self._enforces:
            return
        found = self._policy_store.principal(principal)
        permission = RequiredPermission(action, resource, found.account, {})
        request = Request(found, action, resource, found.account, {"aws:PrincipalArn": found.entity})
        decision = evaluate(request, self._policies(access_key, request, permission))
        if not decision.allowed:
            raise AwsError("AccessDeniedException", decision.message(request), 403)

    def _decide(self, call: Call, request: Request, permission: RequiredPermission) -> None:
        try:
            decision = evaluate(request, self._policies(call.access_key, request, permission))
        except PolicyError as error:
            raise AwsError("MalformedPolicyDocument", f"localaws cannot read a policy. {error}", 400) from None
        if not decision.allowed:
            raise AwsError(_code(call), decision.message(request), 403)

    def _policies(self, access_key: str, request: Request, permission: RequiredPermission) -> Policies:
        found = self._policy_store.policies(request.principal, permission)
        return replace(found, session=self._policy_store.session_policies(access_key))

    def _context(self, call: Call, permission: RequiredPermission, principal: Principal) -> Keys:
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
            "aws:ResourceAccount": permission.account,
            "aws:SecureTransport": "false" if tls == "none" else "true",
            "aws:ViaAWSService": "false",
        }
        if not principal.is_session:
            context["aws:username"] = principal.arn.rsplit("/", 1)[-1]
        if permission.action.startswith("kms:"):
            context["kms:CallerAccount"] = principal.account
        if permission.action.startswith("s3:"):
            context["s3:ResourceAccount"] = permission.account
            if tls != "none":
                context["s3:TlsVersion"] = tls
        return context | permission.context


def _code(call: Call) -> str:
    """The error code of a denied call. S3 and the query services use another code than the JSON services."""
    return "AccessDenied" if call.protocol in ("rest-xml", "query", "ec2") else "AccessDeniedException"
