"""The permissions that S3 calls require, including those for versions, copies and the KMS key of an object.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, unquote, urlparse
from xml.parsers.expat import ExpatError

import xmltodict

from localaws.call import Call
from localaws.errors import MALFORMED_XML, AwsError
from localaws.iam.passed_roles import replication_role, service_principal
from localaws.iam.permission import Keys, RequiredPermission, ResourceLookup, account_of

# Object operations whose IAM action has a different name.
OBJECT_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "HeadObject": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "SelectObjectContent": "GetObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
BUCKET_ACTIONS = {
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
# Actions that change if the request names a version.
VERSIONED = {
    "DeleteObject": "DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
    "GetObject": "GetObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "GetObjectAttributes": "GetObjectVersionAttributes",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectAcl": "PutObjectVersionAcl",
    "PutObjectTagging": "PutObjectVersionTagging",
}
# Headers that grant rights as `x-amz-acl` does: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
GRANTS = ("full-control", "read", "read-acp", "write", "write-acp")
# Headers of a write that require an additional action.
ALSO = {
    "x-amz-acl": "PutObjectAcl",
    **{f"x-amz-grant-{right}": "PutObjectAcl" for right in GRANTS},
    "x-amz-tagging": "PutObjectTagging",
    "x-amz-object-lock-mode": "PutObjectRetention",
    "x-amz-object-lock-legal-hold": "PutObjectLegalHold",
}
ALSO_ON_BUCKET = {
    "x-amz-acl": "PutBucketAcl",
    **{f"x-amz-grant-{right}": "PutBucketAcl" for right in GRANTS},
    "x-amz-object-ownership": "PutBucketOwnershipControls",
}
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html (x-amz-bypass-governance-retention)
BYPASS = "x-amz-bypass-governance-retention"
QUERY_KEYS = {
    "prefix": "s3:prefix",
    "delimiter": "s3:delimiter",
    "max-keys": "s3:max-keys",
    "versionId": "s3:VersionId",
}
HEADER_KEYS = (
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
)
KEY_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"
# Operations that start an object, and operations that continue one. S3 decrypts the parts of an upload before it joins
# and encrypts them, so the latter also require kms:Decrypt.
BEGINS = {"CopyObject", "CreateMultipartUpload", "PutObject"}
GOES_ON = {"CompleteMultipartUpload", "UploadPart", "UploadPartCopy"}


def s3_permissions(call: Call, lookup: ResourceLookup) -> Iterator[RequiredPermission]:
    """Yields the permissions that an S3 call requires."""
    parameters = call.parameters
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    context = _context(call, lookup)
    if not bucket:
        action = "ListAllMyBuckets" if call.operation == "ListBuckets" else call.operation
        yield RequiredPermission(f"s3:{action}", "*", lookup.account, context)
        return
    bucket_arn, owner = f"arn:aws:s3:::{bucket}", lookup.bucket_owner(bucket)
    if call.operation == "DeleteObjects":
        for name, version in listed_objects(call.body or b""):
            action = "DeleteObjectVersion" if version else "DeleteObject"
            yield RequiredPermission(f"s3:{action}", f"{bucket_arn}/{name}", owner, context)
            yield from _bypass(call, f"{bucket_arn}/{name}", owner, context)
    elif key:
        yield from _object_permissions(call, lookup, bucket, key, context)
    else:
        yield RequiredPermission(f"s3:{BUCKET_ACTIONS.get(call.operation, call.operation)}", bucket_arn, owner, context)
        if call.operation == "PutBucketReplication":
            for role in replication_role(call.body or b""):
                passing: Keys = {
                    "iam:PassedToService": service_principal("s3"),
                    "iam:AssociatedResourceArn": bucket_arn,
                }
                yield RequiredPermission("iam:PassRole", role, account_of(role, lookup.account), passing)
        if call.operation == "CreateBucket":
            for action in dict.fromkeys(action for header, action in ALSO_ON_BUCKET.items() if header in call.headers):
                yield RequiredPermission(f"s3:{action}", bucket_arn, owner, context)
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html (Tags)
            if b"<Tags" in (call.body or b""):
                yield RequiredPermission("s3:TagResource", bucket_arn, owner, context)


def _object_permissions(
    call: Call, lookup: ResourceLookup, bucket: str, key: str, context: Keys
) -> Iterator[RequiredPermission]:
    bucket_arn, owner = f"arn:aws:s3:::{bucket}", lookup.bucket_owner(bucket)
    version = call.query_parameters.get("versionId")
    action = OBJECT_ACTIONS.get(call.operation, call.operation)
    if version:
        action = VERSIONED.get(action, action)
    yield RequiredPermission(f"s3:{action}", f"{bucket_arn}/{key}", owner, context)
    if action == "PutObject":
        for also in dict.fromkeys(also for header, also in ALSO.items() if header in call.headers):
            yield RequiredPermission(f"s3:{also}", f"{bucket_arn}/{key}", owner, context)
    yield from _bypass(call, f"{bucket_arn}/{key}", owner, context)
    if call.operation == "GetObjectAttributes":
        yield RequiredPermission(
            "s3:GetObjectVersion" if version else "s3:GetObject", f"{bucket_arn}/{key}", owner, context
        )
    reads = call.operation in ("GetObject", "HeadObject", "GetObjectAttributes")
    if reads and not lookup.object_exists(bucket, key, version):
        # Without s3:ListBucket, S3 returns 403 instead of 404 for a missing object.
        # Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        # AWS evaluates s3:prefix conditions with the object's key: https://github.com/ceph/ceph/pull/68577
        yield RequiredPermission("s3:ListBucket", bucket_arn, owner, {**context, "s3:prefix": key})
    source = _copy_source(call)
    if source:
        yield from _source_permissions(source, call, lookup, context)
    yield from _key_permissions(call, lookup, bucket, key, version)


def _bypass(call: Call, resource: str, owner: str, context: Keys) -> Iterator[RequiredPermission]:
    if call.headers.get(BYPASS, "").lower() == "true":
        yield RequiredPermission("s3:BypassGovernanceRetention", resource, owner, context)


def _source_permissions(
    source: tuple[str, str, str | None], call: Call, lookup: ResourceLookup, context: Keys
) -> Iterator[RequiredPermission]:
    bucket, key, version = source
    action = "s3:GetObjectVersion" if version else "s3:GetObject"
    yield RequiredPermission(action, f"arn:aws:s3:::{bucket}/{key}", lookup.bucket_owner(bucket), context)
    used = lookup.object_key(bucket, key, version)
    if used:
        yield _key_permission("Decrypt", used, call, lookup, bucket, key)


def _key_permissions(
    call: Call, lookup: ResourceLookup, bucket: str, key: str, version: str | None
) -> Iterator[RequiredPermission]:
    """S3 uses a customer managed key on behalf of the caller."""
    stored = lookup.object_key(bucket, key, version)
    # HeadObject decrypts only the checksum, and only if the request asks for it.
    checksum = call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    if stored and (call.operation == "GetObject" or (call.operation == "HeadObject" and checksum)):
        yield _key_permission("Decrypt", stored, call, lookup, bucket, key)
    if call.operation in BEGINS | GOES_ON:
        new = _new_key(call, lookup, bucket)
        if new:
            yield _key_permission("GenerateDataKey", new, call, lookup, bucket, key)
            if call.operation in GOES_ON:
                yield _key_permission("Decrypt", new, call, lookup, bucket, key)


def _new_key(call: Call, lookup: ResourceLookup, bucket: str) -> str | None:
    algorithm = call.headers.get("x-amz-server-side-encryption")
    if algorithm == "AES256":
        return None
    given = call.headers.get(KEY_HEADER)
    return lookup.key_arn(given, call.region) if given else lookup.bucket_key(bucket)


def _key_permission(
    operation: str, key_arn: str, call: Call, lookup: ResourceLookup, bucket: str, name: str
) -> RequiredPermission:
    about = f"arn:aws:s3:::{bucket}" if lookup.uses_bucket_key(bucket) else f"arn:aws:s3:::{bucket}/{name}"
    owner = key_arn.split(":")[4]
    context: Keys = {
        "kms:ViaService": f"s3.{call.region}.amazonaws.com",
        "kms:CallerAccount": lookup.account,
        "kms:EncryptionContextKeys": ["aws:s3:arn"],
        "kms:EncryptionContext:aws:s3:arn": about,
        "aws:ViaAWSService": "true",
    }
    context |= {f"aws:ResourceTag/{key}": value for key, value in lookup.tags(key_arn).items()}
    return RequiredPermission(f"kms:{operation}", key_arn, owner, context)


def _context(call: Call, lookup: ResourceLookup) -> Keys:
    query = call.query_parameters
    context: Keys = {
        "s3:authType": "REST-QUERY-STRING" if "X-Amz-Signature" in query else "REST-HEADER",
        "s3:signatureversion": "AWS4-HMAC-SHA256",
    }
    context |= {key: query[name] for name, key in QUERY_KEYS.items() if name in query}
    context |= {f"s3:{name}": call.headers[name] for name in HEADER_KEYS if name in call.headers}
    tags = _object_tags(call)
    context |= {f"s3:RequestObjectTag/{key}": value for key, value in tags.items()}
    if tags:
        context["s3:RequestObjectTagKeys"] = list(tags)
    if KEY_HEADER in call.headers:  # S3 compares the key's ARN even if the request has an id or an alias.
        context[f"s3:{KEY_HEADER}"] = lookup.key_arn(call.headers[KEY_HEADER], call.region)
    return context


def _object_tags(call: Call) -> dict[str, str]:
    """The tags that a call gives an object, in a header or in the body of PutObjectTagging.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/tagging-and-policies.html

    Raises:
        AwsError: MalformedXML.
    """
    if call.operation != "PutObjectTagging":
        return dict(parse_qsl(call.headers.get("x-amz-tagging", ""), keep_blank_values=True))
    try:
        given = (xmltodict.parse(call.body or b"")["Tagging"]["TagSet"] or {}).get("Tag", [])
        return {str(tag["Key"]): str(tag["Value"] or "") for tag in (given if isinstance(given, list) else [given])}
    except (ExpatError, ValueError, KeyError, TypeError, AttributeError):  # A ValueError: it declares entities.
        raise AwsError("MalformedXML", MALFORMED_XML) from None


def _copy_source(call: Call) -> tuple[str, str, str | None] | None:
    given = call.headers.get("x-amz-copy-source")
    if not given:
        return None
    parsed = urlparse(given)  # As moto does: `//a/b/c` would otherwise be the key `b/c` here, and the key `c` there.
    bucket, _, key = unquote(parsed.path).lstrip("/").partition("/")
    return bucket, key, parse_qs(parsed.query).get("versionId", [None])[0]


def listed_objects(body: bytes) -> list[tuple[str, bool]]:
    """For each object in the body of DeleteObjects, its key and whether a version is named.

    It is read as moto reads it: whatever is not found here would be deleted without a permission.

    Raises:
        AwsError: MalformedXML, if it names no object, or an object without exactly one key.
    """
    try:
        given = xmltodict.parse(body, strip_whitespace=False)["Delete"]["Object"]
        listed = given if isinstance(given, list) else [given]
        found = [(one["Key"], "VersionId" in one) for one in listed]
    except (ExpatError, ValueError, KeyError, TypeError):  # A ValueError: it declares entities.
        found = []
    if not found or not all(isinstance(name, str) for name, _ in found):
        raise AwsError("MalformedXML", MALFORMED_XML)
    return found
