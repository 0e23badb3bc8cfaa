"""The weights of an endpoint's variants: how the requests are divided between champion and challenger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient


def parse_weights(pairs: Sequence[str]) -> dict[str, float]:
    """Read weights that are given as NAME=WEIGHT.

    Raises:
        InputError: one is not of this form, is not a number from 0 to 1, or names a variant twice.
    """
    weights: dict[str, float] = {}
    for pair in pairs:
        name, _, text = pair.rpartition("=")
        try:
            weight = float(text)
        except ValueError:
            weight = -1.0
        if not name or not 0 <= weight <= 1:
            raise InputError(f"--shift takes NAME=WEIGHT with a weight from 0 to 1, not {pair!r}.")
        if name in weights:
            raise InputError(f"--shift names the variant {name} twice. Give it one weight.")
        weights[name] = weight
    return weights


def checked_weights(sagemaker: SageMakerClient, endpoint: str, weights: Mapping[str, float]) -> Mapping[str, float]:
    """The weights of an endpoint's variants, which the new ones can replace.

    Raises:
        InputError: the endpoint has no such variant, or no variant would get requests.
    """
    variants = sagemaker.describe_endpoint(EndpointName=endpoint).get("ProductionVariants", [])
    current = {variant["VariantName"]: variant.get("CurrentWeight", 1.0) for variant in variants}
    unknown = sorted(set(weights) - set(current))
    if unknown:
        raise InputError(
            f"the endpoint {endpoint} has no variant {unknown[0]!r} (it has: {', '.join(sorted(current)) or 'none'})."
        )
    if not any((current | dict(weights)).values()):
        raise InputError(f"no variant of {endpoint} would get requests. Give one of them a weight above 0.")
    return current


def changed_weights(before: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Those of the weights that differ from the ones before. AWS stores them as 32-bit numbers."""
    return {name: weight for name, weight in weights.items() if not isclose(before[name], weight, rel_tol=1e-6)}


def shift_weights(sagemaker: SageMakerClient, endpoint: str, weights: Mapping[str, float]) -> None:
    """Ask AWS to change the weights of some variants. No instance is started or stopped."""
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[
            {"VariantName": name, "DesiredWeight": weight} for name, weight in sorted(weights.items())
        ],
    )
