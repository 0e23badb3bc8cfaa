"""What an endpoint has now and loses with a deployment, because the deployment does not name it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from mlflow_platform.endpoints.specification import CHALLENGER, VARIANT
from mlflow_platform.endpoints.state import find, find_config, is_missing, is_serverless

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.endpoints.specification import EndpointSpec


def ended_settings(sagemaker: SageMakerClient, spec: EndpointSpec, named: Collection[str] = ()) -> list[str]:
    """The options whose effects end with a deployment.

    Clients of a queue cannot use an endpoint without one (SageMaker Developer Guide, async-inference.html).

    Args:
        named: options with a default that the deployment names, so that their change is wanted.
    """
    state = find(sagemaker, spec.endpoint)
    config = find_config(sagemaker, state.config) if state else {}
    if not config:
        return []
    ends = {
        "--async": spec.asynchronous is None and "AsyncInferenceConfig" in config,
        "--serverless": spec.serverless is None and is_serverless(config),
        "--capture": spec.capture_percent is None and config.get("DataCaptureConfig", {}).get("EnableCapture", False),
        "--kms-key": spec.kms_key is None and bool(config.get("KmsKeyId")),
        "--subnet": spec.network is None and _has_network(sagemaker, config),
    }
    ended = [option for option, does in ends.items() if does]
    return [*ended, *_variants(spec, config), *_instances(spec, config, named)]


def _has_network(sagemaker: SageMakerClient, config: Mapping[str, Any]) -> bool:
    """Whether the main variant's model runs in a VPC."""
    try:
        model = sagemaker.describe_model(ModelName=_main(config).get("ModelName", ""))
    except sagemaker.exceptions.ClientError as error:
        if is_missing(error):
            return False
        raise
    return bool(model.get("VpcConfig", {}).get("Subnets"))


def _variants(spec: EndpointSpec, config: Mapping[str, Any]) -> list[str]:
    names = sorted({one["VariantName"] for one in config["ProductionVariants"]} - {VARIANT, *spec.variants})
    shadows = config.get("ShadowProductionVariants") and not any(other.shadow for other in spec.others)
    challengers = ["--challenger" if name == CHALLENGER else f"--variant {name}" for name in names]
    return [*challengers, *(["--shadow"] if shadows else [])]


def _instances(spec: EndpointSpec, config: Mapping[str, Any], named: Collection[str]) -> list[str]:
    """The kind and the number of instances, if they return to the defaults."""
    main = _main(config)
    if spec.serverless or "InstanceType" not in main:
        return []
    changes = {
        "--instance-type": (main["InstanceType"], spec.instance_type),
        "--instance-count": (main["InitialInstanceCount"], spec.instance_count),
    }
    return [f"{option} {was}" for option, (was, now) in changes.items() if was != now and option not in named]


def _main(config: Mapping[str, Any]) -> Mapping[str, Any]:
    variants = config["ProductionVariants"]
    return next((one for one in variants if one["VariantName"] == VARIANT), variants[0])
