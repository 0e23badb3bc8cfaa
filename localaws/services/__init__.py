"""What localaws adds to moto: one module for each AWS service.

`docs/guides/add-an-aws-operation.md` shows how to add an operation.
"""

import sys
from collections.abc import Callable
from importlib import import_module

from localaws.moto_methods import carry_out_checked_operations
from localaws.quotas import checks as quotas
from localaws.services import (
    budgets,
    cloudwatch,
    codebuild,
    codecommit,
    codepipeline,
    ecr,
    events,
    s3,
    sagemaker,
    scheduler,
    sns,
    sqs,
    sts,
)
from localaws.services.context import ServiceContext

SERVICES = (
    budgets,
    cloudwatch,
    codebuild,
    codecommit,
    codepipeline,
    ecr,
    events,
    s3,
    sagemaker,
    scheduler,
    sns,
    sqs,
    sts,
)

# Installed at their first call, by the names that requests are signed for: moto's part of each imports its EC2, which
# would double the time that localaws takes to start.
LATE = {
    "application-autoscaling": "localaws.services.application_autoscaling",
    "cloudformation": "localaws.services.cloudformation",
    "cloudtrail": "localaws.services.cloudtrail",
    "lambda": "localaws.services.functions",
    "servicequotas": "localaws.services.service_quotas",
    "states": "localaws.services.stepfunctions",
}


def install_all(context: ServiceContext) -> Callable[[str], None]:
    """Change moto's services. Call it once for each process, before the first request.

    Returns:
        Installs a service of `LATE`. Call it before each call of moto, never in two threads at once.
    """
    for service in SERVICES:
        service.install(context)
    quotas.install()
    carry_out_checked_operations()
    prepare = late_installer(context)
    prepare("")
    return prepare


def late_installer(context: ServiceContext) -> Callable[[str], None]:
    """Installs a service of `LATE`, once.

    It also installs Lambda when moto's is imported: a saved state has functions, and other services can invoke them.
    """
    late = dict(LATE)

    def prepare(service: str) -> None:
        if service in late:
            import_module(late.pop(service)).install(context)
        if service != "lambda" and "lambda" in late and "moto.awslambda.models" in sys.modules:
            prepare("lambda")

    return prepare
