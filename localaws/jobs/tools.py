"""What the kinds of jobs share."""

from pathlib import Path
from typing import Any

from localaws.endpoints.records import refusal
from localaws.jobs import mount
from localaws.jobs.record import JobError
from mlflow_common.safe_path import UnsafeNameError, below


def one_instance(cluster: dict[str, Any]) -> None:
    """Refuse a cluster of several instances, or of a type that SageMaker would choose.

    Raises:
        AwsError: ValidationException.
    """
    if cluster.get("InstanceCount", 1) != 1:
        raise refusal("localaws runs a job on one instance. Set InstanceCount to 1.")
    if not cluster.get("InstanceType") and not cluster.get("InstanceGroups"):
        raise refusal("localaws does not choose the type of an instance. Set InstanceType.")


def inside(ml: Path, path: str) -> Path:
    """A path of the container below /opt/ml, as localaws sees it.

    Raises:
        JobError: the path is elsewhere.
    """
    if path.rstrip("/") == mount.ML:
        return ml
    try:
        if not path.startswith(f"{mount.ML}/"):
            raise UnsafeNameError(path, "is outside")
        return below(ml, path.removeprefix(f"{mount.ML}/").strip("/"))
    except UnsafeNameError:
        raise JobError(f"ClientError: The local path {path} must be below {mount.ML}.") from None
