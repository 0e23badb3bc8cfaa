"""CloudTrail: checks a trail's bucket policy and event selectors. moto checks its name and whether its bucket exists.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
"""

import json
from collections.abc import Iterator, Mapping
from functools import wraps
from typing import Any

from moto.cloudtrail.models import CloudTrailBackend, Trail
from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import JsonRESTError
from moto.s3.models import s3_backends

from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.policy import Policy
from localaws.iam.request import Principal, Request
from localaws.moto_methods import original
from localaws.services.context import ServiceContext

CLOUDTRAIL = Principal("cloudtrail.amazonaws.com")
_MOST_VALUES = 500
_OPERATORS = ("Equals", "StartsWith", "EndsWith", "NotEquals", "NotStartsWith", "NotEndsWith")
_CATEGORIES = {"Management", "Data", "NetworkActivity"}
_FIELDS = {
    "eventCategory",
    "eventName",
    "eventSource",
    "eventType",
    "readOnly",
    "resources.ARN",
    "resources.type",
    "sessionCredentialFromConsole",
    "userIdentity.arn",
}
# Fields that take no other operator.
_EQUALS_ONLY = {"eventCategory", "readOnly", "resources.type"}
# The resource types of data events that this platform uses, with the beginning of their ARNs. AWS has more.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
_TYPES = {"AWS::S3::Object": "arn:aws:s3:::", "AWS::SageMaker::MlflowTrackingServer": "arn:aws:sagemaker:"}


class InsufficientBucketPolicyError(JsonRESTError):  # type: ignore[misc]
    """CloudTrail may not write to the bucket."""

    def __init__(self, bucket: str) -> None:
        super().__init__(
            "InsufficientS3BucketPolicyException", f"Incorrect S3 bucket policy is detected for bucket: {bucket}"
        )


class TrailAlreadyExistsError(JsonRESTError):  # type: ignore[misc]
    """The account has a trail of this name."""

    def __init__(self, name: str, account: str) -> None:
        super().__init__("TrailAlreadyExistsException", f"Trail {name} already exists for customer: {account}")


class InvalidEventSelectorsError(JsonRESTError):  # type: ignore[misc]
    """A trail with these selectors is not possible."""

    def __init__(self, problem: str) -> None:
        super().__init__("InvalidEventSelectorsException", f"Invalid event selectors: {problem}")


def install(_context: ServiceContext) -> None:
    """Changes moto's CloudTrail."""
    create, update = original(CloudTrailBackend.create_trail), original(CloudTrailBackend.update_trail)
    put, describe = original(CloudTrailBackend.put_event_selectors), original(Trail.description)
    list_all = original(CloudTrailResponse.describe_trails)

    @wraps(create)
    def create_trail(self: Any, name: str, bucket_name: str, s3_key_prefix: str, *more: Any, **given: Any) -> Any:
        if name in self.trails:
            raise TrailAlreadyExistsError(name, self.account_id)
        # moto checks name and bucket first, and a trail that is refused is not kept.
        trail = create(self, name, bucket_name, s3_key_prefix, *more, **given)
        try:
            _check_bucket(trail)
        except InsufficientBucketPolicyError:
            self.delete_trail(name)
            raise
        return trail

    @wraps(update)
    def update_trail(self: Any, name: str, *more: Any, **given: Any) -> Any:
        trail = self.get_trail(name)
        before = dict(vars(trail))
        update(self, name, *more, **given)
        try:
            _check_bucket(trail)
        except InsufficientBucketPolicyError:
            vars(trail).update(before)
            raise
        return trail

    @wraps(put)
    def put_event_selectors(
        self: Any, trail_name: str, event_selectors: list[Any], advanced_event_selectors: list[Any]
    ) -> Any:
        if event_selectors and advanced_event_selectors:
            raise InvalidEventSelectorsError("use EventSelectors or AdvancedEventSelectors, not both")
        problem = next(problems_of(advanced_event_selectors or []), None)
        if problem is not None:
            raise InvalidEventSelectorsError(problem)
        return put(self, trail_name, event_selectors, advanced_event_selectors)

    @wraps(describe)
    def description(self: Any, *more: Any, **given: Any) -> Any:
        selectors = bool(self.event_selectors or self.advanced_event_selectors)
        return {**describe(self, *more, **given), "HasCustomEventSelectors": selectors}

    @wraps(list_all)
    def describe_trails(self: Any) -> str:
        named = self._get_param("trailNameList") or []
        found: list[dict[str, Any]] = json.loads(list_all(self))["trailList"]
        return json.dumps({"trailList": [one for one in found if not named or _is_named(one, named, self.region)]})

    CloudTrailBackend.create_trail = create_trail
    CloudTrailBackend.delete_trail = _with_its_tags(original(CloudTrailBackend.delete_trail))
    CloudTrailBackend.update_trail = update_trail
    CloudTrailBackend.put_event_selectors = put_event_selectors
    Trail.description = description
    CloudTrailResponse.describe_trails = describe_trails


