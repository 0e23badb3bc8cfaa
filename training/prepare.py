"""Prepare training data: read a file, check it, split it, and write both parts.

As a program it is the entry point `prepare` of the MLflow project.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import checks, data, features, prepared, reading
from training.params import DATASETS, Params
from training.reporting import fail, log_facts
from training.scores import too_large

if TYPE_CHECKING:
    import pandas as pd

    from training.models import Task

# Up to this many different whole numbers are classes. Other numbers are a regression.
_MOST_CLASSES = 20
_FORMATS = (".csv", ".parquet", ".json")


def prepare(
    source: str, target: str, output: Path, *, rules: Path | None, seed: int, held_out: float
) -> prepared.Facts:
    """Prepare a data set.

    Args:
        source: the name of a data set of scikit-learn, a file, or a folder with one file.
        target: the column with the true values; for a data set of scikit-learn it may be empty.
        rules: a JSON file with checks of columns; see `checks.read_rules`.

    Raises:
        DataError: the data is unusable.
        ValueError: `seed` or `held_out` is out of range.
    """
    Params(seed=seed, held_out=held_out)
    frame, target, name, version = _read(source, target)
    checks.check(frame, target, checks.read_rules(rules) if rules else {})
    frame = features.plain(frame, target)
    task = _task(frame[target])
    counts = frame[target].value_counts()
    if task == "classification" and (len(counts) < 2 or counts.min() < 2):
        raise checks.DataError(
            f"the column {target!r} has {len(counts)} classes, and {counts.min()} rows of the rarest "
            f"({counts.index[-1]!r}). Training needs two classes, and two rows of each."
        )
    if len(counts) < 2:
        raise checks.DataError(f"every row has the same value in {target!r}: there is nothing to learn")
    if task == "regression" and (problem := too_large(frame[target])):
        raise checks.DataError(problem)
    split = _split(frame, target, task, seed=seed, held_out=held_out, name=name)
    facts = prepared.Facts(name, target, task, version, len(split.train), len(split.held_out))
    prepared.write(output, split, facts)
    return facts


def _read(source: str, target: str) -> tuple[pd.DataFrame, str, str, str]:
    """The table, its target, its name and its version."""
    dataset = next((one for one in DATASETS if one == source), None)
    if dataset:
        frame, own = data.table(dataset)
        content = frame.to_csv(index=False).encode()
        return frame, target or own, source, hashlib.sha256(content).hexdigest()[:16]
    path = _file(Path(source))
    if not target:
        raise checks.DataError(f"name the column of {path.name} that holds the true values (the parameter target)")
    return reading.read(path, target), target, path.stem, hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _file(path: Path) -> Path:
    files = [path]
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in _FORMATS]
        if len(files) != 1:
            raise checks.DataError(f"{path} holds {len(files)} files of type {', '.join(_FORMATS)}. It must hold one.")
    if not files[0].is_file():
        raise checks.DataError(f"there is no file {path}, and the data sets are {' and '.join(DATASETS)}")
    if files[0].suffix.lower() not in _FORMATS:
        raise checks.DataError(f"{path.name} is not of type {', '.join(_FORMATS)}")
    return files[0]


def _task(truth: pd.Series[Any]) -> Task:
    if truth.dtype.kind == "f" and not (truth == truth.round()).all():
        return "regression"
    few = truth.dtype.kind not in "if" or truth.nunique() <= _MOST_CLASSES
    return "classification" if few else "regression"


def _split(frame: pd.DataFrame, target: str, task: Task, *, seed: int, held_out: float, name: str) -> data.Split:
    from sklearn.model_selection import train_test_split

    strata = None
    if task == "classification":
        smaller = min(held_out, 1 - held_out) * len(frame)
        strata = frame[target] if smaller >= frame[target].nunique() else None
    parts = train_test_split(frame, test_size=held_out, random_state=seed, stratify=strata)
    train, rest = (part.reset_index(drop=True) for part in parts)
    return data.Split(train, rest, target, name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, and print the facts. Returns the exit status, which is 2 for unusable data."""
    parser = argparse.ArgumentParser(description="Read, check and split training data.")
    parser.add_argument("--data", default="iris", help=f"{' or '.join(DATASETS)}, a file, or a folder with one file")
    parser.add_argument("--target", default="", help="the column with the true values")
    parser.add_argument("--rules", default="", help="a JSON file with checks of columns")
    parser.add_argument("--seed", type=int, default=7, help="the seed of the split")
    parser.add_argument("--held-out", type=float, default=0.3, help="the share of rows for the evaluation")
    parser.add_argument("--output", default="prepared", help="the folder to write")
    options = parser.parse_args(arguments)
    rules = Path(options.rules) if options.rules else None
    try:
        facts = prepare(
            options.data,
            options.target,
            Path(options.output),
            rules=rules,
            seed=options.seed,
            held_out=options.held_out,
        )
    except (ValueError, OSError) as error:
        return fail(error)
    log_facts(facts)
    sys.stdout.write(f"{facts.name} {facts.version}: {facts.rows} rows, {facts.held_out} held out, {facts.task}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
