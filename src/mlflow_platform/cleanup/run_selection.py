"""Selects runs, the artifacts of deleted runs, and artifacts that belong to no run or model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_platform.cleanup.items import DELETED_RUNS, FAILED_RUNS, OLD_RUNS, ORPHANS, Criteria, Found, Item
from mlflow_platform.cleanup.objects import Folder
from mlflow_platform.cleanup.references import References
from mlflow_platform.cleanup.tracking_contents import Contents, LoggedModel, ended, experiment_ids

if TYPE_CHECKING:
    from mlflow.entities import Run

_FAILED = frozenset({"FAILED", "KILLED"})
_UNFINISHED = frozenset({"RUNNING", "SCHEDULED"})
_DELETED = "deleted"
# A run with this tag is kept, whatever its state and age.
KEEP_TAG = "keep"


@dataclass(frozen=True)
class Store:
    """The artifact store: its URI, its folders of runs and models, and a function that sums up any other folder."""

    uri: str
    folders: Mapping[str, Folder]
    sum_of: Callable[[str], Folder]

    def folder(self, uri: str) -> Folder:
        """The sum of a folder. Its URI ends with a slash."""
        within = {found: one for found, one in self.folders.items() if uri.startswith(found)}
        if within and all(found == uri for found in within):
            return self.folders[uri]
        return self.sum_of(uri)


class RunSelection:
    """Judges the runs of a tracking server."""

    def __init__(self, contents: Contents, references: References, store: Store, criteria: Criteria) -> None:
        self._contents = contents
        self._references = references
        self._store = store
        self._criteria = criteria
        self._experiments = experiment_ids(contents, criteria.experiments)
        self._models = contents.models_of()
        self._children = contents.children_of()

    def select(self, found: Found) -> None:
        """Add the runs that the criteria select, and note those that are kept."""
        chosen: dict[str, Item] = {}
        for run in self._contents.runs.values():
            kind = self._kind(run)
            if kind is None:
                continue
            reason = self._reason_to_keep(run)
            if reason is None:
                item = self._item(kind, run)
                if not item.marked or item.objects or item.models:
                    chosen[item.name] = item
            else:
                found.keep(kind, run.info.run_id, reason)
        for name in self._parents_of_kept(chosen):
            item = chosen.pop(name)
            found.keep(item.kind, name, "it has a child run that is kept")
        found.items += chosen.values()

    def select_orphans(self, found: Found) -> None:
        """Add the folders whose run or model the server does not know, because they were deleted permanently."""
        selected = self._criteria.experiments
        for uri, folder in self._store.folders.items():
            experiment, owner = _owner(uri, self._store.uri)
            if owner in self._contents.runs or owner in self._contents.models:
                continue
            if (selected and experiment not in self._experiments) or folder.changed >= self._criteria.before:
                continue
            reason = self._references.reason([owner])
            if reason is None:
                detail = f"{folder.objects} objects of experiment {experiment}"
                found.items.append(Item(ORPHANS, uri, detail, folder.changed, folder.size, folder.objects, (uri,)))
            else:
                found.keep(ORPHANS, uri, reason)

    def _kind(self, run: Run) -> str | None:
        """The kind under which the criteria select a run; None if they do not."""
        if run.info.experiment_id not in self._experiments or ended(run) >= self._criteria.before:
            return None
        tags = run.data.tags
        if any(key not in tags or value not in {None, tags[key]} for key, value in self._criteria.tags.items()):
            return None
        status = str(run.info.status)
        # A run that is marked and still has artifacts may be left from a clean-up that was interrupted.
        kinds = [FAILED_RUNS if status in _FAILED else OLD_RUNS]
        if run.info.lifecycle_stage == _DELETED:
            kinds.append(DELETED_RUNS)
        return next((kind for kind in kinds if kind in self._criteria.kinds), None)

    def _reason_to_keep(self, run: Run) -> str | None:
        run_id = run.info.run_id
        if run.info.status in _UNFINISHED and run.info.lifecycle_stage != _DELETED:
            return f"it is {run.info.status}; end it first (`MlflowClient().set_terminated`) if its process is gone"
        if KEEP_TAG in run.data.tags:
            return f"it has the tag {KEEP_TAG}"
        reason = self._references.reason([run_id, *(model.id for model in self._models.get(run_id, []))])
        if reason is None and not _own_folder(run, self._store.uri):
            reason = f"its artifacts are not in a folder of its own in {self._store.uri}: {run.info.artifact_uri}"
        return reason

    def _item(self, kind: str, run: Run) -> Item:
        run_id = run.info.run_id
        models = [model for model in self._models.get(run_id, []) if _inside(model, self._store.uri)]
        uris = [f"{str(run.info.artifact_uri).rpartition('/')[0]}/", *(_folder_of(model) for model in models)]
        folders = [self._store.folder(uri) for uri in uris]
        name = run.info.run_name or ""
        experiment = self._contents.experiments.get(run.info.experiment_id, "")
        return Item(
            kind=kind,
            name=run_id,
            detail=f"{run.info.status} {name} in {experiment}",
            changed=ended(run),
            size=sum(folder.size for folder in folders),
            objects=sum(folder.objects for folder in folders),
            folders=tuple(uris),
            models=tuple(model.id for model in models),
            marked=run.info.lifecycle_stage == _DELETED,
        )

    def _parents_of_kept(self, chosen: Mapping[str, Item]) -> list[str]:
        """The chosen runs that have a child, at any depth, which is not chosen and not deleted."""
        found: list[str] = []
        for name in chosen:
            pending, seen = [name], {name}
            while pending:
                for child in set(self._children.get(pending.pop(), ())) - seen:
                    seen.add(child)
                    pending.append(child)
            kept = (self._contents.runs[child] for child in seen - set(chosen))
            if any(run.info.lifecycle_stage != _DELETED for run in kept):
                found.append(name)
        return found


def _own_folder(run: Run, store: str) -> bool:
    """Whether a run's artifacts are in the store, in a folder that is named after the run.

    An experiment's artifact location is free text, and may name a folder with other things in it.
    """
    uri = str(run.info.artifact_uri)
    return uri.startswith(f"{store}/") and uri.endswith(f"/{run.info.run_id}/artifacts") and "/../" not in uri


def _inside(model: LoggedModel, store: str) -> bool:
    return model.location.startswith(f"{store}/") and f"/{model.id}/" in f"{model.location}/"


def _folder_of(model: LoggedModel) -> str:
    return f"{model.location.partition(f'/{model.id}')[0]}/{model.id}/"


def _owner(uri: str, store: str) -> tuple[str, str]:
    """The experiment's id and the owner's id in a folder's URI."""
    parts = uri.removeprefix(f"{store}/").rstrip("/").split("/")
    return parts[0], parts[-1]
