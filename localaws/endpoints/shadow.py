"""Shadow variants: what AWS refuses, and the share of the requests that is mirrored to them.

Sources: ShadowProductionVariants in the API's model ("you can only specify one variant for ProductionVariants and one
variant for ShadowProductionVariants"), and
https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-exclusions.html
"""

from typing import Any

from localaws.endpoints.deployment import Deployment, Variant
from localaws.endpoints.records import refusal


def check(given: dict[str, Any]) -> None:
    """Refuse a CreateEndpointConfig request with shadow variants that AWS refuses.

    Raises:
        AwsError: ValidationException.
    """
    shadows = given.get("ShadowProductionVariants") or []
    variants = given["ProductionVariants"]
    if not shadows:
        return
    if len(shadows) > 1 or len(variants) > 1:
        raise refusal(
            "Shadow mode needs exactly one variant in ProductionVariants and one in ShadowProductionVariants."
        )
    for variant in [*variants, *shadows]:
        name = variant["VariantName"]
        if variant.get("ServerlessConfig"):
            raise refusal(f"Variant {name} is serverless: serverless variants are not supported in shadow mode.")
        if variant.get("InstanceType", "").startswith("ml.inf1"):
            raise refusal(f"Variant {name} has an Inf1 instance: these are not supported in shadow mode.")
        if "InstanceType" not in variant or "InitialInstanceCount" not in variant:
            raise refusal(f"Variant {name} needs InstanceType and InitialInstanceCount.")


def mirrored(deployment: Deployment) -> tuple[Variant | None, float]:
    """Return the shadow variant and the share of the requests that it gets, from 0 to 1.

    The share is the ratio of its weight to that of the production variant:
    https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests.html
    """
    if not deployment.shadows:
        return None, 0.0
    shadow, production = deployment.shadows[0], deployment.variants[0]
    if not production.weight:
        return shadow, 0.0
    return shadow, min(1.0, shadow.weight / production.weight)
