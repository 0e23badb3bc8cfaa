"""Which endpoints capture data, where to, and what each variant has served."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.endpoints import state
from mlflow_platform.endpoints.state import ServedModel
from mlflow_platform.monitoring.dataset import Deployment
from mlflow_platform.monitoring.store import Store
from mlflow_platform.validation import served_artifact
from mlflow_platform.validation.signature import ColumnSpec, Signature

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class Variant:
    """A variant whose requests are captured.

    Attributes:
        endpoint, name: its endpoint's name and its own.
        destination: the URI below which the endpoint's requests are captured.
        current: what it serves now.
    """

    endpoint: str
    name: str
    destination: str
    current: Deployment


def capturing(sagemaker: SageMakerClient, environment: Environment) -> list[str]:
    """The names of the environment's endpoints that capture data, sorted.

    An endpoint may have any name, so its tags decide. Other teams' endpoints, whose tags may not be read, are left out.

    Raises:
        PreconditionError: the tags of an endpoint that is named after the environment may not be read.
    """
    pages = sagemaker.get_paginator("list_endpoints").paginate()
    listed = [each for page in pages for each in page["Endpoints"]]
    names = sorted(each["EndpointName"] for each in listed if _is_own(sagemaker, environment, each))
    return [name for name in names if (found := state.find(sagemaker, name)) and _destination(sagemaker, found.config)]


def _is_own(sagemaker: SageMakerClient, environment: Environment, listed: Any) -> bool:
    found = state.is_own(sagemaker, environment, listed["EndpointArn"])
    name = listed["EndpointName"]
    # The monitoring job's role may read the tags of endpoints that are named after the environment.
    if found is None and name.startswith(environment.prefix):
        raise PreconditionError(
            f"the tags of the endpoint {name} may not be read, so it is unknown whether to monitor it. Use a role with "
            "sagemaker:ListTags on it."
        )
    return bool(found)


def find(
    sagemaker: SageMakerClient, environment: Environment, endpoint: str
) -> tuple[state.EndpointState, dict[str, str]]:
    """An endpoint's state and tags.

    Raises:
        InputError: there is no such endpoint, or it belongs to another environment.
    """
    found = state.find(sagemaker, endpoint)
    if found is None:
        raise InputError(
            f"there is no endpoint {endpoint}. `.venv/bin/python scripts/monitor.py status {environment.ref.options}` "
            "lists those that capture data."
        )
    tags = state.tags_of(sagemaker, found)
    if any(tags.get(key) != value for key, value in environment.tags.items()):
        raise InputError(f"the endpoint {endpoint} belongs to another environment. Choose another with --endpoint.")
    return found, tags


def variants(sagemaker: SageMakerClient, s3: S3Client, environment: Environment, endpoint: str) -> list[Variant]:
    """The variants of an endpoint that captures data.

    Raises:
        InputError: there is no such endpoint, or it belongs to another environment.
        PreconditionError: the endpoint captures no data.
    """
    found, tags = find(sagemaker, environment, endpoint)
    destination = _destination(sagemaker, found.config)
    if destination is None:
        raise PreconditionError(
            f"the endpoint {endpoint} captures no data. Deploy its model again with "
            f"`.venv/bin/python scripts/deploy_model.py MODEL {environment.ref.options} --capture 100`."
        )
    production = sagemaker.describe_endpoint_config(EndpointConfigName=found.config)["ProductionVariants"]
    # Equal models of two versions share a SageMaker model, and so its tags. Only the tags of the endpoint are always of
    # the version that was deployed; with several variants they are of one.
    endpoint_tags = tags if len(production) == 1 else {}
    return [
        Variant(
            endpoint,
            each["VariantName"],
            destination,
            _served(sagemaker, s3, each.get("ModelName", ""), endpoint_tags, found.modified),
        )
        for each in production
    ]


def remember(store: Store, variant: str, current: Deployment) -> list[Deployment]:
    """The deployments of a variant that monitoring has seen, with the current one last, and store them.

    SageMaker keeps no history. A rollback serves an earlier model again, so the time is the endpoint's last change.
    Requests from before the first deployment that was seen are attributed to no model.
    """
    key = f"deployments/variant={variant}.json"
    known: list[Deployment] = store.read_json(key, lambda found: [_from_json(each) for each in found], [])
    if known and known[-1].run_id == current.run_id and known[-1].uri == current.uri:
        return known
    if not known or current.since > known[-1].since:
        known.append(current)
        content = json.dumps([dataclasses.asdict(each) | {"since": each.since.isoformat()} for each in known], indent=1)
        store.write(key, content.encode(), "application/json")
    return known


def _served(
    sagemaker: SageMakerClient, s3: S3Client, model: str, endpoint_tags: Mapping[str, str], modified: datetime
) -> Deployment:
    """What a variant serves, as the endpoint's tags say, or those of its SageMaker model where these are empty."""
    described = sagemaker.describe_model(ModelName=model)
    tags = state.read_tags(sagemaker, described["ModelArn"])
    served = ServedModel.from_tags(endpoint_tags if "run-id" in endpoint_tags else tags)
    artifact = served_artifact.of_model(s3, described)
    signature = artifact.signature if artifact else Signature()
    return Deployment(modified.astimezone(UTC).replace(microsecond=0), served.run_id, served.uri, signature)


def _destination(sagemaker: SageMakerClient, config: str) -> str | None:
    capture: Any = sagemaker.describe_endpoint_config(EndpointConfigName=config).get("DataCaptureConfig", {})
    return capture.get("DestinationS3Uri") if capture.get("EnableCapture", True) else None


def _from_json(found: Mapping[str, Any]) -> Deployment:
    signature = found["signature"]
    return Deployment(
        datetime.fromisoformat(found["since"]),
        found["run_id"],
        found["uri"],
        Signature(_columns(signature["inputs"]), _columns(signature["outputs"]), tuple(signature["class_names"])),
    )


def _columns(found: Sequence[Mapping[str, Any]]) -> tuple[ColumnSpec, ...]:
    return tuple(ColumnSpec(**{**each, "shape": tuple(each["shape"])}) for each in found)
