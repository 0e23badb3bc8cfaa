"""The evaluation logic when several kinds of policies apply to a request."""

from typing import Any

import pytest

from localaws.iam import evaluate as evaluation
from localaws.iam.evaluate import BOUNDARY, IDENTITY, RESOURCE, Decision, Policies, evaluate
from localaws.iam.policy import Policy, PolicyError
from localaws.iam.request import Principal, Request

US, THEM = "111111111111", "222222222222"
ANN = f"arn:aws:iam::{US}:user/ann"
ROLE = f"arn:aws:iam::{US}:role/job"
SESSION = f"arn:aws:sts::{US}:assumed-role/job/now"
OBJECT = "arn:aws:s3:::data/a/b.csv"


def statement(effect: str = "Allow", action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> Policy:
    return Policy.parse("p", {"Version": version, "Statement": list(statements)})


def decide(
    policies: Policies,
    *,
    principal: str = ANN,
    action: str = "s3:GetObject",
    resource: str = OBJECT,
    account: str = US,
    **context: str,
) -> Decision:
    keys = {name.replace("__", ":"): value for name, value in context.items()}
    return evaluate(Request(Principal(principal), action, resource, account, keys), policies)


def of(*statements: dict[str, Any]) -> Policies:
    return Policies(identity=(policy(*statements),))


def test_denies_by_default() -> None:
    assert decide(Policies()) == Decision(False, kind=IDENTITY)


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (statement(), True),
        (statement(action="S3:getobject"), True),
        (statement(action="s3:Get*"), True),
        (statement(action="s3:Get?bject"), True),
        (statement(action=["s3:PutObject", "*"]), True),
        (statement(action="s3:PutObject"), False),
        (statement(resource="arn:aws:s3:::data/*"), True),
        (statement(resource="arn:aws:s3:::DATA/*"), False),
        (statement(resource="arn:aws:s3:::data"), False),
        (statement(resource="arn:*:::data/a/b.csv"), False),
        ({"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::other/*"}, True),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:*"}, True),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:sagemaker:*"}, False),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:*"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::data/*"}, False),
    ],
)
def test_action_and_resource_must_match(given: dict[str, Any], allowed: bool) -> None:
    assert decide(of(given)).allowed is allowed


def test_all_conditions_of_a_statement_must_hold() -> None:
    both = {"StringEquals": {"aws:a": "1"}, "StringLike": {"aws:b": "2*", "aws:c": "3"}}
    given = of(statement(Condition=both))
    assert decide(given, aws__A="1", aws__B="22", aws__C="3").allowed
    assert not decide(given, aws__A="1", aws__B="22").allowed


def test_policy_variables_require_version_2012_10_17() -> None:
    home = statement(resource="arn:aws:s3:::data/${aws:username}/*")
    assert decide(of(home), aws__username="a").allowed
    old = Policies(identity=(policy(home, version="2008-10-17"),))
    assert not decide(old, aws__username="a").allowed


@pytest.mark.parametrize("where", ["identity", "boundary", "resource"])
def test_explicit_deny_overrides_allow_in_every_kind_of_policy(where: str) -> None:
    allow, deny = policy(statement()), policy(statement(), statement("Deny", Principal="*"))
    decision = decide(
        Policies(
            identity=(allow, deny) if where == "identity" else (allow,),
            boundary=deny if where == "boundary" else allow,
            resource=deny if where == "resource" else None,
        )
    )
    kinds = {"identity": IDENTITY, "boundary": BOUNDARY, "resource": RESOURCE}
    assert (decision.allowed, decision.explicit, decision.kind) == (False, True, kinds[where])


def test_session_policies_limit_a_session_and_grant_nothing() -> None:
    wide, narrow, other = (policy(statement(action=action)) for action in ("*", "logs:*", "s3:Get*"))
    denies = policy(statement("Deny"), statement(action="*"))
    assert decide(Policies(identity=(wide,), session=(narrow,))) == Decision(False, kind=evaluation.SESSION)
    assert decide(Policies(identity=(wide,), session=())) == Decision(False, kind=evaluation.SESSION)
    assert decide(Policies(identity=(wide,), session=(narrow, other))).allowed
    assert decide(Policies(identity=(narrow,), session=(wide,))) == Decision(False, kind=IDENTITY)
    assert decide(Policies(identity=(wide,), session=(denies,))).kind == evaluation.SESSION
    assert decide(Policies(identity=(wide,), boundary=narrow, session=(wide,))).kind == BOUNDARY


@pytest.mark.parametrize(("named", "allowed"), [("role", False), ("session", True)])
def test_a_resource_policy_must_name_the_session_to_grant_more_than_its_session_policies(
    named: str, allowed: bool
) -> None:
    bucket = policy(statement(Principal={"AWS": {"role": ROLE, "session": SESSION}[named]}))
    policies = Policies(session=(policy(statement(action="logs:*")),), resource=bucket)
    assert decide(policies, principal=SESSION).allowed is allowed


def test_boundary_limits_identity_policies() -> None:
    wide, narrow = policy(statement(action="*")), policy(statement(action="logs:*"))
    assert decide(Policies(identity=(wide,), boundary=narrow)) == Decision(False, kind=BOUNDARY)
    assert decide(Policies(identity=(wide,), boundary=wide)).allowed
    assert decide(Policies(identity=(), boundary=wide)) == Decision(False, kind=IDENTITY)


