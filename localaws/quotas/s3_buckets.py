"""What S3 refuses because of a bucket's settings: public policies, suspended versioning, shortened retention, CORS."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.s3.models import PublicAccessBlock, S3Backend

from localaws.errors import MALFORMED_XML, AwsError
from localaws.front.sigv4 import regions
from localaws.iam.policy import texts
from localaws.quotas.s3_acls import ENFORCED
from localaws.quotas.s3_lifecycle import check_rules

# Conditions that keep a statement for everyone from being public, if their values are fixed.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html (section
# The meaning of "public")
_FIXING = frozenset(
    {"aws:principalorgid", "aws:sourceaccount", "aws:sourcearn", "aws:sourceip", "aws:sourceowner", "aws:sourcevpc"}
    | {"aws:principalarn", "aws:principalaccount", "aws:principalorgpaths", "aws:sourcevpce", "aws:sourceorgid"}
    | {"aws:sourceorgpaths", "aws:userid", "s3:dataaccesspointaccount", "s3:dataaccesspointarn"}
    | {"s3:x-amz-server-side-encryption-aws-kms-key-id"}
)


def install() -> None:
    """Change moto's S3."""
    rules, versioning = S3Backend.put_bucket_lifecycle_configuration, S3Backend.put_bucket_versioning
    retain, policy = S3Backend.put_object_retention, S3Backend.put_bucket_policy
    create, cors = S3Backend.create_bucket, S3Backend.put_bucket_cors

    def create_bucket(self: Any, bucket_name: str, region_name: str, *more: Any, **named: Any) -> Any:
        """Block public access to new buckets, and disable their ACLs.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html
        """
        if region_name not in regions():
            raise AwsError("InvalidLocationConstraint", "The specified location-constraint is not valid")
        bucket = create(self, bucket_name, region_name, *more, **named)
        bucket.public_access_block = PublicAccessBlock(*4 * ["true"])
        bucket.ownership_rule = ENFORCED
        return bucket

    def put_bucket_cors(self: Any, bucket_name: str, rules: list[dict[str, Any]]) -> None:
        check_cors(rules)
        cors(self, bucket_name, rules)

    def put_bucket_lifecycle_configuration(self: Any, bucket_name: str, given: list[dict[str, Any]]) -> None:
        check_rules(given)
        rules(self, bucket_name, given)

    def put_bucket_versioning(self: Any, bucket_name: str, status: str) -> None:
        if status != "Enabled" and self.get_bucket(bucket_name).object_lock_enabled:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
            message = (
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
            )
            raise AwsError("InvalidBucketState", message, 409)
        versioning(self, bucket_name, status)

    def put_object_retention(self: Any, bucket_name: str, key_name: str, version_id: Any, retention: Any) -> None:
        check_retention(self.get_object(bucket_name, key_name, version_id=version_id), *retention)
        retain(self, bucket_name, key_name, version_id, retention)

    def put_bucket_policy(self: Any, bucket_name: str, given: bytes) -> None:
        block = self.get_bucket(bucket_name).public_access_block
        if str(getattr(block, "block_public_policy", "")).lower() == "true" and is_public(given.decode()):
            raise AwsError(
                "AccessDenied", "The bucket policy is public, which the BlockPublicPolicy setting denies.", 403
            )
        policy(self, bucket_name, given)

    S3Backend.put_bucket_lifecycle_configuration = put_bucket_lifecycle_configuration
    S3Backend.put_bucket_versioning = put_bucket_versioning
    S3Backend.put_object_retention = put_object_retention
    S3Backend.put_bucket_policy = put_bucket_policy
    S3Backend.create_bucket = create_bucket
    S3Backend.put_bucket_cors = put_bucket_cors


def check_cors(rules: list[dict[str, Any]]) -> None:
    """Refuse wildcards that CORS rules may not have.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html. The message:
    https://github.com/versity/versitygw/issues/1870

    Raises:
        AwsError: InvalidRequest.
    """
    for rule in rules:
        for name in ("AllowedOrigin", "AllowedHeader"):
            for value in map(str, texts(rule.get(name))):
                if value.count("*") > 1:
                    raise AwsError("InvalidRequest", f'{name} "{value}" can not have more than one wildcard.')
        for value in map(str, texts(rule.get("ExposeHeader"))):
            if "*" in value:
                message = f'ExposeHeader "{value}" contains wildcard. We currently do not support wildcard'
                raise AwsError("InvalidRequest", f"{message} for ExposeHeader.")


def check_retention(held: Any, mode: str | None, until: str | None) -> None:
    """Refuse to end or to shorten the retention of an object in compliance mode.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html ("its retention mode can't be changed, and
    its retention period can't be shortened")
    """
    check_until(until)
    locked = held is not None and held.lock_mode == "COMPLIANCE" and held.lock_until
    if locked and (mode != "COMPLIANCE" or not until or _time(until) < _time(held.lock_until)):
        raise AwsError("AccessDenied", "Access Denied because object protected by object lock.", 403)


def is_public(document: str) -> bool:
    """Whether a bucket policy gives everyone access."""
    return any(_is_for_everyone(statement) for statement in _statements(document))


def _statements(document: str) -> Iterator[dict[str, Any]]:
    try:
        given = json.loads(document)["Statement"]
    except (ValueError, KeyError, TypeError):
        return  # The grammar check reports it.
    yield from (one for one in (given if isinstance(given, list) else [given]) if isinstance(one, dict))


def _is_for_everyone(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    if statement.get("Effect") != "Allow" or "*" not in list(texts(named)):
        return False
    condition = statement.get("Condition")
    for operands in condition.values() if isinstance(condition, dict) else ():
        for key, value in operands.items() if isinstance(operands, dict) else ():
            if key.lower() in _FIXING and not any(set("*?$") & set(str(text)) for text in texts(value)):
                return False
    return True


def check_until(until: str | None) -> None:
    """Refuse a date of retention that has passed.

    Raises:
        AwsError: InvalidArgument; MalformedXML, it is not a date.
    """
    if until and _time(until) <= datetime.now(UTC):
        raise AwsError("InvalidArgument", "The retain until date must be in the future!")


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise AwsError("MalformedXML", MALFORMED_XML) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
