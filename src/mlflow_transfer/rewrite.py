"""Maps the source's ids in texts and URIs to the destination's ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mlflow_transfer.links import Kind, Link, Links
from mlflow_transfer.records import MODEL_VERSIONS, RUN_NAME, ModelVersion, without_own_tags

# A run id is 32 hexadecimal digits. A logged model's id has "m-" before them, a trace's "tr-" or nothing.
IDS = re.compile(r"(?<![0-9a-zA-Z])(?:m-|tr-)?[0-9a-f]{32}(?![0-9a-zA-Z])")
# Files of models and traces that contain the id of their run, model or trace.
NAMING_FILES = frozenset({"MLmodel", "traces.json"})

Target = Callable[[str], str | None]


def rewrite_ids(text: str, target: Target) -> str:
    """Replace every id in the text that `target` knows."""
    return IDS.sub(lambda match: target(match.group()) or match.group(), text)


def split_tags(tags: Mapping[str, str], own_id: str, target: Target) -> tuple[dict[str, str], dict[str, str]]:
    """Map MLflow's references in tags.

    Returns:
        The tags that can be set when the object is created, and the tags that contain the object's own id, which is
        known only afterwards.
    """
    now: dict[str, str] = {}
    later: dict[str, str] = {}
    for key, value in without_own_tags(tags).items():
        if key in {RUN_NAME, MODEL_VERSIONS}:
            continue
        if not key.startswith("mlflow.") or key == "mlflow.note.content":
            now[key] = value
        elif own_id in value:
            later[key] = value
        else:
            now[key] = rewrite_ids(value, target)
    return now, later


def rewrite_own_tags(tags: Mapping[str, str], source_id: str, target_id: str, target: Target) -> dict[str, str]:
    """Map MLflow's references in an object's tags, once the object's id at the destination is known."""

    def known(found: str) -> str | None:
        return target_id if found == source_id else target(found)

    return {key: rewrite_ids(value, known) if key.startswith("mlflow.") else value for key, value in tags.items()}


def moved(uri: str, roots: Mapping[str, str], target: Target) -> str:
    """The URI of a model version's files at the destination.

    Args:
        uri: the version's source. Below one of `roots`, the root is replaced; in other URIs only ids are mapped.
        roots: the artifact roots of the source's runs and models, and their roots at the destination.
    """
    for root, new in roots.items():
        if root and (uri == root or uri.startswith(root.rstrip("/") + "/")):
            return new.rstrip("/") + uri[len(root.rstrip("/")) :]
    if uri.startswith(("runs:/", "models:/m-")):
        return rewrite_ids(uri, target)
    return uri


def moved_source(version: ModelVersion, links: Links, target: Target) -> tuple[str, list[tuple[Kind, Link]]]:
    """The location of a version's files at the destination.

    Returns:
        The URI, and the links of the runs and logged models that the version refers to.
    """
    roots: dict[str, str] = {}
    found: list[tuple[Kind, Link]] = []
    for one in dict.fromkeys([*IDS.findall(version.source), version.run_id]):
        for kind in (Kind.RUN, Kind.MODEL):
            link = links.get(kind, one)
            if link is not None:
                found.append((kind, link))
                roots[link.source_uri] = link.target_uri
                roots[link.source_uri.removeprefix("file://")] = link.target_uri
                break
    return moved(version.source, roots, target), found
