"""The account's quotas of instances for endpoints: one for each instance type, in each region.

Service Quotas names them `TYPE for endpoint usage`. AWS's default is 0 for nearly every type, and each account has
others: https://github.com/awslabs/amazon-sagemaker-examples/issues/593. localaws's account has `APPLIED` instances of
each type, and POST /_localaws/quotas sets another number.

What AWS counts is not documented. The API names ResourceLimitExceeded for the operations that use this module,
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html says that an update first starts
the new fleet beside the old one, and -rolling.html that a rolling update needs fewer instances.
"""

import math
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from moto.core.utils import get_service_model

from localaws.endpoints.deployment import Deployment, Variant
from localaws.endpoints.endpoints import Endpoints
from localaws.endpoints.records import limit_exceeded

APPLIED = 100


class InstanceQuotas:
    """The quotas, and what the account's endpoints use of them."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._changed: dict[str, int] = {}

    def of(self, instance_type: str) -> int:
        """Return how many instances of a type the account may have in a region."""
        return self._changed.get(instance_type, APPLIED)

    def set(self, given: Any) -> None:
        """Set quotas, such as {"ml.m5.large": 2}.

        Raises:
            ValueError: not such an object.
        """
        if not isinstance(given, dict):
            raise ValueError('Send an object such as {"ml.m5.large": 2}.')
        for instance_type, most in given.items():
            if instance_type not in instance_types():
                raise ValueError(f"{instance_type} is not an instance type for endpoints.")
            if type(most) is not int or most < 0:
                raise ValueError(f"The quota of {instance_type} must be an integer of at least 0.")
        self._changed |= given

    def saved(self) -> dict[str, int]:
        """Return the quotas that differ from the default."""
        return dict(self._changed)

    def load(self, saved: dict[str, int]) -> None:
        """Replace the quotas by saved ones."""
        self._changed = dict(saved)

    def check(self, region: str, wanted: Counter[str]) -> None:
        """Refuse a request for more instances than the account may have.

        Raises:
            AwsError: ResourceLimitExceeded.
        """
        used = self._used(region)
        for kind, delta in wanted.items():
            if kind and delta > 0 and used[kind] + delta > self.of(kind):
                raise limit_exceeded(quota_name(kind), self.of(kind), "Instances", used[kind], delta)

    def _used(self, region: str) -> Counter[str]:
        used = Counter[str]()
        for endpoint in self._endpoints.all():
            # At the end of an update, both are the same deployment for a moment.
            running = {id(one): one for one in (endpoint.live, endpoint.pending) if one and endpoint.region == region}
            for deployment in running.values():
                used += count([*deployment.variants, *deployment.shadows])
        return used


def quota_name(instance_type: str) -> str:
    """The name of a quota, as in https://github.com/aws/amazon-sagemaker-examples/issues/307."""
    return f"{instance_type} for endpoint usage"


@cache
def instance_types() -> frozenset[str]:
    """The instance types of endpoints."""
    return frozenset(get_service_model("sagemaker").shape_for("ProductionVariantInstanceType").enum)


def needed(deployment: Deployment, *, update: bool) -> Counter[str]:
    """Return how many instances a deployment starts beside those that run: all of them, or a batch of them."""
    variants = [*deployment.variants, *deployment.shadows]
    if not update or not (deployment.settings or {}).get("RollingUpdatePolicy"):
        return count(variants)
    share = deployment.rollout().steps[0]
    return Counter({kind: math.ceil(round(number * share, 9)) for kind, number in count(variants).items()})


def count(variants: Iterable[Variant]) -> Counter[str]:
    """Return how many instances variants have or are getting, by type."""
    found = Counter[str]()
    for one in variants:
        if one.instance_type:
            found[one.instance_type] += max(one.instances, one.state.get("CurrentInstanceCount", 0))
    return found
