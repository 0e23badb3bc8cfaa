"""How many instances of a type the account may have, as Service Quotas knows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

# AWS's names of these quotas, as in https://github.com/aws/amazon-sagemaker-examples/issues/307 and
# https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
ENDPOINT, TRANSFORM = "{} for endpoint usage", "{} for transform job usage"
# What helps against a quota that is too small.
REQUEST = "Request an increase in the Service Quotas console"


def read_quotas(client: Any, names: Collection[str]) -> dict[str, float]:
    """Return the account's quotas with these names. One that AWS does not list is missing.

    Raises:
        ClientError: Service Quotas may not be read.
    """
    found: dict[str, float] = {}
    for page in client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"):
        found |= {one["QuotaName"]: one["Value"] for one in page["Quotas"] if one["QuotaName"] in names}
        if len(found) == len(names):
            break
    return found
