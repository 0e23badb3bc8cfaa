"""Reads registered models and their versions from a tracking server's database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mlflow_transfer.records import RegisteredModel
from mlflow_transfer.sources.database_connection import Database
from mlflow_transfer.sources.database_rows import (
    DEFAULT_WORKSPACE,
    NO_WORKSPACES,
    Row,
    is_of_other_workspace,
    plain,
    version_from_row,
    workspace_of,
)
from mlflow_transfer.sources.parsing import integer

_DELETED_VERSION = "Deleted_Internal"
# The workspace and the name of a registered model. Two workspaces may have models of one name.
_Key = tuple[str, str]


class RegistryRows:
    """Rows of the tables of the model registry. A row that cannot be read is a loss."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions.

        A model whose name another workspace has too is a loss, because no server has two models of one name.
        """
        tags: defaultdict[_Key, dict[str, str]] = defaultdict(dict)
        for row in await self._db.rows("SELECT * FROM registered_model_tags"):
            with self._db.losing(f"registered model {row['name']!r} tag {row['key']!r}", "registered_model_tags"):
                tags[_key(row)][plain(row["key"])] = plain(row["value"] or "")
        models: dict[_Key, RegisteredModel] = {}
        rows = await self._db.rows("SELECT * FROM registered_models ORDER BY creation_time, name")
        for row in sorted(rows, key=is_of_other_workspace):
            with self._db.losing(f"registered model {row['name']!r}", "registered_models"):
                if (workspace := workspace_of(row)) != DEFAULT_WORKSPACE:
                    self._db.losses.add(f"workspace {workspace!r}", NO_WORKSPACES)
                models[_key(row)] = RegisteredModel(
                    name=plain(row["name"]),
                    description=plain(row["description"] or ""),
                    tags=tags[_key(row)],
                    creation_time=integer(row["creation_time"] or 0),
                )
        await self._add_aliases(models)
        await self._add_versions(models)
        return list(self._distinct(models))

    async def _add_aliases(self, models: dict[_Key, RegisteredModel]) -> None:
        if "registered_model_aliases" not in self._db.tables:
            return
        for row in await self._db.rows("SELECT * FROM registered_model_aliases"):
            place = f"registered model {row['name']!r} alias {row['alias']!r}"
            with self._db.losing(place, "registered_model_aliases"):
                if _key(row) in models:
                    models[_key(row)].aliases[plain(row["alias"])] = integer(row["version"])

    async def _add_versions(self, models: dict[_Key, RegisteredModel]) -> None:
        tags: defaultdict[tuple[_Key, int], dict[str, str]] = defaultdict(dict)
        for row in await self._db.rows("SELECT * FROM model_version_tags"):
            place = f"registered model {row['name']!r} version {row['version']!r} tag {row['key']!r}"
            with self._db.losing(place, "model_version_tags"):
                tags[_key(row), integer(row["version"])][plain(row["key"])] = plain(row["value"] or "")
        rows: list[tuple[_Key, Row]] = []
        for row in await self._db.rows("SELECT * FROM model_versions ORDER BY name, version"):
            with self._db.losing(f"registered model {row['name']!r} version {row['version']!r}", "model_versions"):
                rows.append((_key(row), row))
        known = {(key, row["version"]) for key, row in rows}
        for key, number in [one for one in tags if one not in known and one[0] in models]:
            place = f"tags of registered model {key[1]!r} version {number} (table model_version_tags)"
            self._db.losses.add(place, "there is no such version in the database")
        for key, row in rows:
            if row["current_stage"] == _DELETED_VERSION or key not in models:
                continue
            with self._db.losing(f"registered model {row['name']!r} version {row['version']!r}", "model_versions"):
                version = version_from_row(row, tags[key, integer(row["version"])])
                models[key].versions.append(version)
        for model in models.values():
            model.remove_dangling_aliases()

    def _distinct(self, models: dict[_Key, RegisteredModel]) -> Iterator[RegisteredModel]:
        owners: dict[str, str] = {}
        for (workspace, _), model in models.items():
            if (owner := owners.setdefault(model.name, workspace)) != workspace:
                place = f"registered model {model.name!r} of the workspace {workspace!r}"
                reason = f"the workspace {owner!r} has a registered model of the same name: rename one of them"
                self._db.losses.add(place, reason)
            else:
                yield model


def _key(row: Row) -> _Key:
    return workspace_of(row), row["name"]
