"""Service Quotas: SageMaker's quotas of instances and of serverless concurrency for endpoints. moto has those of VPC.

https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html, and API_GetServiceQuota
beside it. No page of AWS has the codes of the instances' quotas, so those of localaws are its own: use the names.
"""

import hashlib
from collections.abc import Iterator
from functools import wraps
from typing import Any

from moto.core.responses import ActionResult
from moto.servicequotas.responses import ServiceQuotasResponse

from localaws.endpoints.instance_quotas import InstanceQuotas, instance_types, quota_name
from localaws.endpoints.serverless import CONCURRENCY, CONCURRENCY_CODE, CONCURRENCY_ELSEWHERE, CONCURRENCY_QUOTA
from localaws.errors import AwsError
from localaws.moto_methods import original
from localaws.page_tokens import position_of, token_at
from localaws.services.context import ServiceContext

SERVICE = "sagemaker"
# "Valid Range: Minimum value of 1. Maximum value of 100."
MOST_RESULTS = 100


def install(context: ServiceContext) -> None:
    """Adds SageMaker's quotas to moto's Service Quotas."""
    get = original(ServiceQuotasResponse.get_service_quota)

    def list_service_quotas(self: Any) -> ActionResult:
        _check_service(self)
        wanted, most = self._get_param("QuotaCode"), self._get_param("MaxResults") or MOST_RESULTS
        if not 1 <= most <= MOST_RESULTS:
            raise AwsError("IllegalArgumentException", f"MaxResults must be 1 to {MOST_RESULTS}.")
        try:
            start = position_of(self._get_param("NextToken"))
        except ValueError:
            raise AwsError("InvalidPaginationTokenException", "The pagination token is not valid.") from None
        found = [one for one in _quotas(self, context.instance_quotas) if wanted in (None, one["QuotaCode"])]
        page = {"Quotas": found[start : start + most]}
        return ActionResult(page | ({"NextToken": token_at(start + most)} if start + most < len(found) else {}))

    @wraps(get)
    def get_service_quota(self: Any) -> Any:
        if self._get_param("ServiceCode") != SERVICE:
            return get(self)
        for one in _quotas(self, context.instance_quotas):
            if one["QuotaCode"] == self._get_param("QuotaCode"):
                return ActionResult({"Quota": one})
        raise _no_such_resource()

    ServiceQuotasResponse.list_service_quotas = list_service_quotas
    ServiceQuotasResponse.get_service_quota = get_service_quota


def _quotas(response: Any, instances: InstanceQuotas) -> Iterator[dict[str, Any]]:
    region = response.region
    concurrency = CONCURRENCY.get(region, CONCURRENCY_ELSEWHERE)
    yield _quota(response, CONCURRENCY_CODE, CONCURRENCY_QUOTA, concurrency)
    for kind in sorted(instance_types()):
        name = quota_name(kind)
        code = f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"
        yield _quota(response, code, name, instances.of(kind))


def _quota(response: Any, code: str, name: str, value: int) -> dict[str, Any]:
    return {
        "ServiceCode": SERVICE,
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": f"arn:aws:servicequotas:{response.region}:{response.current_account}:{SERVICE}/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": float(value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }


def _check_service(response: Any) -> None:
    if response._get_param("ServiceCode") != SERVICE:
        raise _no_such_resource()


def _no_such_resource() -> AwsError:
    return AwsError("NoSuchResourceException", "The request failed because the specified service does not exist.")
