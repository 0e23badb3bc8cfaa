"""How localaws runs the process of an MLflow server (`localaws/servers/gunicorn.conf.py`)."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import event

from localaws.tracking.launch import GUNICORN


@pytest.fixture
def configuration(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings file as gunicorn executes it. This process keeps its garbage collection."""
    monkeypatch.setenv("LOCALAWS_TOKEN", "token")
    for name in ("disable", "enable", "freeze"):
        monkeypatch.setattr(f"gc.{name}", lambda: None)
    return runpy.run_path(str(GUNICORN))


def test_a_commit_does_not_wait_for_the_disk_and_the_database_stays_consistent(
    configuration: dict[str, Any], tmp_path: Path
) -> None:
    """Seven commits of a run waited for the disk, three times as long as they took."""
    configuration["post_worker_init"](SimpleNamespace(wsgi=None))
    try:
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/mlflow.db")
        with engine.connect() as connection:
            synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    finally:
        event.remove(sqlalchemy.Engine, "connect", configuration["flush_seldom"])
        engine.dispose()
    assert synchronous == 1, "NORMAL"


def test_only_requests_with_the_token_reach_mlflow(configuration: dict[str, Any]) -> None:
    answered = configuration["only_with_token"](lambda *_: ["mlflow"])
    statuses: list[str] = []

    def start(status: str, headers: Any) -> None:
        statuses.append(status)

    assert answered({"HTTP_X_LOCALAWS_TOKEN": "token"}, start) == ["mlflow"]
    for environ in ({}, {"HTTP_X_LOCALAWS_TOKEN": "tokens"}):
        assert answered(environ, start) != ["mlflow"]
    assert statuses == ["403 Forbidden"] * 2
