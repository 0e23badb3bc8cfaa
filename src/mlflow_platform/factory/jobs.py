"""What every job that runs training code needs: its image, its role, and how it reaches MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError, PreconditionError

if TYPE_CHECKING:
    from mlflow_platform.environment import Environment


def image_of(environment: Environment, image: str | None, needs: str) -> str:
    """The image of the jobs. `needs` says for the message what it must contain.

    Raises:
        InputError: none is given, and the jobs run on AWS.
    """
    if image:
        return image
    if environment.ref.local:
        # localaws runs the jobs in its own Python environment.
        return "localaws"
    raise InputError(f"--image URI is missing: the image of the jobs, with {needs}.")


def role_of(environment: Environment, role: str | None) -> str:
    """The ARN of the jobs' role.

    Raises:
        PreconditionError: none is given, and the environment has none.
    """
    if role or environment.pipeline_role:
        return role or str(environment.pipeline_role)
    raise PreconditionError(
        f"{environment.name} has no role for pipelines. Set training_pipeline = {{}} in its terraform.tfvars and run "
        f"`{environment.ref.apply_command}`, or name a role with --role."
    )


def mlflow_variables(tracking_uri: str, experiment: str, constants: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a job that logs to an experiment."""
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    return {**dict.fromkeys(names, tracking_uri), "MLFLOW_EXPERIMENT_NAME": experiment, **constants}
