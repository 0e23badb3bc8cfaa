"""Selects serving images that nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_common.errors import error_code
from mlflow_platform.cleanup.hosting import Hosting
from mlflow_platform.cleanup.items import IMAGES, MODELS, Criteria, Found, Item

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

    from mlflow_platform.environment import Environment


def repository_name(environment: Environment) -> str:
    """The name of the environment's repository; empty if it has none."""
    return (environment.serving_repository or "").partition("/")[2]


def select_images(ecr: ECRClient, environment: Environment, hosting: Hosting, criteria: Criteria, found: Found) -> None:
    """Add the images that are older than the newest ones, and that no remaining SageMaker model uses."""
    repository, name = environment.serving_repository, repository_name(environment)
    if not name:
        return
    deleted = {item.name for item in found.items if item.kind == MODELS}
    used = {image: model.name for model in hosting.models if model.name not in deleted for image in model.images}
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
        if image["imagePushedAt"] >= criteria.before:
            continue
        digest, tags = image["imageDigest"], image.get("imageTags", [])
        names = [f"{repository}@{digest}", *(f"{repository}:{tag}" for tag in tags)]
        user = next((used[one] for one in names if one in used), None)
        if user is not None:
            found.keep(IMAGES, names[-1], f"the SageMaker model {user} uses it")
        elif digest in newest:
            found.keep(IMAGES, names[-1], f"it is one of the {criteria.keep_images} newest (--keep-images)")
        else:
            detail = f"tags: {', '.join(tags)}" if tags else "no tag"
            found.items.append(Item(IMAGES, digest, detail, image["imagePushedAt"], image.get("imageSizeInBytes", 0)))
