"""Evaluates the policies of a plan: whether a subject may perform an action in an environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from localaws.iam.evaluate import Decision, Policies, evaluate
from localaws.iam.moto_policy_store import parsed
from localaws.iam.policy import Policy
from localaws.iam.request import Principal, Request
from tests.policy.rendered import Document, Rendered, Role
from tests.policy.scenarios import ACCOUNT, REGION

# AWS's default key policy, and the policy of an account's administrator.
ACCOUNT_DECIDES = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    ],
}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
# The condition keys of a usual request.
USUAL = {
    "aws:SecureTransport": "true",
    "aws:PrincipalAccount": ACCOUNT,
    "aws:ResourceAccount": ACCOUNT,
    "aws:RequestedRegion": REGION,
    "aws:ViaAWSService": "false",
    "s3:ResourceAccount": ACCOUNT,
    "s3:TlsVersion": "1.3",
}


@dataclass(frozen=True)
class Ask:
    """One action on one resource. `{bucket}`, `{server}`, … are placeholders for the environment's names.

    Attributes:
        context: condition keys that are added to or replace the usual ones; None removes one.
        by: a caller other than the subject itself.
    """

    action: str
    resource: str
    context: Mapping[str, str | None] = field(default_factory=dict)
    by: str | None = None


@lru_cache(maxsize=16)
def names(environment: Rendered) -> Mapping[str, str]:
    """The values of the placeholders in an `Ask`. A role is named after its subject: `{server_role}`."""
    roles = {f"{subject}_role": role.name for subject in ROLES if (role := _role(environment, subject))}
    name = roles["server_role"].removesuffix(ROLES["server"])
    return {
        "account": ACCOUNT,
        "region": REGION,
        "bucket": environment.names["aws_s3_bucket"],
        "server": environment.names["aws_sagemaker_mlflow_tracking_server"],
        "name": name,
        "project": name.rpartition("-")[0],
        "environment": name.rpartition("-")[2],
        "repository": environment.names["aws_ecr_repository"],
        "key": environment.key or "none",
        "id": "0123456789abcdef",
        **roles,
    }


# Subjects with a role that the modules create, with the suffix of its name; and those with managed policies.
ROLES = {
    "server": "-mlflow-role",
    "endpoint": "-endpoint-role",
    "scheduler": "-scheduler",
    "start_stop": "-start-stop",
    "backup": "-mlflow-backup-role",
    "backup_schedule": "-mlflow-backup-schedule-role",
    "image_builder": "-image-builder",
}
# Managed policies for roles that the modules do not create.
PUSHER = "image_pusher"
CLIENTS = ("reader", "writer", "admin", PUSHER)
ADMINISTRATOR = "administrator"
SERVICES = ".amazonaws.com"


def has(environment: Rendered, subject: str) -> bool:
    """Whether a plan contains a subject with known policies."""
    if subject == ADMINISTRATOR or _is_service(subject):
        return True
    return bool(_identity(environment, subject))


def subject_statements(environment: Rendered, subject: str) -> list[Document]:
    """The statements of a subject's own policies."""
    return [statement for document in _identity(environment, subject).values() for statement in document["Statement"]]


def holders(environment: Rendered, document: Document) -> set[str]:
    """The subjects that own a policy document; empty for the policy of a resource and for a trust policy."""
    return {
        subject
        for subject in (*ROLES, *CLIENTS)
        if any(own is document for own in _identity(environment, subject).values())
    }


def judge(environment: Rendered, subject: str, ask: Ask) -> Decision:
    """The decision on a request."""
    given = names(environment)
    resource = ask.resource.format(**given)
    account = resource.split(":")[4] or ACCOUNT if resource != "*" else ACCOUNT
    context = {**USUAL, **ask.context}
    request = Request(
        _principal(environment, subject, ask),
        ask.action,
        resource,
        account,
        {key: value.format(**given) for key, value in context.items() if value is not None},
    )
    is_key = ask.action.startswith("kms:")
    on_resource = _on_resource(environment, resource) or (ACCOUNT_DECIDES if is_key and account == ACCOUNT else None)
    return evaluate(
        request,
        Policies(
            identity=_policies(environment, subject),
            resource=_parsed("policy of the resource", on_resource) if on_resource else None,
            resource_decides=is_key or ask.action == "sts:AssumeRole",
        ),
    )


@lru_cache(maxsize=64)
def _policies(environment: Rendered, subject: str) -> tuple[Policy, ...]:
    return tuple(_parsed(name, document) for name, document in _identity(environment, subject).items())


def _parsed(name: str, document: Document) -> Policy:
    return parsed(name, json.dumps(document))


def _is_service(subject: str) -> bool:
    return subject.endswith(SERVICES)


def _role(environment: Rendered, subject: str) -> Role | None:
    ending = ROLES.get(subject)
    return next((role for name, role in environment.roles.items() if ending and name.endswith(ending)), None)


def _principal(environment: Rendered, subject: str, ask: Ask) -> Principal:
    if ask.by or _is_service(subject):
        return Principal(ask.by or subject)
    role = _role(environment, subject)
    return Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name if role else subject}/now")


def _identity(environment: Rendered, subject: str) -> dict[str, Document]:
    role = _role(environment, subject)
    if role:
        return role.inline
    if subject in CLIENTS:
        return _client_policies(environment, subject)
    return {"everything": EVERYTHING} if subject == ADMINISTRATOR else {}


def _client_policies(environment: Rendered, client: str) -> dict[str, Document]:
    """The managed policies of a role of this level."""
    if client == PUSHER:
        return {name: document for name, document in environment.managed.items() if name.endswith("-image-pusher")}
    endings = [f"-mlflow-{client}", f"-mlflow-{client}-artifacts"]
    if client != "reader":
        endings.append("-mlflow-deployment")
    return {name: document for name, document in environment.managed.items() if name.endswith(tuple(endings))}


def _on_resource(environment: Rendered, resource: str) -> Document | None:
    for role in environment.roles.values():
        if role.arn == resource:
            return role.trust
    return next(
        (
            document
            for arn, document in environment.resources.items()
            if resource == arn or resource.startswith(f"{arn}/")
        ),
        None,
    )
