"""Checks of the artifact store: reading and writing, the bucket's settings, the keys, the image repository."""

from __future__ import annotations

import uuid
from typing import Any

from mlflow_common.errors import error_code, is_denied
from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict, failed, passed, skipped
from mlflow_platform.doctor.policies import same_policy

_CONTENT = b"Written by scripts/doctor.py to test the access. Delete it if you find it.\n"


def access(context: Context) -> Verdict:
    """Artifacts can be written, read and deleted with these credentials."""
    s3, bucket = context.client("s3"), context.environment.bucket
    prefix = context.environment.artifact_store.removeprefix(f"s3://{bucket}").strip("/")
    key = "/".join(filter(None, (prefix, "doctor", uuid.uuid4().hex)))
    written = s3.put_object(Bucket=bucket, Key=key, Body=_CONTENT)
    try:
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    finally:
        _delete(s3, bucket, key, written.get("VersionId"))
    if content != _CONTENT:
        return failed(f"s3://{bucket}/{key} was written, but reads differently.", "Report it to AWS Support.")
    return passed(f"{context.environment.artifact_store} can be written, read and deleted")


def _delete(s3: Any, bucket: str, key: str, version: str | None) -> None:
    """Delete the version, so that nothing is left; without the right to do so, delete the object."""
    try:
        s3.delete_object(Bucket=bucket, Key=key, **({"VersionId": version} if version else {}))
    except s3.exceptions.ClientError as error:
        if not is_denied(error):
            raise
        s3.delete_object(Bucket=bucket, Key=key)


def bucket(context: Context) -> Verdict:
    """Versioning, encryption, public access block, policy and lifecycle rules of buckets are as Terraform set them."""
    state, s3 = context.deployed, context.client("s3")
    wrong = []
    for resource in state.of_type("aws_s3_bucket_versioning"):
        wanted = resource["versioning_configuration"][0]["status"]
        got = s3.get_bucket_versioning(Bucket=resource["bucket"]).get("Status", "Disabled")
        if got != wanted:
            wrong.append(f"versioning of {resource['bucket']} is {got}, not {wanted}")
    for resource in state.of_type("aws_s3_bucket_public_access_block"):
        block = _or_none(lambda name=resource["bucket"]: s3.get_public_access_block(Bucket=name)) or {}
        blocked = block.get("PublicAccessBlockConfiguration", {})
        for attribute, member in (
            ("block_public_acls", "BlockPublicAcls"),
            ("block_public_policy", "BlockPublicPolicy"),
            ("ignore_public_acls", "IgnorePublicAcls"),
            ("restrict_public_buckets", "RestrictPublicBuckets"),
        ):
            if resource[attribute] and not blocked.get(member):
                wrong.append(f"{member} of {resource['bucket']} is off")
    for resource in state.of_type("aws_s3_bucket_server_side_encryption_configuration"):
        rule = resource["rule"][0]["apply_server_side_encryption_by_default"][0]
        found = _or_none(lambda name=resource["bucket"]: s3.get_bucket_encryption(Bucket=name)) or {}
        rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", [{}])
        got = rules[0].get("ApplyServerSideEncryptionByDefault", {})
        if (got.get("SSEAlgorithm"), got.get("KMSMasterKeyID") or "") != (
            rule["sse_algorithm"],
            rule.get("kms_master_key_id") or "",
        ):
            wrong.append(f"the default encryption of {resource['bucket']} is {got.get('SSEAlgorithm', 'off')}")
    for resource in state.of_type("aws_s3_bucket_policy"):
        answer = _or_none(lambda name=resource["bucket"]: s3.get_bucket_policy(Bucket=name))
        if answer is None or not same_policy(answer["Policy"], resource["policy"]):
            wrong.append(f"the policy of {resource['bucket']} {'is missing' if answer is None else 'was changed'}")
    wrong += _lifecycles(context)
    if wrong:
        return failed("; ".join(wrong) + ".", context.apply)
    return passed("versioning, encryption, public access block, policy and lifecycle rules as Terraform set them")


def _lifecycles(context: Context) -> list[str]:
    """The buckets that lack a lifecycle rule, or have another one. What the rules say is not compared."""
    wrong, s3 = [], context.client("s3")
    for resource in context.deployed.of_type("aws_s3_bucket_lifecycle_configuration"):
        found = _or_none(lambda name=resource["bucket"]: s3.get_bucket_lifecycle_configuration(Bucket=name)) or {}
        got = {(one.get("ID"), one["Status"]) for one in found.get("Rules", [])}
        for name, status in sorted(got ^ {(one["id"], one["status"]) for one in resource["rule"]}, key=str):
            what = "was added or changed" if (name, status) in got else "is missing or was changed"
            wrong.append(f"the lifecycle rule {name} ({status}) of {resource['bucket']} {what}")
    return wrong


def keys(context: Context) -> Verdict:
    """Every KMS key is enabled and rotates as Terraform set it."""
    resources, kms = context.deployed.of_type("aws_kms_key"), context.client("kms")
    if not resources:
        return skipped("The environment has no KMS key of its own.")
    wrong = []
    for resource in resources:
        key = resource["key_id"]
        seen = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        if seen == "PendingDeletion":
            repair = f"Run `aws kms cancel-key-deletion --key-id {key}` now, then `aws kms enable-key --key-id {key}`."
            return failed(f"The key {key} is to be deleted: what it encrypts will be lost.", repair)
        if seen != "Enabled":
            return failed(
                f"The key {key} is {seen}, so what it encrypts cannot be read.",
                f"Run `aws kms enable-key --key-id {key}`.",
            )
        if resource["enable_key_rotation"] and not kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]:
            wrong.append(f"the key {key} does not rotate")
    if wrong:
        return failed("; ".join(wrong) + ".", context.apply)
    return passed(f"{len(resources)} enabled")


def repository(context: Context) -> Verdict:
    """The image repository exists, is immutable and scans images, as Terraform set it."""
    wrong, ecr = [], context.client("ecr")
    resources = context.deployed.of_type("aws_ecr_repository")
    for resource in resources:
        name = resource["name"]
        try:
            found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        except ecr.exceptions.RepositoryNotFoundException:
            wrong.append(f"the repository {name} does not exist")
            continue
        if found["imageTagMutability"] != resource["image_tag_mutability"]:
            wrong.append(f"image tags of {name} are {found['imageTagMutability']}")
        wanted = resource["image_scanning_configuration"][0]["scan_on_push"]
        if found["imageScanningConfiguration"]["scanOnPush"] != wanted:
            wrong.append(f"scanning on push of {name} is {'off' if wanted else 'on'}")
    if wrong:
        return failed("; ".join(wrong) + ".", context.apply)
    return passed(", ".join(resource["name"] for resource in resources) or "none")


def _or_none(get: Any) -> Any:
    """The answer of a call; None if what it asks for does not exist."""
    from botocore.exceptions import ClientError

    try:
        return get()
    except ClientError as error:
        if error_code(error).startswith("NoSuch") or error_code(error) in {
            "ServerSideEncryptionConfigurationNotFoundError",
            "404",
        }:
            return None
        raise
