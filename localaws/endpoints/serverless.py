"""Serverless variants: what AWS refuses, and the account's limits.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html ("Feature exclusions", "Concurrent
invocations", "Cold starts"), and ProductionVariantServerlessConfig in the API's model.
"""

from typing import Any

from localaws.endpoints.records import limit_exceeded, refusal

# The model's range is 1024 to 6144; the description names the steps.
MEMORY_STEP = 1024
# "The total concurrency you can share between all serverless endpoints per Region in your account" is 1000 in the
# larger Regions and 500 in the others; 50 endpoints per Region.
MOST_ENDPOINTS = 50
CONCURRENCY = {"us-east-1": 1000, "us-east-2": 1000, "us-west-2": 1000, "ap-southeast-1": 1000, "ap-southeast-2": 1000}
CONCURRENCY |= {"ap-northeast-1": 1000, "eu-central-1": 1000, "eu-west-1": 1000}
CONCURRENCY_ELSEWHERE = 500
# Its name and code in Service Quotas.
CONCURRENCY_QUOTA = "Maximum total concurrency that can be allocated across all serverless endpoints"
CONCURRENCY_CODE = "L-96300102"
# AWS does not say after which idle time resources are released. Divided by Settings.speed.
IDLE_SECONDS = 300.0
# Members of CreateEndpointConfig and of its variants. The second list is what configures instances; the SageMaker
# Python SDK (production_variant in sagemaker.session) does not send it with a ServerlessConfig.
EXCLUDED = (
    "DataCaptureConfig",
    "AsyncInferenceConfig",
    "ShadowProductionVariants",
    "VpcConfig",
    "ExplainerConfig",
    "CrossRegionTrafficConfig",
)
EXCLUDED_OF_VARIANT = (
    "AcceleratorType",
    "VolumeSizeInGB",
    "CoreDumpConfig",
    "ManagedInstanceScaling",
    "RoutingConfig",
    "ModelDataDownloadTimeoutInSeconds",
    "ContainerStartupHealthCheckTimeoutInSeconds",
    "InferenceAmiVersion",
    "InstancePools",
    "EnableSSMAccess",
    "CapacityReservationConfig",
)
# The wording of https://github.com/boto/boto3/issues/4275.
UNSUPPORTED = "One or more endpoint features are not supported using this configuration."


def of(variant: dict[str, Any]) -> dict[str, Any] | None:
    """The ServerlessConfig of a ProductionVariant."""
    found: dict[str, Any] | None = variant.get("ServerlessConfig")
    return found


def check(given: dict[str, Any]) -> None:
    """Refuse a CreateEndpointConfig request that combines ServerlessConfig with what it excludes.

    Raises:
        AwsError: ValidationException.
    """
    variants = given["ProductionVariants"]
    serverless = [variant for variant in variants if of(variant)]
    for variant in variants:
        _check_variant(variant)
    if not serverless:
        return
    found = [name for name in EXCLUDED if given.get(name)]
    if given.get("EnableNetworkIsolation"):
        found.append("EnableNetworkIsolation")
    if len(variants) > 1:
        found.append("several ProductionVariants")
    if found:
        raise refusal(f"{UNSUPPORTED} ServerlessConfig excludes {', '.join(found)}.")


def _check_variant(variant: dict[str, Any]) -> None:
    name, config = variant["VariantName"], of(variant)
    instances = [key for key in ("InstanceType", "InitialInstanceCount") if key in variant]
    if config is None:
        if len(instances) < 2:
            missing = {"InstanceType", "InitialInstanceCount"} - set(instances)
            if not variant.get("InstancePools"):
                raise refusal(f"Variant {name} needs {' and '.join(sorted(missing))}, or a ServerlessConfig.")
        return
    found = instances + [key for key in EXCLUDED_OF_VARIANT if variant.get(key)]
    if found:
        raise refusal(f"Variant {name} has a ServerlessConfig, which excludes {', '.join(found)}.")
    memory, most, provisioned = (
        config["MemorySizeInMB"],
        config["MaxConcurrency"],
        config.get("ProvisionedConcurrency", 0),
    )
    if memory % MEMORY_STEP:
        raise refusal(
            f"Value '{memory}' at 'MemorySizeInMB' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(str(step * MEMORY_STEP) for step in range(1, 7))}]"
        )
    if provisioned > most:
        raise refusal(f"ProvisionedConcurrency ({provisioned}) must not exceed MaxConcurrency ({most}).")


def check_model(model: Any, container: dict[str, Any]) -> None:
    """Refuse a model that a serverless variant cannot serve.

    Raises:
        AwsError: ValidationException.
    """
    found = [
        name
        for name, value in (
            ("VpcConfig", model.vpc_config),
            ("EnableNetworkIsolation", getattr(model, "enable_network_isolation", False)),
            ("Mode MultiModel", container.get("Mode") == "MultiModel"),
            ("ModelDataSource", container.get("ModelDataSource")),
            ("ImageConfig", (container.get("ImageConfig") or {}).get("RepositoryAccessMode") == "Vpc"),
        )
        if value
    ]
    if found:
        raise refusal(f"{UNSUPPORTED} A serverless endpoint cannot use a model with {', '.join(found)}.")


def check_account(region: str, used: list[int], wanted: int, *, new: bool) -> None:
    """Refuse what exceeds the account's limits.

    Args:
        used: MaxConcurrency of each other serverless endpoint in the region.
        wanted: MaxConcurrency of the one that is requested.

    Raises:
        AwsError: ResourceLimitExceeded.
    """
    most = CONCURRENCY.get(region, CONCURRENCY_ELSEWHERE)
    if sum(used) + wanted > most:
        raise limit_exceeded(
            CONCURRENCY_QUOTA,
            most,
            "Concurrent Invocations",
            sum(used),
            wanted,
        )
    if new and len(used) >= MOST_ENDPOINTS:
        raise limit_exceeded("Maximum number of serverless endpoints", MOST_ENDPOINTS, "Endpoints", len(used), 1)
