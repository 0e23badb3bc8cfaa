"""Which service principals a policy may name: AWS refuses a policy with one that does not exist.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html (section AWS service
principals). AWS publishes no list of them, so only what cannot be one is refused: a name of another form, and one that
differs in one letter from a name that botocore or a managed policy has. An unknown name is accepted with a warning.
"""

import logging
import re
from functools import cache

import botocore.session
from botocore.exceptions import UnknownServiceError
from moto.core.utils import get_service_model

from localaws.front.sigv4 import regions

log = logging.getLogger(__name__)

# `sagemaker.amazonaws.com`, `logs.us-east-1.amazonaws.com`, `ec2.amazonaws.com.cn`, `delivery.logs.amazonaws.com`
_PRINCIPAL = re.compile(r"(?P<name>[a-z0-9-]+(\.[a-z0-9-]+)*)\.amazonaws\.com(\.cn)?", re.ASCII)
# Forms whose names are not looked up, such as `alexa-appkit.amazon.com` and `service.aws.internal`.
_OTHER_FORM = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazon\.com|aws\.internal)", re.ASCII)
_MANAGED = re.compile(r'"([a-z0-9-]+)\.amazonaws\.com"', re.ASCII)
# botocore's name of a service whose principal has another one: `states`.
_WRONG = frozenset({"stepfunctions"})
# Shorter names differ in one letter from many others.
_SHORTEST_TYPO = 6
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
    """Whether a service principal may exist."""
    found = _PRINCIPAL.fullmatch(principal)
    if not found:
        return _OTHER_FORM.fullmatch(principal) is not None
    labels = [label for label in found["name"].split(".") if label not in regions()]
    # The last label is the service: `delivery.logs`, `monitoring.rds`.
    return bool(labels) and _is_service(labels[-1])


@cache
def _is_service(name: str) -> bool:
    if name in USUAL | OTHERS:
        return True
    if name in _WRONG:
        return False
    try:
        known = get_service_model(name).metadata
    except UnknownServiceError:
        known = {}
    if name in (known.get("signingName"), known.get("endpointPrefix")) or name in _names():
        return True
    if len(name) >= _SHORTEST_TYPO and any(_is_near(name, other) for other in _names()):
        return False
    log.warning("localaws does not know the service principal %s.amazonaws.com and accepts it.", name)
    return True


@cache
def _names() -> frozenset[str]:
    """The names of services that botocore knows, and those in managed policies."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    services = botocore.session.get_session().get_available_services()
    return frozenset(services) | set(_MANAGED.findall(aws_managed_policies_data)) | USUAL | OTHERS


def _is_near(one: str, other: str) -> bool:
    """Whether texts differ by one letter that is added, removed, replaced or exchanged with the next."""
    if abs(len(one) - len(other)) > 1:
        return False
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) == 1 or (len(one) == len(other) == 2 and one == other[::-1])
