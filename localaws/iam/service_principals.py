"""Which service principals exist: AWS refuses a policy that names another one.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html (section AWS service
principals). AWS publishes no list of them. Here a principal exists if its name is that of a service that botocore
knows, if a policy that AWS manages names it, or if it is one of `OTHERS`.
"""

import re
from functools import cache

from botocore.exceptions import UnknownServiceError
from moto.core.utils import get_service_model

from localaws.front.sigv4 import regions

# `sagemaker.amazonaws.com`, `logs.us-east-1.amazonaws.com`, `ec2.amazonaws.com.cn`, `delivery.logs.amazonaws.com`
_PRINCIPAL = re.compile(r"(?P<name>[a-z0-9-]+(\.[a-z0-9-]+)*)\.amazonaws\.com(\.cn)?", re.ASCII)
# Names that neither botocore nor a managed policy has.
OTHERS = frozenset(
    {"airflow-env", "billingreports", "costalerts", "directoryservice", "edgelambda", "eks-fargate-pods", "email"}
    | {"iotanalytics", "iotevents", "lookoutvision", "opsworks", "ssmmessages", "verified-access", "vpc-flow-logs"}
)
# The usual ones, which need no search.
USUAL = frozenset(
    {"codebuild", "codepipeline", "ec2", "ecs-tasks", "events", "lambda", "sagemaker", "scheduler", "states"}
)


def exists(principal: str) -> bool:
    """Whether a service principal exists."""
    found = _PRINCIPAL.fullmatch(principal)
    if not found:
        # AWS's newer form, such as `service.aws.internal`, is not looked up.
        return principal.endswith(".aws.internal")
    labels = [label for label in found["name"].split(".") if label not in regions()]
    # The last label is the service: `delivery.logs`, `monitoring.rds`.
    return bool(labels) and _is_service(labels[-1])


@cache
def _is_service(name: str) -> bool:
    if name in USUAL | OTHERS:
        return True
    try:
        known = get_service_model(name).metadata
    except UnknownServiceError:
        known = {}
    # The principal of `stepfunctions` is `states`: botocore's own name of a service is not the principal's.
    if name in (known.get("signingName"), known.get("endpointPrefix")):
        return True
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    return f'"{name}.amazonaws.com"' in aws_managed_policies_data
