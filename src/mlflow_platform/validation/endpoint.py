"""The endpoint to validate: whether it serves, which model, and of which run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_common.errors import PreconditionError
from mlflow_platform.endpoints import deployment, model
from mlflow_platform.validation import served_model
from mlflow_platform.validation.served_model import ServedModel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

_SERVES_NOTHING = {"Creating", "Deleting", "Failed", "OutOfService"}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that serves. `model` is None where it is not an MLflow model."""

    name: str
    tags: Mapping[str, str]
    model: ServedModel | None

    @property
    def run_id(self) -> str | None:
        """The run that logged the model, as the endpoint's tags say."""
        return self.tags.get("run-id") or None


def find(
    sagemaker: SageMakerClient, s3: S3Client, environment: Environment, name: str, *, wanted: str | None
) -> Endpoint:
    """Find an endpoint that serves. `wanted` is the name of the registered model that it must serve, if any.

    Raises:
        PreconditionError: there is no such endpoint, it does not serve, or it serves another registered model.
    """
    state = deployment.look(sagemaker, name)
    if state is None:
        raise PreconditionError(
            f"there is no endpoint {name}: deploy one with `python scripts/deploy_model.py MODEL {environment.options}`"
        )
    if state.status in _SERVES_NOTHING:
        raise PreconditionError(f"the endpoint {name} is {state.status} and serves nothing: deploy a model to it")
    tags = deployment.tags_of(sagemaker, state)
    serves = tags.get("model-name") or model.registered_name(tags.get("model-uri", ""))
    if wanted and serves and serves != wanted:
        raise PreconditionError(
            f"the endpoint {name} serves the registered model {serves!r}, not {wanted!r}: give --endpoint with the "
            f"endpoint of {wanted!r}, or validate models:/{serves}"
        )
    return Endpoint(name, tags, served_model.find(sagemaker, s3, state.config))
