"""The roles that a call passes to a service, each of which requires `iam:PassRole`.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

import re
from collections.abc import Iterator
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict

from localaws.call import Call
from localaws.errors import MALFORMED_XML, AwsError
from localaws.iam.permission import ResourceLookup

# Of the services that take a role's ARN, the one whose calls do not pass it.
ASSUMES = "sts"
ROLE_ARN = re.compile(r"arn:[^:]+:iam::\d{12}:role/.+")
# Services that assume their roles under another name.
# Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
PRINCIPALS = {"ecs": "ecs-tasks", "iam": "ec2"}


def passed_roles(call: Call, prefix: str, lookup: ResourceLookup) -> Iterator[str]:
    """Yields the ARN of every role that a call passes to a service.

    Adding a role to an instance profile passes it, too:
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html
    """
    if f"{prefix}:{call.operation}" == "iam:AddRoleToInstanceProfile":
        yield lookup.iam_arn("role", str(call.parameters.get("RoleName")))
    elif prefix != ASSUMES:
        shape = call.input
        if shape is not None and "payload" in shape.serialization:
            shape = shape.members[shape.serialization["payload"]]
        yield from _roles(shape, call.parameters)


def service_principal(prefix: str) -> str:
    """The service that assumes the roles of a call: the condition key `iam:PassedToService`."""
    return f"{PRINCIPALS.get(prefix, prefix)}.amazonaws.com"


def replication_role(body: bytes) -> Iterator[str]:
    """Yields the role in the body of PutBucketReplication, read as moto reads it.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html

    Raises:
        AwsError: MalformedXML.
    """
    try:
        role = xmltodict.parse(body)["ReplicationConfiguration"]["Role"]
    except (ExpatError, ValueError, KeyError, TypeError):  # A ValueError: it declares entities.
        role = None
    if not isinstance(role, str):
        raise AwsError("MalformedXML", MALFORMED_XML)
    yield from [role] if ROLE_ARN.fullmatch(role) else []


def _roles(shape: Any, value: Any, name: str = "") -> Iterator[str]:
    """Yields every role in the parameters, at any nesting depth, but not in maps: their names are the caller's own."""
    kind = getattr(shape, "type_name", None)
    if isinstance(value, dict) and kind != "map":
        members = getattr(shape, "members", {})
        sent = {member.serialization.get("name", key): member for key, member in members.items()}
        for key, inner in value.items():
            yield from _roles(sent.get(key) or members.get(key), inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _roles(getattr(shape, "member", None), inner, name)
    elif isinstance(value, str) and "role" in name.lower() and ROLE_ARN.fullmatch(value):
        yield value