def _is_named(trail: Mapping[str, Any], named: list[str], region: str) -> bool:
    """Whether DescribeTrails returns a trail. A name finds only a trail of the region; unknown names are not an error.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html
    """
    return trail["TrailARN"] in named or (trail["Name"] in named and trail["HomeRegion"] == region)


def problems_of(selectors: list[Mapping[str, Any]]) -> Iterator[str]:
    """Why AWS refuses advanced event selectors; nothing if it accepts them."""
    values = 0
    for selector in selectors:
        fields = {one["Field"]: one for one in selector.get("FieldSelectors", [])}
        if len(fields) != len(selector.get("FieldSelectors", [])):
            yield "a field occurs twice in a selector"
        for field, one in fields.items():
            used = [operator for operator in _OPERATORS if one.get(operator)]
            values += sum(len(one[operator]) for operator in used)
            if field not in _FIELDS:
                yield f"{field} is not a field"
            if not used:
                yield f"{field} has no condition"
            if field in _EQUALS_ONLY and used != ["Equals"]:
                yield f"{field} takes the operator Equals only"
        yield from _problems_of_data(fields)
    if values > _MOST_VALUES:
        yield f"they have {values} values, and {_MOST_VALUES} are allowed"


def _problems_of_data(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    category = fields.get("eventCategory", {}).get("Equals", [])
    if len(category) != 1 or category[0] not in _CATEGORIES:
        yield "eventCategory must equal one of Management, Data and NetworkActivity"
    elif category == ["Data"]:
        types = fields.get("resources.type", {}).get("Equals", [])
        if len(types) != 1 or types[0] not in _TYPES:
            yield f"resources.type of data events must equal one type of resources, not {types}"
            return
        arns = fields.get("resources.ARN", {})
        wrong = [
            arn
            for operator in ("Equals", "StartsWith")
            for arn in arns.get(operator) or []
            if not arn.startswith(_TYPES[types[0]])
        ]
        if wrong:
            yield f"{wrong[0]} is not the ARN of an {types[0]}"


def _with_its_tags(delete: Any) -> Any:
    @wraps(delete)
    def delete_trail(self: Any, name: str) -> None:
        """Takes a name or an ARN, and deletes the trail's tags, which a new trail of this name would otherwise have."""
        short = name.rpartition("/")[2]
        if short in self.trails:
            self.tagging_service.delete_all_tags_for_resource(self.trails[short].arn)
        delete(self, short)

    return delete_trail


def _check_bucket(trail: Any) -> None:
    """CloudTrail reads the bucket's ACL and writes a test object when a trail is created or changed."""
    bucket = s3_backends[trail.account_id][trail.partition].get_bucket(trail.bucket_name)
    policy = (
        Policy.parse("bucket policy", bucket.policy.decode() if isinstance(bucket.policy, bytes) else bucket.policy)
        if bucket.policy
        else None
    )
    arn = f"arn:{trail.partition}:s3:::{trail.bucket_name}"
    folder = f"{trail.s3_key_prefix}/" if trail.s3_key_prefix else ""
    context = {"aws:SourceArn": trail.arn, "aws:SourceAccount": trail.account_id, "aws:SecureTransport": "true"}
    owner = {**context, "s3:x-amz-acl": "bucket-owner-full-control"}
    for action, resource, keys in (
        ("s3:GetBucketAcl", arn, context),
        ("s3:PutObject", f"{arn}/{folder}AWSLogs/{trail.account_id}/CloudTrail/test", owner),
    ):
        request = Request(CLOUDTRAIL, action, resource, trail.account_id, keys)
        if not evaluate(request, Policies(resource=policy)).allowed:
            raise InsufficientBucketPolicyError(trail.bucket_name)
