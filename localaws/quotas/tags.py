"""The rules for tags that all services share.

At most 50 tags for each resource; letters, digits, spaces and `_ . : / = + - @`; keys of 1 to 128 characters that do
not begin with `aws:`, values of up to 256. Source:
https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from localaws.errors import AwsError

MOST = 50
KEY_LENGTH, VALUE_LENGTH = 128, 256
_CHARACTERS = re.compile(r"[\w\s.:/=+\-@]*")

# The codes for too many tags and for an invalid tag, from the "Errors" section of each service's API reference
# (CreateKey, TagResource, CreateTopic, CreateRepository, PutBucketTagging, ...).
_CODES: Mapping[str, tuple[str, str]] = {
    "application-autoscaling": ("TooManyTagsException", "ValidationException"),
    "codepipeline": ("TooManyTagsException", "InvalidTagsException"),
    "cloudtrail": ("TagsLimitExceededException", "InvalidTagParameterException"),
    "codecommit": ("TooManyTagsException", "InvalidTagsMapException"),
    "ecr": ("TooManyTagsException", "InvalidTagParameterException"),
    "events": ("LimitExceededException", "ValidationException"),
    "iam": ("LimitExceeded", "InvalidInput"),
    "kms": ("LimitExceededException", "TagException"),
    "s3": ("BadRequest", "InvalidTag"),
    "sns": ("TagLimitExceeded", "InvalidParameter"),
    "ssm": ("TooManyTagsError", "ValidationException"),
    "cloudwatch": ("LimitExceeded", "InvalidParameterValue"),
    "stepfunctions": ("TooManyTags", "ValidationException"),
    "codebuild": ("InvalidInputException", "InvalidInputException"),
    "logs": ("InvalidParameterException", "InvalidParameterException"),
}
_OTHERS = ("ValidationException", "ValidationException")
# SQS advises against more than 50 tags and accepts them:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html
_UNCOUNTED = frozenset({"sqs"})
# moto refuses keys that are given twice, with the messages of these services.
_UNIQUE_IN_MOTO = frozenset({"iam", "s3"})


def check_tags(service: str, given: Mapping[str, Any]) -> None:
    """Refuse tags that AWS refuses.

    Raises:
        AwsError: with the service's code.
    """
    too_many, invalid = codes(service)
    tags = list(tags_of(given))
    if len(tags) > MOST and service not in _UNCOUNTED:
        raise AwsError(too_many, f"The number of tags is {len(tags)}. At most {MOST} are allowed.")
    for key, value in tags:
        problem = _problem(key, value)
        if problem:
            raise AwsError(invalid, f"The tag {key!r} is not valid: {problem}.")
    if service not in _UNIQUE_IN_MOTO and len({key for key, _ in tags}) < len(tags):
        # SageMaker's message: https://github.com/aws/sagemaker-python-sdk/pull/3608. CloudTrail documents the code for
        # duplicate tags (InvalidTagParameterException). "Each tag key must be unique": the page above.
        raise AwsError(invalid, "Duplicate tag key")


def codes(service: str) -> tuple[str, str]:
    """The codes of a service for too many tags and for an invalid tag."""
    return _CODES.get(service, _OTHERS)


def tags_of(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The tags of a request: a list of structures or a map, under a name such as Tags, TagsList or ResourceTags."""
    for name, held in given.items():
        if name.lower() not in ("tags", "resourcetags", "tagslist"):
            continue
        if isinstance(held, dict):
            yield from ((key, str(value or "")) for key, value in held.items())
        elif isinstance(held, list):
            for tag in held:
                names = {member.lower().removeprefix("tag"): value for member, value in tag.items()}
                yield str(names.get("key") or ""), str(names.get("value") or "")


def _problem(key: str, value: str) -> str:
    if not 1 <= len(key) <= KEY_LENGTH:
        return f"a key has 1 to {KEY_LENGTH} characters"
    if len(value) > VALUE_LENGTH:
        return f"a value has at most {VALUE_LENGTH} characters"
    if key.lower().startswith("aws:"):
        return "keys that begin with aws: are reserved for AWS"
    for text in (key, value):
        if not _CHARACTERS.fullmatch(text):
            return "letters, digits, spaces and _ . : / = + - @ are allowed"
    return ""
