"""The models beside an endpoint's main model, as they are given: named variants, a challenger, or a shadow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_common.errors import InputError
from mlflow_platform.endpoints import model
from mlflow_platform.endpoints.specification import CHALLENGER, SHADOW, VARIANT

# VariantName, and the most production variants of a configuration (SageMaker API, CreateEndpointConfig).
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_MOST = 10


@dataclass(frozen=True)
class NamedModel:
    """A model's URI, its variant's name and its share of the requests."""

    name: str
    uri: str
    weight: float
    shadow: bool = False


def parse_variant(text: str) -> NamedModel:
    """Read NAME=URI:WEIGHT.

    Raises:
        InputError: it is not of this form.
    """
    name, _, rest = text.partition("=")
    uri, _, number = rest.rpartition(":")
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0
    if not (_NAME.fullmatch(name) and uri and 0 < weight < 1):
        raise InputError(
            "--variant takes NAME=MODEL:WEIGHT with a weight between 0 and 1, such as B=models:/iris/7:0.2, "
            f"not {text!r}."
        )
    model.check_uri(uri)
    return NamedModel(name, uri, weight)


def beside(
    variants: Sequence[str], challenger: str | None, shadow: str | None, weight: float
) -> tuple[NamedModel, ...]:
    """All models beside the main one, checked together.

    Raises:
        InputError: AWS has no such combination, a name occurs twice, or no requests are left for the main model.
    """
    found = [parse_variant(text) for text in variants]
    for uri, name in ((challenger, CHALLENGER), (shadow, SHADOW)):
        if uri:
            model.check_uri(uri)
            found.append(NamedModel(name, uri, weight, shadow=name == SHADOW))
    if shadow and len(found) > 1:
        # CreateEndpointConfig (SageMaker API), ShadowProductionVariants.
        raise InputError("an endpoint with a shadow has one other variant only. Leave the shadow or the variants out.")
    names = [VARIANT, *(one.name for one in found)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"two variants are named {twice} ({VARIANT} is MODEL's). Choose another name.")
    if len(names) > _MOST:
        raise InputError(f"an endpoint has at most {_MOST} variants, and {len(names)} are given. Leave some out.")
    if any(one.weight == 0 for one in found) or sum(one.weight for one in found if not one.shadow) >= 1:
        raise InputError(
            "--weight must leave requests for every model: give each of the others a share above 0, and all of them "
            "together less than 1."
        )
    return tuple(found)
