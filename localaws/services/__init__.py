"""What localaws adds to moto: one module for each AWS service.

`docs/guides/add-an-aws-operation.md` shows how to add an operation.
"""

from localaws.quotas import checks as quotas
from localaws.services import (
    application_autoscaling,
    budgets,
    cloudformation,
    cloudwatch,
    codebuild,
    codecommit,
    codepipeline,
    ecr,
    events,
    s3,
    sagemaker,
    scheduler,
    stepfunctions,
)
from localaws.services.context import ServiceContext

SERVICES = (
    application_autoscaling,
    budgets,
    cloudformation,
    cloudwatch,
    codebuild,
    codecommit,
    codepipeline,
    ecr,
    events,
    s3,
    sagemaker,
    scheduler,
    stepfunctions,
)


def install_all(context: ServiceContext) -> None:
    """Changes moto's services. Call it once for each process, before the first request."""
    for service in SERVICES:
        service.install(context)
    quotas.install()
