"""Lifecycle rules that S3 refuses; moto stores any rule.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html (identifiers, number of
rules), https://docs.aws.amazon.com/AmazonS3/latest/API/API_Transition.html (days and storage classes),
https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleExpiration.html, API_NoncurrentVersionExpiration. The
messages: https://github.com/noobaa/noobaa-core/issues/8870 and
https://github.com/terraform-aws-modules/terraform-aws-s3-bucket/issues/109.
"""

from collections.abc import Iterator
from typing import Any

from localaws.errors import MALFORMED_XML, AwsError

RULES = 1000
IDENTIFIER = 255
NEWER_VERSIONS = range(1, 101)
CLASSES = ("GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR")
# The first day on which an object may move to one of these storage classes.
INFREQUENT, FIRST_DAY = ("STANDARD_IA", "ONEZONE_IA"), 30
ACTIONS = {
    "Expiration",
    "Transition",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransition",
    "AbortIncompleteMultipartUpload",
}
_ARGUMENT, _REQUEST, _XML = "InvalidArgument", "InvalidRequest", "MalformedXML"
Problem = tuple[str, str]
Rule = dict[str, Any]


def check_rules(rules: list[Rule]) -> None:
    """Refuse a bucket's lifecycle rules, as moto parses them.

    Raises:
        AwsError: InvalidArgument, InvalidRequest or MalformedXML.
    """
    try:
        _check(rules)
    except (AttributeError, TypeError, ValueError):  # An empty rule, or text instead of a number or an element.
        raise AwsError(_XML, MALFORMED_XML) from None


def _check(rules: list[Rule]) -> None:
    identifiers = [rule["ID"] for rule in rules if rule.get("ID")]
    if len(rules) > RULES:
        raise AwsError(_XML, f"A bucket has at most {RULES} lifecycle rules.")
    if len(set(identifiers)) < len(identifiers):
        raise AwsError(_ARGUMENT, "Rule ID must be unique. Found same ID for more than one rule")
    for rule in rules:
        for code, message in _problems(rule):
            raise AwsError(code, message)


def _problems(rule: Rule) -> Iterator[Problem]:
    if len(rule.get("ID") or "") > IDENTIFIER:
        yield _ARGUMENT, f"ID length should not exceed allowed limit of {IDENTIFIER}"
    if rule.get("Status") not in ("Enabled", "Disabled"):
        yield _XML, "The Status of a rule is Enabled or Disabled."
    if not ACTIONS & set(rule):
        yield _REQUEST, "At least one action needs to be specified in a rule"
    yield from _of_expiration(rule)
    yield from _of_transitions(rule)
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    for name, days in (
        ("NoncurrentVersionExpiration", noncurrent.get("NoncurrentDays")),
        (
            "AbortIncompleteMultipartUpload",
            (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation"),
        ),
    ):
        if days is not None and int(days) < 1:
            yield _ARGUMENT, f"'Days' for {name} action must be a positive integer"
    newer = noncurrent.get("NewerNoncurrentVersions")
    if newer is not None and int(newer) not in NEWER_VERSIONS:
        yield _ARGUMENT, "'NewerNoncurrentVersions' must be between 1 and 100"
    if rule.get("AbortIncompleteMultipartUpload") and _has_tags(rule):
        yield _REQUEST, "AbortIncompleteMultipartUpload cannot be specified with Tags."


def _of_expiration(rule: Rule) -> Iterator[Problem]:
    expiration = rule.get("Expiration") or {}
    days, date = expiration.get("Days"), expiration.get("Date")
    if days is not None and int(days) < 1:
        yield _ARGUMENT, "'Days' for Expiration action must be a positive integer"
    if days is not None and date is not None:
        yield _XML, "An Expiration has Days or Date."
    if date is not None and "T00:00:00" not in date:
        yield _ARGUMENT, "'Date' must be at midnight GMT"
    if expiration.get("ExpiredObjectDeleteMarker") and _has_tags(rule):
        yield _REQUEST, "ExpiredObjectDeleteMarker cannot be specified with Tags."
    for transition in _listed(rule.get("Transition")):
        moved = transition.get("Days")
        if days is not None and moved is not None and int(days) <= int(moved):
            yield _ARGUMENT, "'Days' in the Expiration action must be greater than 'Days' in the Transition action"


def _of_transitions(rule: Rule) -> Iterator[Problem]:
    for name, member in (("Transition", "Days"), ("NoncurrentVersionTransition", "NoncurrentDays")):
        for transition in _listed(rule.get(name)):
            days, storage = transition.get(member), transition.get("StorageClass")
            if storage not in CLASSES:
                yield _XML, f"The storage class {storage} is not one of {', '.join(CLASSES)}."
            if days is not None and int(days) < (FIRST_DAY if storage in INFREQUENT else 0):
                least = f"greater than or equal to {FIRST_DAY} for storageClass '{storage}'"
                yield _ARGUMENT, f"'Days' in {name} action must be {least if storage in INFREQUENT else 'nonnegative'}"


def _has_tags(rule: Rule) -> bool:
    found = rule.get("Filter") or {}
    return bool(found.get("Tag") or (found.get("And") or {}).get("Tag"))


def _listed(given: Any) -> list[dict[str, Any]]:
    return given if isinstance(given, list) else [given] if given else []
