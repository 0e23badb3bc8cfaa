"""Fills the database of an MLflow 3.0 server in bulk with the amount of data of a year, within seconds."""

import json
import sqlite3
import uuid
from dataclasses import dataclass
from pathlib import Path

START = 1_700_000_000_000
FILE = b"x" * 2000


@dataclass(frozen=True)
class Size:
    """The number of objects of each kind. `points` is the number per metric."""

    runs: int = 1000
    params: int = 20
    metrics: int = 5
    points: int = 100
    tags: int = 5
    files: int = 3
    logged_models: int = 50
    registered: int = 10
    versions: int = 5


def fill(database: Path, artifacts: Path, size: Size) -> None:
    """Create one experiment with all objects."""
    root = artifacts / "1"
    with sqlite3.connect(database) as db:
        _default(db, artifacts)
        db.execute("INSERT INTO experiments VALUES (1, 'bench', ?, 'active', ?, ?)", (str(root), START, START))
        runs = [uuid.uuid4().hex for _ in range(size.runs)]
        for index, run in enumerate(runs):
            _run(db, root, run, index, size)
        models = [_model(db, root, runs[index % len(runs)], index) for index in range(size.logged_models)]
        for model, run in models:
            link = (uuid.uuid4().hex, "RUN_OUTPUT", run, "MODEL_OUTPUT", model, 0)
            db.execute(
                "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                link,
            )
        for index in range(size.registered):
            name = f"model-{index}"
            db.execute("INSERT INTO registered_models VALUES (?, ?, ?, '')", (name, START, START))
            for version in range(1, size.versions + 1):
                run = runs[(index * size.versions + version) % len(runs)]
                source = f"{root}/{run}/artifacts/file-0"
                row = (name, version, START + version, START, "", "None", source, run, "READY", source)
                db.execute(
                    "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, "
                    "current_stage, source, run_id, status, storage_location) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
    db.close()


def fill_large(database: Path, artifacts: Path, points: int, size: int) -> None:
    """Create one run with a metric of many points and a large sparse artifact."""
    root = artifacts / "1"
    run = uuid.uuid4().hex
    with sqlite3.connect(database) as db:
        _default(db, artifacts)
        db.execute("INSERT INTO experiments VALUES (1, 'large', ?, 'active', ?, ?)", (str(root), START, START))
        _run(db, root, run, 0, Size(runs=1, points=0, metrics=0))
        rows = (("loss", 1 / (step + 1), START + step, run, step, False) for step in range(points))
        db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
        last = ("loss", 1 / points, START + points - 1, points - 1, False, run)
        db.execute("INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?)", last)
    db.close()
    with (root / run / "artifacts" / "large.bin").open("wb") as file:
        file.write(b"begin")
        file.truncate(size)


def _default(db: sqlite3.Connection, artifacts: Path) -> None:
    # The server creates this experiment only if there is no other.
    row = (str(artifacts / "0"), START, START)
    db.execute("INSERT INTO experiments VALUES (0, 'Default', ?, 'active', ?, ?)", row)


def _run(db: sqlite3.Connection, root: Path, run: str, index: int, size: Size) -> None:
    folder = root / run / "artifacts"
    row = (run, f"run {index:05}", "UNKNOWN", "", "", "ana", "FINISHED", START + index, START + index + 60_000, "")
    db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'active', ?, 1, NULL)", (*row, str(folder)))
    params = [(f"param-{n}", f"value {index} {n}", run) for n in range(size.params)]
    db.executemany("INSERT INTO params VALUES (?, ?, ?)", params)
    tags = [("mlflow.runName", f"run {index:05}", run), ("mlflow.user", "ana", run)]
    tags += [(f"tag-{n}", f"{index}", run) for n in range(size.tags)]
    db.executemany("INSERT INTO tags VALUES (?, ?, ?)", tags)
    for n in range(size.metrics):
        rows = [(f"metric-{n}", index + step / 7, START + step, run, step, False) for step in range(size.points)]
        db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
        key, value, timestamp, _, step, _ = rows[-1]
        db.execute("INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?)", (key, value, timestamp, step, False, run))
    folder.mkdir(parents=True)
    for n in range(size.files):
        (folder / f"file-{n}").write_bytes(FILE + json.dumps([index, n]).encode())


def _model(db: sqlite3.Connection, root: Path, run: str, index: int) -> tuple[str, str]:
    model = f"m-{uuid.uuid4().hex}"
    folder = root / "models" / model / "artifacts"
    row = (model, 1, f"net-{index}", str(folder), START, START, 2, "active", "", run, None)
    db.execute("INSERT INTO logged_models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    for n in range(3):
        db.execute("INSERT INTO logged_model_params VALUES (?, 1, ?, ?)", (model, f"param-{n}", str(index)))
        db.execute("INSERT INTO logged_model_tags VALUES (?, 1, ?, ?)", (model, f"tag-{n}", str(index)))
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(f"flavors: {{}}\nmodel_id: {model}\nrun_id: {run}\n")
    (folder / "weights.bin").write_bytes(FILE)
    return model, run
