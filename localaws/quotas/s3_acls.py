"""ACLs that S3 refuses: those of buckets whose owner enforces ownership, and public ones.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-ownership-error-responses.html (ownership),
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html (BlockPublicAcls), and for
the error of CreateBucket
https://aws.amazon.com/blogs/aws/heads-up-amazon-s3-security-changes-are-coming-in-april-of-2023/.
"""

from typing import Any

from localaws.call import Call
from localaws.errors import AwsError

ENFORCED = "BucketOwnerEnforced"
# With ACLs disabled, an upload may have these: https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
OWNERS = ("bucket-owner-full-control", "private")
PUBLIC = ("public-read", "public-read-write", "authenticated-read")
GROUPS = ("/groups/global/AllUsers", "/groups/global/AuthenticatedUsers")
# These fail for each ACL: API_PutBucketAcl and API_PutObjectAcl, "Requests to set ACLs or update ACLs fail".
SETS = ("PutBucketAcl", "PutObjectAcl")


def check(call: Call, bucket: Any) -> None:
    """Refuse the ACL of a request.

    Args:
        bucket: moto's; None if it does not exist.

    Raises:
        AwsError: AccessControlListNotSupported, AccessDenied or an error of CreateBucket.
    """
    acl = call.headers.get("x-amz-acl", "")
    granted = " ".join(value for name, value in call.headers.items() if name.startswith("x-amz-grant-"))
    if call.operation == "CreateBucket":
        _check_new(call.headers.get("x-amz-object-ownership") or ENFORCED, acl, granted)
    elif bucket is None:
        return
    elif ENFORCED in str(bucket.ownership_rule or ENFORCED):
        if call.operation in SETS or granted or (acl and acl not in OWNERS):
            raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")
    elif _is_blocked(bucket):
        listed = (call.body or b"").decode(errors="replace") if call.operation in SETS else ""
        if _is_public(acl, granted + listed):
            raise AwsError("AccessDenied", "Access Denied", 403)


def _check_new(ownership: str, acl: str, granted: str) -> None:
    if ownership == ENFORCED and (granted or (acl and acl not in OWNERS)):
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise AwsError("InvalidBucketAclWithObjectOwnership", message)
    if _is_public(acl, granted):
        message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled"
        raise AwsError("InvalidBucketAclWithBlockPublicAccessError", message)


def _is_public(acl: str, granted: str) -> bool:
    return acl in PUBLIC or any(group in granted for group in GROUPS)


def _is_blocked(bucket: Any) -> bool:
    return str(getattr(bucket.public_access_block, "block_public_acls", "")).lower() == "true"
