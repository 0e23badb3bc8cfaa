"""What an endpoint has now and loses with a deployment, because the deployment does not name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_platform.endpoints.state import find, is_missing

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.endpoints.specification import EndpointSpec


def ended_settings(sagemaker: SageMakerClient, spec: EndpointSpec) -> list[str]:
    """The options whose effects end with a deployment: requests in a queue, serverless capacity, capture, and a key.

    Clients of a queue cannot use an endpoint without one (SageMaker Developer Guide, async-inference.html).
    """
    state = find(sagemaker, spec.endpoint)
    if state is None or not state.config:
        return []
    try:
        config: Any = sagemaker.describe_endpoint_config(EndpointConfigName=state.config)
    except sagemaker.exceptions.ClientError as error:
        if is_missing(error):
            return []
        raise
    had = {
        "--async": "AsyncInferenceConfig" in config,
        "--serverless": any("ServerlessConfig" in variant for variant in config["ProductionVariants"]),
        "--capture": config.get("DataCaptureConfig", {}).get("EnableCapture", False),
        "--kms-key": bool(config.get("KmsKeyId")),
    }
    keeps = {
        "--async": spec.asynchronous is not None,
        "--serverless": spec.serverless is not None,
        "--capture": spec.capture_percent is not None,
        "--kms-key": spec.kms_key is not None,
    }
    return [option for option, has in had.items() if has and not keeps[option]]
