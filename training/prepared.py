"""A prepared data set: the folder that `prepare` writes and that `tune`, `train` and `evaluate` read.

It holds `train.parquet`, `held_out.parquet` and `data.json`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.checks import reason
from training.data import Split

if TYPE_CHECKING:
    from training.models import Task

FACTS = "data.json"
_TRAIN, _HELD_OUT = "train.parquet", "held_out.parquet"


@dataclass(frozen=True)
class Facts:
    """What a prepared data set is.

    Attributes:
        name: of the data set or file.
        target: the column with the true values.
        version: identifies the content: the start of the SHA-256 of the file.
        rows, held_out: number of rows for training and for evaluation.
    """

    name: str
    target: str
    task: Task
    version: str
    rows: int
    held_out: int


def write(folder: Path, split: Split, facts: Facts) -> None:
    """Write a prepared data set."""
    folder.mkdir(parents=True, exist_ok=True)
    split.train.to_parquet(folder / _TRAIN, index=False)
    split.held_out.to_parquet(folder / _HELD_OUT, index=False)
    (folder / FACTS).write_text(json.dumps(asdict(facts), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> tuple[Split, Facts]:
    """Read a prepared data set.

    Raises:
        ValueError: the folder holds none, or a damaged one.
    """
    import pandas as pd

    if not (folder / FACTS).is_file():
        raise ValueError(f"{folder} holds no prepared data ({FACTS} is missing). Run the entry point prepare first.")
    try:
        facts = Facts(**json.loads((folder / FACTS).read_text(encoding="utf-8")))
        parts = [pd.read_parquet(folder / name) for name in (_TRAIN, _HELD_OUT)]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{folder} is damaged ({reason(error)}). Run the entry point prepare again.") from None
    return Split(parts[0], parts[1], facts.target, f"{facts.name} {facts.version}"), facts
