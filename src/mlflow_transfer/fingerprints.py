"""Fingerprints of whole objects. A fingerprint changes whenever something changes that has to be copied."""

from __future__ import annotations

from mlflow_transfer.records import PARENT_RUN, LoggedModel, Run, Trace, digest, fingerprint, without_own_tags
from mlflow_transfer.rewrite import Target, split_tags


def run_fingerprint(run: Run, target: Target) -> str:
    """The fingerprint of a completely copied run. Equal to `copied_run_fingerprint` of the copy.

    Args:
        target: maps the source's ids to the destination's.
    """
    parent = run.tags.get(PARENT_RUN, "")
    return _with_state(fingerprint(run), run, target(parent) or parent)


def copied_run_fingerprint(run: Run, stored: str) -> str:
    """The fingerprint of a run of the destination, from the tag that its last batch set."""
    return _with_state(stored, run, run.tags.get(PARENT_RUN, ""))


def _with_state(content: str, run: Run, parent: str) -> str:
    return f"{content} {run.status} {run.end_time} {parent} {run.lifecycle_stage}"


def model_fingerprint(model: LoggedModel) -> str:
    """Changes with everything of a logged model that can be updated after it was created."""
    tags = sorted(model_tags(model).items())
    return digest([model.name, model.model_type, model.status, model.params, tags])


def model_tags(model: LoggedModel) -> dict[str, str]:
    """The tags of a logged model that are copied, with the source's ids in them."""
    now, later = split_tags(model.tags, model.id, lambda _: None)
    return {**now, **later}


def trace_fingerprint(trace: Trace) -> str:
    """Changes with a trace's status and tags. Empty until the trace has ended."""
    if trace.status == "IN_PROGRESS":
        return ""
    return f"{trace.status} {digest(sorted(without_own_tags(trace.tags).items()))}"
