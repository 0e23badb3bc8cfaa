"""Creates the SageMaker model and endpoint configuration that a specification needs.

Both calls are safe to repeat. If AWS did the work and its answer was lost, the SDK's retry is refused because the name
is taken. So after any error the resource is described, to see whether it exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mlflow_platform.endpoints.hosting import Asynchronous
from mlflow_platform.endpoints.specification import CONTAINER_ENVIRONMENT, VARIANT, EndpointSpec
from mlflow_platform.endpoints.state import is_missing, read_tags

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_MODEL_TAGS = ("model-name", "model-version", "run-id")


def ensure_resources(sagemaker: SageMakerClient, spec: EndpointSpec) -> bool:
    """Create the models and the configuration where they do not exist. Returns whether anything was created.

    Those that exist get the specification's tags: they may be those of another version with the same files.

    Raises:
        botocore's errors: AWS refused to create one of them, or could not be reached.
    """
    created = False
    for one in spec.models:
        if ensure_model(sagemaker, one):
            created = True
        else:
            retag(sagemaker, sagemaker.describe_model(ModelName=one.model_name)["ModelArn"], one.tags)
    if ensure(_describe_config(sagemaker, spec), lambda: _create_config(sagemaker, spec)):
        return True
    found = sagemaker.describe_endpoint_config(EndpointConfigName=spec.config_name)
    retag(sagemaker, found["EndpointConfigArn"], spec.tags)
    return created


def retag(sagemaker: SageMakerClient, arn: str, tags: Mapping[str, str]) -> None:
    """Make a resource's tags describe the model that it serves now."""
    found = read_tags(sagemaker, arn)
    if any(found.get(key) != value for key, value in tags.items()):
        sagemaker.add_tags(ResourceArn=arn, Tags=as_list(tags))
    outdated = [key for key in _MODEL_TAGS if key in found and key not in tags]
    if outdated:
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=outdated)


def ensure_model(sagemaker: SageMakerClient, spec: EndpointSpec) -> bool:
    """Create the SageMaker model of a specification unless it exists. Returns whether it was created."""
    return ensure(_describe_model(sagemaker, spec), _creation(sagemaker, spec))


def create_single(sagemaker: SageMakerClient, spec: EndpointSpec, name: str, tags: Mapping[str, str]) -> None:
    """Create a configuration with one instance of the specification's model, for a test."""
    variant = _variant(spec) if spec.serverless else _variant(spec) | {"InitialInstanceCount": 1}
    settings: Any = {"KmsKeyId": spec.kms_key} if spec.kms_key else {}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], Tags=as_list(tags), **settings
    )


def missing_resources(sagemaker: SageMakerClient, spec: EndpointSpec) -> list[str]:
    """What `ensure_resources` would create, as "model NAME" and "configuration NAME"."""
    missing = [f"model {one.model_name}" for one in spec.models if not _exists(_describe_model(sagemaker, one))]
    return missing if _exists(_describe_config(sagemaker, spec)) else [*missing, f"configuration {spec.config_name}"]


def as_list(tags: Mapping[str, str]) -> Any:
    """Tags in the form that the SageMaker API takes."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _describe_model(sagemaker: SageMakerClient, spec: EndpointSpec) -> Callable[[], object]:
    return lambda: sagemaker.describe_model(ModelName=spec.model_name)


def _describe_config(sagemaker: SageMakerClient, spec: EndpointSpec) -> Callable[[], object]:
    return lambda: sagemaker.describe_endpoint_config(EndpointConfigName=spec.config_name)


def ensure(describe: Callable[[], object], create: Callable[[], object]) -> bool:
    """Create something unless it exists. Returns whether it did not exist."""
    if _exists(describe):
        return False
    try:
        create()
    except (ClientError, BotoCoreError):
        if not _exists(describe):
            raise
    return True


def _exists(describe: Callable[[], object]) -> bool:
    try:
        describe()
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return True


def _create_model(sagemaker: SageMakerClient, spec: EndpointSpec) -> None:
    container: Any = {
        "Image": spec.image,
        "ModelDataUrl": spec.archive_uri,
        "Environment": CONTAINER_ENVIRONMENT,
    }
    if spec.package:
        container = {"ModelPackageName": spec.package}
    settings: Any = {}
    if spec.network:
        vpc = {"Subnets": list(spec.network.subnets), "SecurityGroupIds": list(spec.network.security_groups)}
        settings["VpcConfig"] = vpc
    sagemaker.create_model(
        ModelName=spec.model_name,
        ExecutionRoleArn=spec.role,
        PrimaryContainer=container,
        Tags=as_list(spec.tags),
        **settings,
    )


def _creation(sagemaker: SageMakerClient, spec: EndpointSpec) -> Callable[[], object]:
    return lambda: _create_model(sagemaker, spec)


def _create_config(sagemaker: SageMakerClient, spec: EndpointSpec) -> None:
    settings: Any = {}
    shadows = [other for other in spec.others if other.shadow]
    challengers = [other for other in spec.others if not other.shadow]
    main = _variant(spec)
    if shadows:
        settings["ShadowProductionVariants"] = [
            _variant(spec.of(other)) | {"VariantName": other.name, "InitialVariantWeight": other.weight}
            for other in shadows
        ]
        # A shadow variant gets this share of the requests of a production variant with the weight 1
        # (docs.aws.amazon.com/sagemaker/latest/dg/model-shadow-deployment.html).
        main["InitialVariantWeight"] = 1.0
    if challengers:
        main["InitialVariantWeight"] = round(1 - sum(other.weight for other in challengers), 6)
    others = [
        _variant(spec.of(other)) | {"VariantName": other.name, "InitialVariantWeight": other.weight}
        for other in challengers
    ]
    if spec.kms_key:
        settings["KmsKeyId"] = spec.kms_key
    if spec.asynchronous:
        settings["AsyncInferenceConfig"] = _asynchronous(spec.asynchronous)
    if spec.capture_percent is not None:
        settings["DataCaptureConfig"] = _capture(spec)
    sagemaker.create_endpoint_config(
        EndpointConfigName=spec.config_name, ProductionVariants=[main, *others], Tags=as_list(spec.tags), **settings
    )


def _asynchronous(queue: Asynchronous) -> dict[str, Any]:
    output: dict[str, Any] = {"S3OutputPath": queue.output, "S3FailurePath": queue.failure}
    if queue.topic:
        output["NotificationConfig"] = {"SuccessTopic": queue.topic, "ErrorTopic": queue.topic}
    config: dict[str, Any] = {"OutputConfig": output}
    if queue.concurrency is not None:
        config["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": queue.concurrency}
    return config


def _capture(spec: EndpointSpec) -> dict[str, Any]:
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": spec.capture_percent,
        "DestinationS3Uri": spec.capture_uri,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        # Bodies of these types are stored as text instead of base64.
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    }


def _variant(spec: EndpointSpec) -> Any:
    if spec.serverless:
        capacity = {"MemorySizeInMB": spec.serverless.memory, "MaxConcurrency": spec.serverless.concurrency}
        return {"VariantName": VARIANT, "ModelName": spec.model_name, "ServerlessConfig": capacity}
    variant: Any = {
        "VariantName": VARIANT,
        "ModelName": spec.model_name,
        "InstanceType": spec.instance_type,
        "InitialInstanceCount": spec.instance_count,
        "ContainerStartupHealthCheckTimeoutInSeconds": spec.startup_seconds,
    }
    if spec.download_seconds is not None:
        variant["ModelDataDownloadTimeoutInSeconds"] = spec.download_seconds
    return variant
