"""Maps the source's ids, in texts and URIs, to the destination's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mlflow_transfer.records import MODEL_VERSIONS, PARENT_RUN, RUN_NAME, without_own_tags

# Run ids are 32 hexadecimal digits, logged models' have "m-" before them, traces' "tr-" or nothing.
IDS = re.compile(r"(?<![0-9a-zA-Z])(?:m-|tr-)?[0-9a-f]{32}(?![0-9a-zA-Z])")
# Files of a model and of a trace that name the run, the model or the trace that they belong to.
NAMING_FILES = frozenset({"MLmodel", "traces.json"})

Target = Callable[[str], str | None]


def rewrite_ids(text: str, target: Target) -> str:
    """The text with every id that `target` knows replaced."""
    return IDS.sub(lambda match: target(match.group()) or match.group(), text)


def split_tags(tags: Mapping[str, str], own_id: str, target: Target) -> tuple[dict[str, str], dict[str, str]]:
    """Tags with MLflow's references mapped.

    Returns:
        Those that can be set when the thing is created, and those that name its own id, which is not known before.
    """
    now: dict[str, str] = {}
    later: dict[str, str] = {}
    for key, value in without_own_tags(tags).items():
        if key in {RUN_NAME, MODEL_VERSIONS}:
            continue
        if not key.startswith("mlflow.") or key == "mlflow.note.content":
            now[key] = value
        elif own_id in value and key != PARENT_RUN:
            later[key] = value
        else:
            now[key] = rewrite_ids(value, target)
    return now, later


def ids_in(text: str) -> list[str]:
    """Every id in a text."""
    return IDS.findall(text)


def moved(uri: str, roots: Mapping[str, str], target: Target) -> str:
    """A model version's source: below a root that moved it follows, elsewhere its ids are mapped.

    Args:
        roots: artifact roots of the source's runs and models, and what they are at the destination.
    """
    for root, new in roots.items():
        if root and (uri == root or uri.startswith(root.rstrip("/") + "/")):
            return new.rstrip("/") + uri[len(root.rstrip("/")) :]
    if uri.startswith(("runs:/", "models:/m-")):
        return rewrite_ids(uri, target)
    return uri
