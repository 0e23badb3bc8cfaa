"""Methods of moto that localaws replaces."""

from functools import wraps
from typing import Any

from localaws.call import current_call

# Signing names that differ from botocore's name of the service.
BOTOCORE_NAMES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "states": "stepfunctions",
}


def original(method: Any) -> Any:
    """Return moto's own method, also where another localaws in this process has replaced it (with functools.wraps)."""
    return getattr(method, "__wrapped__", method)


def carry_out_checked_operations() -> None:
    """Let moto carry out the operation whose permissions were checked, in the region of the signature.

    moto takes `Action` in any URL and the header `x-amz-target` of any protocol for the operation: a request that was
    checked as `ListModels` could be carried out as `DeleteModel`. S3 has no such names; `one_reading` is for it. For
    the region, moto takes the one in `User-Agent` or in the URL.
    """
    from moto.core.responses import BaseResponse

    read = original(BaseResponse._get_action)

    @wraps(read)
    def checked(response: Any) -> Any:
        found = read(response)  # It also keeps the parameters of the path.
        call = current_call.get(None)
        if call is None or call.operation == "-" or call.service == "s3":
            return found
        own = BOTOCORE_NAMES.get(call.service, call.service) == response.boto3_service_name
        return call.operation if own else found

    read_region = original(BaseResponse.get_region_from_url)

    @wraps(read_region)
    def checked_region(response: Any, request: Any, url: str) -> Any:
        call = current_call.get(None)
        return (call and call.region) or read_region(response, request, url)

    BaseResponse._get_action = checked
    BaseResponse.get_region_from_url = checked_region
