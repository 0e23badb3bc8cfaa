"""Selects serving images that nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_common.errors import error_code, error_message, is_denied
from mlflow_platform.cleanup.hosting import Hosting, package_containers
from mlflow_platform.cleanup.items import IMAGES, MODELS, Criteria, Found, Item

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment


def repository_name(environment: Environment) -> str:
    """The name of the environment's repository; empty if it has none."""
    return (environment.serving_repository or "").partition("/")[2]


def select_images(
    ecr: ECRClient,
    sagemaker: SageMakerClient,
    environment: Environment,
    hosting: Hosting,
    criteria: Criteria,
    found: Found,
) -> None:
    """Add the images that are older than the newest ones, and that nothing uses.

    A SageMaker model that remains, a model package, or something that pulled it lately may use one.
    """
    repository, name = environment.serving_repository, repository_name(environment)
    if not name:
        return
    deleted = {item.name for item in found.items if item.kind == MODELS}
    try:
        packages = _images_of_packages(sagemaker, environment)
    except sagemaker.exceptions.ClientError as error:
        if not is_denied(error):
            raise
        found.skipped[IMAGES] = f"a model package may use one, and you may not read them: {error_message(error)}"
        return
    used = {image: f"model package {arn}" for image, arn in packages.items()}
    for model in hosting.models:
        if model.name not in deleted:
            used |= dict.fromkeys(model.images, f"SageMaker model {model.name}")
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=name)
    try:
        images: list[Any] = [image for page in pages for image in page["imageDetails"]]
    except Exception as error:
        if error_code(error) != "RepositoryNotFoundException":
            raise
        found.skipped[IMAGES] = f"the image repository {name} does not exist"
        return
    images.sort(key=lambda image: image["imagePushedAt"], reverse=True)
    newest = {image["imageDigest"] for image in [one for one in images if one.get("imageTags")][: criteria.keep_images]}
    for image in images:
        digest, tags = image["imageDigest"], image.get("imageTags", [])
        names = [f"{repository}@{digest}", *(f"{repository}:{tag}" for tag in tags)]
        if not found.selects(criteria, IMAGES, names[-1], image["imagePushedAt"]):
            continue
        user = next((used[one] for one in names if one in used), None)
        if user is not None:
            found.keep(IMAGES, names[-1], f"the {user} uses it")
        elif (pulled := image.get("lastRecordedPullTime")) is not None and pulled >= criteria.before:
            # By a job, for example, whose image no SageMaker model names. ECR updates the time at least every 24 hours:
            # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageDetail.html
            found.keep(IMAGES, names[-1], f"it was pulled on {pulled:%Y-%m-%d}")
        elif digest in newest:
            found.keep(IMAGES, names[-1], f"it is one of the {criteria.keep_images} newest (--keep-images)")
        else:
            detail = f"tags: {', '.join(tags)}" if tags else "no tag"
            found.items.append(Item(IMAGES, digest, detail, image["imagePushedAt"], image.get("imageSizeInBytes", 0)))


def _images_of_packages(sagemaker: SageMakerClient, environment: Environment) -> dict[str, str]:
    """The images of the environment's model packages, with a package's ARN. `promote.py` names the groups.

    A model that is made of a package does not name the image itself.
    """
    pages = sagemaker.get_paginator("list_model_package_groups").paginate(NameContains=environment.prefix)
    groups = [one["ModelPackageGroupName"] for page in pages for one in page["ModelPackageGroupSummaryList"]]
    images: dict[str, str] = {}
    for group in groups:
        if not group.startswith(environment.prefix):
            continue
        listed = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
        for arn in [one["ModelPackageArn"] for page in listed for one in page["ModelPackageSummaryList"]]:
            containers = package_containers(sagemaker.describe_model_package(ModelPackageName=arn))
            images |= {container["Image"]: arn for container in containers if "Image" in container}
    return images
