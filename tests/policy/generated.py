"""Random requests from a seed, for the policies of the plans and for random policies."""

import random

from localaws.iam.policy import texts
from localaws.iam.request import Principal, Request
from tests.localaws.iam.reference import actions, knows, looks_at
from tests.policy.rendered import Document, Rendered, Role
from tests.policy.scenarios import ACCOUNT, REGION
from tests.policy.simulator import Question

OTHER_ACCOUNT = "210987654321"
S3_VALUES = ("true", "false")
WRITES = (
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
    "s3:ListBucket",
    "s3:PutBucketPolicy",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "sagemaker:CreateModelPackage",
    "logs:PutLogEvents",
    "ecr:BatchGetImage",
    "iam:PassRole",
)


def about(environment: Rendered, role: Role, count: int, seed: int) -> list[Question]:
    """Requests of a role: for resources that its policies name, and for similar resources."""
    dice = random.Random(seed)  # noqa: S311
    statements = [statement for document in role.inline.values() for statement in document["Statement"]]
    named = [action for statement in statements for action in texts(statement["Action"])]
    resources = [resource for statement in statements for resource in texts(statement["Resource"])]
    services = sorted({action.partition(":")[0] for action in named})
    found: list[Question] = []
    while len(found) < count:
        action = (
            _concrete(dice.choice(named), dice) if dice.random() < 0.7 else dice.choice(actions(dice.choice(services)))
        )
        resource = _beside(dice.choice(resources), dice)
        if not knows(action, resource):
            continue
        named_account = resource.split(":")[4] if resource != "*" else ""
        account = named_account or ACCOUNT
        request = Request(
            Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/now"),
            action,
            resource,
            account,
            _circumstances(action, account, dice),
        )
        key = action.startswith("kms:")
        resource_policy = next(
            (policy for arn, policy in environment.resources.items() if resource.startswith(arn)), None
        )
        found.append(
            Question(
                request,
                identity=role.inline,
                resource=resource_policy or (_key_policy(account) if key else None),
                resource_decides=key,
            )
        )
    return found


def made_up(count: int, seed: int) -> list[Question]:
    """Requests with random policies of every kind: for S3, which has the most condition keys, and for KMS keys."""
    dice = random.Random(seed)  # noqa: S311
    return [_made_up(dice, on_key=dice.random() < 0.3) for _ in range(count)]


def _made_up(dice: random.Random, *, on_key: bool) -> Question:
    place = f"arn:aws:s3:::{dice.choice(['data', 'other'])}/{dice.choice(['ann/x', 'runs/1', 'runs/2/y'])}"
    account = dice.choice([ACCOUNT, ACCOUNT, OTHER_ACCOUNT])
    request = Request(
        Principal(dice.choice([f"arn:aws:iam::{ACCOUNT}:user/ann", f"arn:aws:sts::{ACCOUNT}:assumed-role/job/now"])),
        dice.choice(["kms:Decrypt", "kms:GenerateDataKey"] if on_key else ["s3:GetObject", "s3:PutObject"]),
        f"arn:aws:kms:{REGION}:{account}:key/1" if on_key else place,
        account,
        {key: value for key, value in _random_context(dice).items() if not (on_key and key.startswith("s3:"))},
    )
    on_resource = _policy(dice, principal=True, on_key=on_key) if on_key or dice.random() < 0.6 else None
    return Question(
        request,
        identity={f"p{number}": _policy(dice, on_key=on_key) for number in range(dice.randint(0, 2))},
        resource=on_resource,
        boundary=_policy(dice, on_key=on_key) if dice.random() < 0.3 else None,
        resource_decides=on_key,
    )


def _key_policy(account: str) -> Document:
    """AWS's default policy of a key: the account decides."""
    root = {"AWS": f"arn:aws:iam::{account}:root"}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}],
    }


def _concrete(pattern: str, dice: random.Random) -> str:
    """An action that matches a pattern."""
    prefix, _, name = pattern.partition(":")
    matching = [action for action in actions(prefix) if action.startswith(f"{prefix}:{name.rstrip('*')}")]
    return dice.choice(matching) if "*" in name else pattern


def _beside(pattern: str, dice: random.Random) -> str:
    """A resource that matches a pattern, or one that differs in one part of its ARN."""
    if pattern == "*":
        return "*"
    resource = pattern.replace("*", dice.choice(["a", "a/b.txt", "0/1/artifacts/MLmodel"]))
    change = dice.randrange(6)
    parts = resource.split(":", 5)
    if change == 1 and parts[3]:
        parts[3] = "eu-west-1"
    elif change == 2 and parts[4]:
        parts[4] = OTHER_ACCOUNT
    elif change == 3:
        parts[5] = "other-" + parts[5]
    elif change == 4:
        parts[5] += "x"
    return ":".join(parts)


