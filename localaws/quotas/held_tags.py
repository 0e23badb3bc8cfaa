"""The tags that a resource has already. AWS counts them together with those that a request adds."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.backends import get_backend
from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

from localaws.errors import AwsError
from localaws.quotas.tags import MOST, codes, tags_of

# The error where TagResource has another one than the operation that creates the resource, from its API reference.
_CODES: Mapping[str, str] = {"cloudwatch": "InvalidParameterValue", "logs": "TooManyTagsException"}

# Takes moto's backend and the request. Returns the tags in one of the forms that moto has for them.
_HELD: Mapping[tuple[str, str], Callable[[Any, dict[str, Any]], Any]] = {
    ("cloudtrail", "AddTags"): lambda backend, given: backend.list_tags([given["ResourceId"]])[0]["TagsList"],
    ("cloudwatch", "TagResource"): lambda backend, given: backend.list_tags_for_resource(given["ResourceARN"]),
    ("ecr", "TagResource"): lambda backend, given: backend.list_tags_for_resource(given["resourceArn"]),
    ("events", "TagResource"): lambda backend, given: backend.list_tags_for_resource(given["ResourceARN"]),
    ("iam", "TagInstanceProfile"): lambda backend, given: (
        backend.get_instance_profile(profile_name=given["InstanceProfileName"]).tags
    ),
    ("iam", "TagOpenIDConnectProvider"): lambda backend, given: (
        backend.get_open_id_connect_provider(given["OpenIDConnectProviderArn"]).tags
    ),
    ("iam", "TagPolicy"): lambda backend, given: backend.get_policy(given["PolicyArn"]).tags,
    ("iam", "TagRole"): lambda backend, given: backend.get_role(given["RoleName"]).tags,
    ("iam", "TagUser"): lambda backend, given: backend.list_user_tags(given["UserName"]),
    ("kms", "TagResource"): lambda backend, given: backend.list_resource_tags(given["KeyId"]),
    ("logs", "TagLogGroup"): lambda backend, given: backend.list_tags_log_group(given["logGroupName"]),
    ("logs", "TagResource"): lambda backend, given: backend.list_tags_for_resource(given["resourceArn"]),
    ("scheduler", "TagResource"): lambda backend, given: backend.list_tags_for_resource(given["ResourceArn"]),
    ("ssm", "AddTagsToResource"): lambda backend, given: backend.list_tags_for_resource(
        given["ResourceType"], given["ResourceId"]
    ),
    ("stepfunctions", "TagResource"): lambda backend, given: backend.list_tags_for_resource(given["resourceArn"]),
}


def check(response: Any, service: str, operation: str, given: dict[str, Any]) -> None:
    """Refuse a request that would give a resource more than 50 tags.

    SNS is checked by moto, and SageMaker in `localaws.services.sagemaker`.

    Raises:
        AwsError: with the service's code.
    """
    find = _HELD.get((service, operation))
    if find is None:
        return
    try:
        held = _keys(find(_backend(response, service), given))
    except (ServiceException, HTTPException):
        return  # There is no such resource, and moto raises the error.
    count = len(held | {key for key, _ in tags_of(given)})
    if count > MOST:
        code = _CODES.get(service) or codes(service)[0]
        raise AwsError(code, f"The resource would have {count} tags. At most {MOST} are allowed.")


def _backend(response: Any, service: str) -> Any:
    region = response.partition if service == "iam" else response.region
    return get_backend(service)[response.current_account][region]


def _keys(held: Any) -> set[str]:
    """The keys of tags: structures in a list or below `Tags` or `tags`, a map, or a map of structures."""
    if isinstance(held, dict):
        listed = next((value for value in held.values() if isinstance(value, list)), list(held.values()))
        if not all(isinstance(one, dict) for one in listed):
            return set(held)
        held = listed
    return {str(one.get("Key") or one.get("TagKey") or one.get("key")) for one in held or []}
