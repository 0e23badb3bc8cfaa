"""Brings captured files into the data set. Each file becomes the same Parquet objects again, so that a rerun changes
nothing. There is one object, unless a column has several types.

Layout below the endpoint's folder: `data/variant=V/date=YYYY-MM-DD/HH-NAME.parquet`, and beside the data
`ingested/variant=V/YYYY-MM-DD.json`, which says for each captured file its ETag, its rows and its unusable lines. The
latter is written last: an interrupted ingestion is repeated and writes the same objects.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from mlflow_platform.monitoring import capture, dataset
from mlflow_platform.monitoring.dataset import Deployment
from mlflow_platform.monitoring.store import Store

_MOST_NAMED = 20


@dataclass
class Ingested:
    """What one ingestion did, and what the days hold.

    Attributes:
        files: captured files that were new or changed.
        rows: rows in them.
        malformed: unusable lines in all files of the days.
        problems: the first of them: file, line and reason.
    """

    files: int = 0
    rows: int = 0
    malformed: int = 0
    problems: list[str] = field(default_factory=list)


def ingest(
    captured: Store, store: Store, place: tuple[str, str], days: Sequence[date], deployments: Sequence[Deployment]
) -> Ingested:
    """Ingest the captured files of some days.

    Args:
        captured: the destination of the data capture.
        store: the endpoint's folder.
        place: the names of the endpoint and of the variant.
        days: which days, in UTC. A file that arrives late is found as long as its day is among them.
        deployments: what the variant has served.
    """
    done = Ingested()
    for day in days:
        _ingest_day(captured, store, place, day, deployments, done)
    return done


def load(store: Store, variant: str, days: Sequence[date]) -> list[Any]:
    """The tables of a variant's days, one for each captured file."""
    found = []
    for day in days:
        for item in store.list(f"{_folder(variant, day)}/"):
            content = store.read(item.key)
            if content is not None:
                found.append(dataset.from_parquet(content))
    return found


def _ingest_day(
    captured: Store,
    store: Store,
    place: tuple[str, str],
    day: date,
    deployments: Sequence[Deployment],
    done: Ingested,
) -> None:
    endpoint, variant = place
    manifest = f"ingested/variant={variant}/{day}.json"
    known: dict[str, dict[str, Any]] = store.read_json(manifest, _manifest, {})
    changed = False
    for item in captured.list(capture.folder("", endpoint, variant, day)):
        if known.get(item.key, {}).get("etag") == item.etag:
            continue
        content = captured.read(item.key)
        if content is None:
            continue
        tables, problems = dataset.convert(content, deployments)
        for number, rows in enumerate(tables):
            store.write(f"{_folder(variant, day)}/{_name(item.key, number)}", dataset.to_parquet(rows))
        count = sum(rows.num_rows for rows in tables)
        named = [[each.line, each.reason] for each in problems[:_MOST_NAMED]]
        known[item.key] = {"etag": item.etag, "rows": count, "malformed": len(problems), "problems": named}
        done.files, done.rows, changed = done.files + 1, done.rows + count, True
    if changed:
        store.write(manifest, json.dumps(known, indent=1).encode(), "application/json")
    for key, entry in known.items():
        done.malformed += entry["malformed"]
        room = _MOST_NAMED - len(done.problems)
        done.problems += [f"{key}, line {line}: {reason}" for line, reason in entry["problems"]][:room]


def _manifest(found: Any) -> dict[str, dict[str, Any]]:
    return {
        key: {
            "etag": str(each["etag"]),
            "rows": int(each["rows"]),
            "malformed": int(each["malformed"]),
            "problems": [[int(line), str(reason)] for line, reason in each["problems"]],
        }
        for key, each in found.items()
    }


def _folder(variant: str, day: date) -> str:
    return f"data/variant={variant}/date={day}"


def _name(key: str, number: int) -> str:
    """The object's name. A captured file has several only if a column has several types."""
    path = PurePosixPath(key)
    return f"{path.parent.name}-{path.stem}{f'-type{number + 1}' if number else ''}.parquet"