def _circumstances(action: str, account: str, dice: random.Random) -> dict[str, str | list[str]]:
    context: dict[str, str | list[str]] = {
        "aws:SecureTransport": dice.choice(["true", "true", "false"]),
        "aws:ResourceAccount": account,
        "aws:PrincipalAccount": ACCOUNT,
        "aws:RequestedRegion": REGION,
    }
    if action.startswith("kms:") and dice.random() < 0.8:
        context["kms:ViaService"] = dice.choice([f"s3.{REGION}.amazonaws.com", f"ecr.{REGION}.amazonaws.com"])
    # The other engine ignores condition keys that AWS does not list for an action, and then does not deny.
    if looks_at(action, "s3:TlsVersion") and dice.random() < 0.8:
        context["s3:TlsVersion"] = dice.choice(["1.1", "1.2", "1.3"])
    return context


STRINGS = ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase")
ARNS = ("ArnLike", "ArnNotLike", "ArnEquals", "ArnNotEquals")
CONDITIONS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("aws:PrincipalAccount", STRINGS, (ACCOUNT, OTHER_ACCOUNT, "1*", "???456789012")),
    ("aws:username", STRINGS, ("ann", "Ann", "a*", "${aws:username}", "${aws:none, 'ann'}")),
    ("aws:PrincipalArn", ARNS, (f"arn:aws:iam::{ACCOUNT}:user/*", "arn:aws:iam::*:role/job", "arn:aws:iam::*:*")),
    ("aws:SecureTransport", ("Bool",), S3_VALUES),
    ("s3:TlsVersion", ("NumericLessThan", "NumericGreaterThanEquals", "NumericEquals"), ("1.2", "1.3")),
    ("aws:SourceIp", ("IpAddress", "NotIpAddress"), ("10.0.0.0/8", "192.168.1.1")),
    ("aws:CurrentTime", ("DateGreaterThan", "DateLessThan"), ("2026-01-01T00:00:00Z",)),
    ("aws:TagKeys", ("ForAllValues:StringEquals", "ForAnyValue:StringLike"), ("a", "b*")),
    ("aws:username", ("Null",), S3_VALUES),
)


def _random_context(dice: random.Random) -> dict[str, str | list[str]]:
    whole: dict[str, str | list[str]] = {
        "aws:PrincipalAccount": ACCOUNT,
        "aws:username": "ann",
        "aws:PrincipalArn": dice.choice([f"arn:aws:iam::{ACCOUNT}:user/ann", f"arn:aws:iam::{ACCOUNT}:role/job"]),
        "aws:SecureTransport": dice.choice(S3_VALUES),
        "s3:TlsVersion": dice.choice(["1.1", "1.2", "1.3"]),
        "aws:SourceIp": dice.choice(["10.1.2.3", "192.168.1.1", "8.8.8.8"]),
        "aws:CurrentTime": dice.choice(["2025-06-01T00:00:00Z", "2026-06-01T00:00:00Z"]),
        "aws:TagKeys": dice.choice([["a"], ["a", "bc"], ["c", "a"]]),
    }
    return {key: value for key, value in whole.items() if dice.random() < 0.85}


def _policy(dice: random.Random, *, on_key: bool, principal: bool = False) -> Document:
    return {
        "Version": "2012-10-17",
        "Statement": [_statement(dice, on_key=on_key, principal=principal) for _ in range(dice.randint(1, 3))],
    }


S3_ACTIONS: tuple[str | list[str], ...] = ("s3:*", "s3:Get*", "s3:?etObject", ["s3:PutObject", "s3:ListBucket"])
KEY_ACTIONS: tuple[str | list[str], ...] = ("kms:*", "kms:Decrypt", "KMS:gen*", ["kms:GenerateDataKey", "kms:Decrypt"])


def _statement(dice: random.Random, *, on_key: bool, principal: bool) -> Document:
    statement: Document = {"Effect": dice.choice(["Allow", "Allow", "Allow", "Deny"])}
    action = dice.choice(["Action", "Action", "Action", "NotAction"])
    statement[action] = dice.choice(KEY_ACTIONS if on_key else S3_ACTIONS)
    resources = ["arn:aws:s3:::*", "arn:aws:s3:::data/*", "arn:aws:s3:::*/runs/?"]
    if on_key:
        statement["Resource"] = dice.choice(["*", f"arn:aws:kms:{REGION}:*:key/*", f"arn:aws:kms:*:{ACCOUNT}:key/?"])
    elif dice.random() < 0.2:
        statement["NotResource"] = dice.choice(resources)
    else:
        statement["Resource"] = dice.choice([*resources, "arn:aws:s3:::data/${aws:username}/*"])
    if principal:
        statement["Principal"] = dice.choice(
            [
                "*",
                {"AWS": "*"},
                {"AWS": ACCOUNT},
                {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"},
                {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ann"},
                {"AWS": f"arn:aws:iam::{ACCOUNT}:role/job"},
                {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/job/now"},
                {"Service": "s3.amazonaws.com"},
            ]
        )
    if dice.random() < 0.5:
        statement["Condition"] = {}
        for key, operators, values in dice.sample(CONDITIONS, dice.randint(1, 2)):
            operator = dice.choice(operators)
            if operator != "Null" and ":" not in operator and dice.random() < 0.3:
                operator += "IfExists"
            given = dice.sample(values, min(len(values), dice.randint(1, 2)))
            statement["Condition"].setdefault(operator, {})[key] = given if operator != "Bool" else given[0]
    return statement
