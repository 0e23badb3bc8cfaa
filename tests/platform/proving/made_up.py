"""What the tests of a proof share."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

from mlflow_platform.proving.record import Record

ACCOUNT = "111122223333"
NOW = datetime(2026, 11, 29, 0, 30, tzinfo=UTC)
CLOCK = SimpleNamespace(now=lambda: 0.0, sleep=lambda _: None)


def record() -> Record:
    return Record("prove-ab12cd", "AWS", ACCOUNT, "us-east-1", NOW.isoformat(), {"Terraform": "1.11.4"})


def raising(error: BaseException) -> Callable[[], str]:
    def run() -> str:
        raise error

    return run
