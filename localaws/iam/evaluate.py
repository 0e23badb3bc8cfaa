"""Evaluates policies as AWS does, without AWS Organizations policies.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
"""

from collections.abc import Iterable
from dataclasses import dataclass

from localaws.iam.policy import Naming, Policy
from localaws.iam.request import Request

IDENTITY = "identity-based policy"
RESOURCE = "resource-based policy"
BOUNDARY = "permissions boundary"
SESSION = "session policy"


@dataclass(frozen=True)
class Policies:
    """The policies that apply to a request.

    Attributes:
        identity: the principal's identity-based policies, including those of its groups.
        boundary: the principal's permissions boundary.
        resource: the policy on the resource.
        resource_decides: the resource is a KMS key or a role, so its own policy must allow access. Identity-based
            policies of the account apply only if that policy names the account.
        session: the policies that were given when the role was assumed; None if there were none. They only limit.
    """

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    resource: Policy | None = None
    resource_decides: bool = False
    session: tuple[Policy, ...] | None = None


@dataclass(frozen=True)
class Decision:
    """The result of an evaluation.

    Attributes:
        explicit: a Deny statement matched. Otherwise a denial is implicit: no statement allowed the request.
        kind: the kind of policy that denied the request.
        statements: `policy/sid` of the statements that caused the decision.
    """

    allowed: bool
    explicit: bool = False
    kind: str = ""
    statements: tuple[str, ...] = ()

    def message(self, request: Request) -> str:
        """The message that AWS returns for a denied request.

        Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
        """
        article = "an" if self.kind == IDENTITY else "a"
        because = (
            f"with an explicit deny in {article} {self.kind}"
            if self.explicit
            else f"because no {self.kind} allows the {request.action} action"
        )
        return (
            f"User: {request.principal.arn} is not authorized to perform: {request.action} "
            f"on resource: {request.resource} {because}"
        )


def evaluate(request: Request, policies: Policies) -> Decision:
    """Evaluates one request."""
    denial = _denied(request, policies)
    if denial:
        return denial
    naming, by_resource = _granted_by_resource(request, policies.resource)
    if request.principal.is_service:
        return Decision(True, statements=by_resource) if naming else Decision(False, kind=RESOURCE)

    same_account = request.principal.account == request.account
    # An Allow that names the caller directly is sufficient in the same account: the request needs no Allow in an
    # identity-based policy, in the boundary or in a session policy.
    if same_account and naming is Naming.CALLER:
        return Decision(True, statements=by_resource)
    session = _granted(request, policies.session or ())
    if policies.session is not None and not session:
        return Decision(False, kind=SESSION)
    boundary = _granted(request, [policies.boundary] if policies.boundary else [])
    if policies.boundary and not boundary:
        return Decision(False, kind=BOUNDARY)
    if same_account and naming is Naming.ROLE:
        return Decision(True, statements=by_resource + boundary + session)
    if not naming and (policies.resource_decides or not same_account):
        return Decision(False, kind=RESOURCE)
    identity = _granted(request, policies.identity)
    if not identity:
        return Decision(False, kind=IDENTITY)
    counts = by_resource if policies.resource_decides or not same_account else ()
    return Decision(True, statements=identity + boundary + session + counts)


def _denied(request: Request, policies: Policies) -> Decision | None:
    found: list[tuple[str, str]] = []
    for policy in policies.identity:
        found += [(IDENTITY, name) for name in _applying(request, policy, allows=False)]
    if policies.resource:
        found += [
            (RESOURCE, f"{policies.resource.name}/{statement.sid}")
            for statement in policies.resource.statements
            if not statement.allows and statement.names(request.principal) and statement.applies(request)
        ]
    if policies.boundary:
        found += [(BOUNDARY, name) for name in _applying(request, policies.boundary, allows=False)]
    for policy in policies.session or ():
        found += [(SESSION, name) for name in _applying(request, policy, allows=False)]
    if not found:
        return None
    return Decision(False, explicit=True, kind=found[0][0], statements=tuple(name for _, name in found))


def _granted(request: Request, policies: Iterable[Policy]) -> tuple[str, ...]:
    return tuple(name for policy in policies for name in _applying(request, policy, allows=True))


def _granted_by_resource(request: Request, policy: Policy | None) -> tuple[Naming, tuple[str, ...]]:
    closest, applying = Naming.NONE, []
    for statement in policy.statements if policy else ():
        naming = statement.names(request.principal) if statement.allows else Naming.NONE
        if naming and statement.applies(request):
            closest = max(closest, naming)
            applying.append(f"{policy.name}/{statement.sid}" if policy else "")
    return closest, tuple(applying)


def _applying(request: Request, policy: Policy, *, allows: bool) -> list[str]:
    return [
        f"{policy.name}/{statement.sid}"
        for statement in policy.statements
        if statement.allows is allows and statement.applies(request)
    ]
