"""Parameters of a pipeline as a user writes them, checked before anything is started."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_common.numbers import may_be_number

if TYPE_CHECKING:
    from training.pipeline import Parameter

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Parameter.html
_MOST_CHARACTERS = 1024
# The only whole number is MaxStepSeconds, and a processing job runs for at most five days:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingStoppingCondition.html
_MOST_SECONDS = 432_000
_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")


def check(given: Mapping[str, str], declared: Sequence[Parameter]) -> dict[str, str]:
    """Check values, which SageMaker receives as texts.

    Raises:
        InputError: an unknown name, a missing value, a value of another type, or one that no job can have.
    """
    known = {one.name: one for one in declared}
    for name, text in given.items():
        if name not in known:
            raise InputError(f"the pipeline has no parameter {name!r}. It has {', '.join(known)}.")
        if not is_valid(known[name].type, text):
            raise InputError(f"the parameter {name} takes a value of type {known[name].type}, not {text!r}.")
        if known[name].type == "Integer" and not 1 <= int(text) <= _MOST_SECONDS:
            raise InputError(f"the parameter {name} must be from 1 to {_MOST_SECONDS}, not {text}.")
        if name.endswith("InstanceType") and not _INSTANCE_TYPE.fullmatch(text):
            raise InputError(f"the parameter {name} takes an instance type such as ml.m5.large, not {text!r}.")
        if len(text) > _MOST_CHARACTERS:
            raise InputError(f"the value of the parameter {name} is longer than {_MOST_CHARACTERS} characters.")
    if missing := [name for name, one in known.items() if one.default is None and name not in given]:
        raise InputError(f"the parameter {missing[0]} has no value.")
    return dict(given)


def is_valid(kind: str, text: str) -> bool:
    """Whether a text is a value of a parameter's type."""
    if kind == "Boolean":
        return text.lower() in ("true", "false")
    if kind == "String":
        return True
    try:
        return may_be_number(text) and math.isfinite(int(text) if kind == "Integer" else float(text))
    except ValueError:
        return False
