"""What a plan must not do unasked, and the traps of the AWS provider that it may be about to fall into."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from mlflow_common.errors import PreconditionError
from mlflow_platform.plan_guard.changes import BUCKET, KEY, SERVER, Action, Change, Plan

# What cannot be had back once it is gone: the runs in a server, the objects in a bucket, and what a key encrypts.
PRECIOUS = {SERVER: "tracking server", BUCKET: "bucket", KEY: "key"}
_PATCH = re.compile(r"(\d+\.\d+)\..+")


def lost(plan: Plan) -> list[Change]:
    """The tracking servers, buckets and keys that the plan deletes or replaces."""
    return [change for change in plan.changes if change.type in PRECIOUS and change.loses_it]


def named(text: str) -> set[str]:
    """The names in CONFIRM, which commas separate."""
    return {name.strip() for name in text.split(",") if name.strip()}


def check(plan: Plan, confirmed: Collection[str]) -> None:
    """See that everything precious that the plan would lose has been named.

    Raises:
        PreconditionError: something has not.
    """
    missing = [change for change in lost(plan) if plan.name_of(change) not in confirmed]
    if not missing:
        return
    would = ", ".join(f"{change.action.value} {PRECIOUS[change.type]} {plan.name_of(change)}" for change in missing)
    names = ",".join(dict.fromkeys(plan.name_of(change) for change in lost(plan)))
    raise PreconditionError(
        f"nothing was changed, because the plan would {would}, and what is in there cannot be had back. "
        f"If that is meant, say CONFIRM={names}"
    )


def traps(plan: Plan) -> Iterator[str]:
    """What is about to go wrong in a way that the plan itself does not say, and what to do instead."""
    for change in plan.changes:
        if change.type == SERVER:
            yield from _server_traps(change)
        if change.reason == "replace_because_tainted":
            yield (
                f"{change.address} is tainted, since its creation was interrupted. If AWS shows it as Created, keep it "
                f"with `terraform untaint '{change.address}'`, and plan again."
            )


def _server_traps(change: Change) -> Iterator[str]:
    version = change.after.get("mlflow_version") or ""
    patch = _PATCH.fullmatch(version)
    if patch and change.action is not Action.NOTHING:
        yield (
            f'mlflow_version = "{version}": AWS stores "{patch[1]}", so every plan from now on replaces '
            f'{change.name} and loses its runs. Write mlflow_version = "{patch[1]}".'
        )
    switched_off = (
        change.before.get("automatic_model_registration") and change.after.get("automatic_model_registration") is False
    )
    if change.action is Action.UPDATE and switched_off:
        yield (
            "automatic_model_registration from true to false: the AWS provider never sends it, and every "
            "plan shows it again. Turn it off with `aws sagemaker update-mlflow-tracking-server "
            f"--tracking-server-name {change.name} --no-automatic-model-registration`."
        )
