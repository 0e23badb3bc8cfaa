"""Compares the XML of S3's requests with S3's model: required members, lists of values, numbers and dates.

moto reads what it expects and stores the rest. The error:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (MalformedXML)
"""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from localaws.call import Call
from localaws.constraints import operation_model
from localaws.errors import MALFORMED_XML, AwsError

# The location of a new bucket has an error of its own.
OTHERS = frozenset({"CreateBucket"})
# Former operations with the same address.
RENAMED = {
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
_NAMESPACE = re.compile(r"\{[^}]*\}")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


def check(call: Call) -> None:
    """Refuse a body that breaks the model.

    Raises:
        AwsError: MalformedXML or MissingRequestBodyError.
    """
    given = operation_model("s3", RENAMED[call.operation]).input_shape if call.operation in RENAMED else call.input
    payload: str | None = given.serialization.get("payload") if given is not None else None
    shape = given.members[payload] if given is not None and payload else None
    if shape is None or shape.type_name != "structure" or call.body is None or call.operation in OTHERS:
        return
    if not call.body.strip():
        if call.operation.startswith("Put") and not call.operation.endswith("Acl"):  # ACLs may be in headers.
            raise AwsError("MissingRequestBodyError", "Request Body is empty")
        return
    if b"<!" in call.body.replace(b"<!--", b""):
        raise AwsError("MalformedXML", MALFORMED_XML)  # A document type, with which a short text can have any size.
    try:
        root = ElementTree.fromstring(call.body)  # noqa: S314 it has no document type
    except ElementTree.ParseError:
        raise AwsError("MalformedXML", MALFORMED_XML) from None
    name = shape.serialization.get("name", payload)
    wrong = f"the element is not {name}" if _NAMESPACE.sub("", root.tag) != name else ""
    problem = wrong or next(_problems(shape, root), "")
    if problem:
        raise AwsError("MalformedXML", f"{MALFORMED_XML}: {problem}")


def _problems(shape: Any, element: ElementTree.Element) -> Iterator[str]:
    children: dict[str, list[ElementTree.Element]] = {}
    for child in element:
        children.setdefault(_NAMESPACE.sub("", child.tag), []).append(child)
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute"):
            continue
        held = children.get(_tag(name, member), [])
        if name in shape.required_members and not held:
            yield f"{_tag(name, member)} is missing"
        if member.type_name == "list":
            listed = held if _is_flat(member) else [one for parent in held for one in parent]
            for one in listed:
                yield from _of_value(member.member, one)
        else:
            for one in held:
                yield from _of_value(member, one)


def _of_value(shape: Any, element: ElementTree.Element) -> Iterator[str]:
    text = (element.text or "").strip()
    if shape.type_name == "structure":
        yield from _problems(shape, element)
    elif shape.type_name in ("integer", "long") and not _INTEGER.fullmatch(text):
        yield f"{_NAMESPACE.sub('', element.tag)} is not a number"
    elif shape.type_name == "boolean" and text.lower() not in ("true", "false", "1", "0"):
        yield f"{_NAMESPACE.sub('', element.tag)} is neither true nor false"
    elif shape.metadata.get("enum") and text not in shape.metadata["enum"]:
        yield f"{text} is not one of {', '.join(shape.metadata['enum'])}"


def _tag(name: str, member: Any) -> str:
    """The element of a member; that of a list without an element around it has the name of its items."""
    if member.type_name == "list" and _is_flat(member):
        return str(member.member.serialization.get("name") or member.serialization.get("name", name))
    return str(member.serialization.get("name", name))


def _is_flat(member: Any) -> bool:
    return bool(member.serialization.get("flattened"))
