"""What the environment stores: objects with all their versions, and images."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import is_denied
from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.monthly_cost.lines import STORAGE, CostLine
from mlflow_platform.plan_guard.cost import Prices

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_s3 import S3Client

# AWS bills a gigabyte of 2**30 bytes (aws.amazon.com/s3/faqs, "How will I be charged").
_GB = 1 << 30
_STANDARD = "STANDARD"
_UNIT = "GB-month"


def bucket_lines(s3: S3Client, uri: str, prices: Prices, region: str) -> list[CostLine]:
    """A line for each storage class of the objects below an S3 URI.

    Old versions are billed like current ones, so they count too if the caller may list them. Today's size counts for
    both months.
    """
    sizes, all_versions = _sizes(s3, uri)
    of = "all versions" if all_versions else "without old versions, which you may not list"
    lines = []
    for storage_class, size in sorted(sizes.items()) or [(_STANDARD, 0)]:
        resource = "aws_s3_bucket" if storage_class == _STANDARD else f"aws_s3_bucket, {storage_class}"
        lines.append(_line(f"{uri} (S3 {storage_class})", size, of, prices, (region, resource)))
    if not all_versions:
        lines.append(
            CostLine(STORAGE, f"{uri} (old versions)", "their size is not known: s3:ListBucketVersions is denied")
        )
    return lines


def image_lines(ecr: ECRClient, repository: str, prices: Prices, region: str) -> list[CostLine]:
    """The line of an image repository, if it exists. Images share layers, so that AWS bills at most this."""
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=repository)
    try:
        size = sum(image.get("imageSizeInBytes", 0) for page in pages for image in page["imageDetails"])
    except ecr.exceptions.RepositoryNotFoundException:
        return []
    return [_line(f"images in {repository}", size, "at most", prices, (region, "aws_ecr_repository"))]


def _line(what: str, size: int, of: str, prices: Prices, where: tuple[str, str]) -> CostLine:
    price = next((one for one in prices.find(*where, "")[1] if one.unit == _UNIT), None)
    amount = f"{size / _GB:.3g} GB, {of}"
    if price is None:
        return CostLine(STORAGE, what, f"no price known; {amount}")
    cost = size / _GB * price.price
    return CostLine(STORAGE, what, f"{amount}, x {price.price:g}", cost, cost)


def _sizes(s3: S3Client, uri: str) -> tuple[Counter[str], bool]:
    """Bytes by storage class, and whether they include old versions."""
    bucket, prefix = split_uri(uri)
    below = f"{prefix}/" if prefix else ""
    try:
        return _sum(s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=below), "Versions"), True
    except s3.exceptions.ClientError as error:
        if not is_denied(error):
            raise
    return _sum(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below), "Contents"), False


def _sum(pages: Any, member: str) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for page in pages:
        for item in page.get(member, []):
            sizes[item.get("StorageClass", _STANDARD)] += item["Size"]
    return sizes