@pytest.mark.parametrize(
    ("principal", "named", "bounded", "allowed"),
    [
        (ANN, {"AWS": ANN}, True, True),
        (ANN, "*", True, True),
        (ANN, {"AWS": f"arn:aws:iam::{US}:root"}, False, False),
        (ANN, {"AWS": US}, False, False),
        (ANN, {"AWS": SESSION}, False, False),
        (SESSION, {"AWS": SESSION}, True, True),
        (SESSION, {"AWS": ROLE}, False, True),
        (SESSION, {"AWS": ROLE}, True, False),
        (SESSION, {"Service": "s3.amazonaws.com"}, False, False),
    ],
)
def test_bucket_policy_of_the_same_account_allows_the_principals_it_names(
    principal: str, named: Any, bounded: bool, allowed: bool
) -> None:
    bucket = policy(statement(Principal=named))
    boundary = policy(statement(action="logs:*")) if bounded else None
    assert decide(Policies(resource=bucket, boundary=boundary), principal=principal).allowed is allowed


def test_cross_account_access_requires_both_policies() -> None:
    own, theirs = policy(statement()), policy(statement(Principal={"AWS": US}))
    assert decide(Policies(identity=(own,)), account=THEM) == Decision(False, kind=RESOURCE)
    assert decide(Policies(resource=theirs), account=THEM) == Decision(False, kind=IDENTITY)
    assert decide(Policies(identity=(own,), resource=theirs), account=THEM).allowed


def test_identity_policies_allow_key_use_only_if_the_key_policy_names_the_account() -> None:
    key = f"arn:aws:kms:us-east-1:{US}:key/1"
    own = policy(statement(action="kms:*"))
    delegates = policy(statement(action="kms:*", Principal={"AWS": f"arn:aws:iam::{US}:root"}))
    closed = policy(statement(action="kms:*", Principal={"AWS": ROLE}))
    request = {"action": "kms:Decrypt", "resource": key}
    assert decide(Policies(identity=(own,), resource=delegates, resource_decides=True), **request).allowed
    assert not decide(Policies(resource=delegates, resource_decides=True), **request).allowed
    assert decide(Policies(identity=(own,), resource=closed, resource_decides=True), **request).kind == RESOURCE
    assert decide(Policies(resource=closed, resource_decides=True), principal=SESSION, **request).allowed


def test_service_principal_requires_only_the_resource_policy() -> None:
    trust = Policy.parse(
        "trust",
        {
            "Statement": {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Condition": {"StringEquals": {"aws:SourceAccount": US}},
            }
        },
    )
    request = {"principal": "sagemaker.amazonaws.com", "action": "sts:AssumeRole", "resource": ROLE}
    policies = Policies(resource=trust, resource_decides=True)
    assert decide(policies, **request, aws__SourceAccount=US).allowed
    assert not decide(policies, **request, aws__SourceAccount=THEM).allowed
    assert not decide(policies, **{**request, "principal": "ec2.amazonaws.com"}, aws__SourceAccount=US).allowed


def test_decision_lists_the_deciding_statements() -> None:
    assert decide(of(statement(action="s3:Put*"), statement(Sid="Read"))).statements == ("p/Read",)
    assert decide(of(statement(), statement("Deny"))).statements == ("p/#2",)


@pytest.mark.parametrize(
    ("policies", "ending"),
    [
        (Policies(), "because no identity-based policy allows the s3:GetObject action"),
        (of(statement("Deny")), "with an explicit deny in an identity-based policy"),
        (
            Policies(resource=policy(statement("Deny", Principal="*"))),
            "with an explicit deny in a resource-based policy",
        ),
        (
            Policies(boundary=policy(statement(action="a:b"))),
            "because no permissions boundary allows the s3:GetObject action",
        ),
    ],
)
def test_denial_message_matches_aws(policies: Policies, ending: str) -> None:
    request = Request(Principal(ANN), "s3:GetObject", OBJECT, US)
    start = f"User: {ANN} is not authorized to perform: s3:GetObject on resource: {OBJECT} "
    assert evaluate(request, policies).message(request) == start + ending


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Action": "*", "Resource": "*"}, "Effect must be"),
        ({"Effect": "Allow", "Resource": "*"}, "either Action or NotAction"),
        ({"Effect": "Allow", "Action": "*", "NotAction": "s3:*", "Resource": "*"}, "either Action or NotAction"),
        (statement(NotPrincipal="*"), "aws:PrincipalArn"),
        (statement(Condition={"StringIs": {"a": "b"}}), "StringIs is not a condition operator"),
        (statement(Condition={"StringEquals": {"a": None}}), "StringEquals has a value that is neither"),
        (statement(Condition={"StringEquals": {"a": ["b", {"c": "d"}]}}), "StringEquals has a value that is neither"),
    ],
)
def test_rejects_invalid_statements(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=f"^p: Statement #1: .*{message}"):
        policy(given)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"Statement": "x"}',
        '{"Statement": {"Effect": "Allow", "Action": [5], "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": [null]}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "NotResource": {"a": "*"}}}',
        '{"Statement": ' + "9" * 5000 + "}",
        '{"Statement": ' + "[" * 100_000,
    ],
    ids=range(9),
)
def test_rejects_invalid_policy_documents(document: str) -> None:
    with pytest.raises(PolicyError, match="p is not a policy document"):
        Policy.parse("p", document)
