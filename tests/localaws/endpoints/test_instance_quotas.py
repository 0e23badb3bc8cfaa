"""The account's quotas of instances for endpoints: Service Quotas names them, and endpoints beyond them are refused."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.endpoints.deployment import Deployment, Variant
from localaws.endpoints.instance_quotas import APPLIED, InstanceQuotas, needed
from localaws.errors import AwsError
from tests.localaws.endpoints.hosted import IMAGE, Hosted, unique
from tests.support.running import RunningLocalAws

KIND = "ml.m5.large"
ROLLING = {
    "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}
}


def deployment(instances: int, settings: dict[str, Any] | None = None, kind: str = KIND) -> Deployment:
    state = {"CurrentInstanceCount": instances, "DesiredInstanceCount": instances}
    return Deployment("config", [Variant("one", "image", {}, {}, "role", 60, state, kind)], settings)


def quotas_of(*endpoints: tuple[str, Deployment | None, Deployment | None], most: int = 5) -> InstanceQuotas:
    """Quotas of an account with endpoints in regions, in service and being deployed."""
    found = [SimpleNamespace(region=region, live=live, pending=pending) for region, live, pending in endpoints]
    quotas = InstanceQuotas(SimpleNamespace(all=lambda: found))  # type: ignore[arg-type]
    quotas.set({KIND: most})
    return quotas


@pytest.mark.parametrize(
    ("new", "update", "refused"),
    [
        (deployment(2), False, False),
        (deployment(3), False, True),
        (deployment(3), True, True),
        (deployment(3, ROLLING), True, False),
        (deployment(9, kind="ml.c5.large"), False, False),
        (deployment(APPLIED + 1, kind=""), False, False),
    ],
)
def test_refuses_what_the_account_does_not_have(new: Deployment, update: bool, refused: bool) -> None:
    same = deployment(1)
    quotas = quotas_of(
        ("us-east-1", deployment(2), None), ("eu-west-1", deployment(5), None), ("us-east-1", same, same)
    )
    if not refused:
        quotas.check("us-east-1", needed(new, update=update))
        return
    with pytest.raises(
        AwsError, match="is 5 Instances, with current utilization of 3 Instances and a request delta of 3"
    ):
        quotas.check("us-east-1", needed(new, update=update))


@pytest.mark.parametrize(
    ("given", "message"),
    [([], "Send an object"), ({KIND: -1}, "at least 0"), ({KIND: True}, "integer"), ({"t3.large": 1}, "instance type")],
)
def test_rejects_quotas_that_are_none(given: Any, message: str) -> None:
    quotas = quotas_of()
    with pytest.raises(ValueError, match=message):
        quotas.set(given)
    assert quotas.saved() == {KIND: 5}


def test_an_endpoint_beyond_the_quota_is_refused(hosted: Hosted, localaws: RunningLocalAws) -> None:
    kind, name = "ml.c5.9xlarge", unique("quota")
    localaws.set_quotas({kind: 1})
    service = localaws.client("service-quotas")
    pages = list(service.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"))
    found = {one["QuotaName"]: one for page in pages for one in page["Quotas"]}
    assert len(pages) > 1
    assert found[f"{kind} for endpoint usage"]["Value"] == 1
    assert found["ml.c5.4xlarge for endpoint usage"]["Value"] == APPLIED
    code = found[f"{kind} for endpoint usage"]["QuotaCode"]
    assert service.get_service_quota(ServiceCode="sagemaker", QuotaCode=code)["Quota"]["Value"] == 1
    assert service.list_service_quotas(ServiceCode="sagemaker", QuotaCode=code)["Quotas"][0]["QuotaCode"] == code

    sagemaker = hosted.sagemaker
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=hosted.role, PrimaryContainer={"Image": IMAGE})
    variant = {"VariantName": "one", "ModelName": name, "InstanceType": kind, "InitialInstanceCount": 2}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    with pytest.raises(ClientError, match=f"'{kind} for endpoint usage' is 1 Instances") as refused:
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert refused.value.response["Error"]["Code"] == "ResourceLimitExceeded"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"ServiceCode": "nothing"}, "NoSuchResourceException"),
        ({"ServiceCode": "sagemaker", "NextToken": "unknown"}, "InvalidPaginationTokenException"),
    ],
)
def test_refuses_unknown_services_and_tokens(localaws: RunningLocalAws, given: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        localaws.client("service-quotas").list_service_quotas(**given)


def test_instances_of_a_state_without_types_are_not_counted() -> None:
    quotas_of().check("us-east-1", Counter({"": APPLIED + 1}))
