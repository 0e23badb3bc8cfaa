"""Finds the endpoint to validate, and checks that it serves the wanted model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow_common.errors import PreconditionError
from mlflow_platform.endpoints import model, state
from mlflow_platform.endpoints.state import ServedModel
from mlflow_platform.validation import served_artifact
from mlflow_platform.validation.served_artifact import ServedArtifact

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

_SERVES_NOTHING = {"Creating", "Deleting", "Failed", "OutOfService"}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that serves.

    Attributes:
        name: its name.
        served: the model that it serves, as its tags say.
        artifact: the model's files; None where it is not an MLflow model.
        variants: the names of its variants that answer requests. The first one serves the model.
    """

    name: str
    served: ServedModel
    artifact: ServedArtifact | None
    variants: tuple[str, ...] = ()

    @property
    def run_id(self) -> str | None:
        """The run that logged the model, as the endpoint's tags say."""
        return self.served.run_id

    @property
    def asked(self) -> str | None:
        """The variant that requests must name to get answers of one model; None if there is only one."""
        return self.variants[0] if len(self.variants) > 1 else None


def find(
    sagemaker: SageMakerClient, s3: S3Client, environment: Environment, name: str, *, wanted: str | None
) -> Endpoint:
    """Find an endpoint that serves. `wanted` is the name of the registered model that it must serve, if any.

    Raises:
        PreconditionError: there is no such endpoint, it does not serve, is being updated or is asynchronous, or it
            serves another registered model.
    """
    found = state.find(sagemaker, name)
    if found is None:
        raise PreconditionError(
            f"there is no endpoint {name}. Deploy one with `.venv/bin/python scripts/deploy_model.py MODEL "
            f"{environment.ref.options}`."
        )
    if found.status in _SERVES_NOTHING:
        raise PreconditionError(f"the endpoint {name} is {found.status} and serves nothing. Deploy a model to it.")
    if found.pending_config not in {"", found.config}:
        raise PreconditionError(
            f"the endpoint {name} is {found.status} to another configuration, so its answers may be of two models. "
            "Wait until it is InService."
        )
    served = ServedModel.from_tags(state.tags_of(sagemaker, found))
    if served.name is None and served.uri:
        served = replace(served, name=model.registered_name(served.uri))
    if wanted:
        advice = f"Give the endpoint of {wanted} with --endpoint, or give --endpoint {name} without a model."
        state.check_same_model(name, served, wanted, advice=advice)
    config = state.find_config(sagemaker, found.config)
    if "AsyncInferenceConfig" in config:
        raise PreconditionError(
            f"the endpoint {name} is asynchronous, and cannot be validated. Deploy the model to another "
            "--endpoint without --async, or send rows with scripts/predict_async.py."
        )
    names = tuple(variant["VariantName"] for variant in config.get("ProductionVariants", []))
    return Endpoint(name, served, served_artifact.find(sagemaker, s3, found.config), names)
