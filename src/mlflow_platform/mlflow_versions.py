"""The MLflow versions that AWS offers, as terraform/module/mlflow/mlflow_versions.json lists them."""

from __future__ import annotations

import json
from pathlib import Path

from mlflow_platform.environment import REPOSITORY

FILE = Path("terraform/module/mlflow/mlflow_versions.json")


def supported_versions(repository: Path = REPOSITORY) -> tuple[str, ...]:
    """The supported versions as major.minor, oldest first."""
    return tuple(json.loads((repository / FILE).read_text(encoding="utf-8"))["versions"])
