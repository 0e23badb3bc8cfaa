"""The call log stays bounded and keeps the newest calls."""

import json
from pathlib import Path

import pytest

from localaws.call import Call
from localaws.front.call_log import CallLog


def _add(log: CallLog, first: int, last: int) -> None:
    for number in range(first, last):
        call = Call("GET", "/", "/", "", {}, b"")
        call.operation = f"call-{number}"
        log.add(call, 200, 0.001)


def _operations(log: CallLog) -> list[str]:
    return [json.loads(line)["operation"] for line in b"".join(log.blocks()).splitlines()]


def test_a_full_log_drops_the_oldest_calls_and_keeps_the_newest_in_order(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "calls.jsonl", most_bytes=2_000)
    _add(log, 0, 500)
    found = _operations(log)
    assert found == [f"call-{number}" for number in range(500 - len(found), 500)]
    assert 5 < len(found) < 50
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * 2_500
    log.close()


def test_a_cleared_log_is_empty_and_takes_new_calls(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "calls.jsonl", most_bytes=2_000)
    _add(log, 0, 20)
    log.clear()
    assert _operations(log) == []
    _add(log, 20, 22)
    assert _operations(log) == ["call-20", "call-21"]
    log.close()
    again = CallLog(tmp_path / "calls.jsonl")
    _add(again, 22, 23)
    assert _operations(again) == ["call-20", "call-21", "call-22"]
    again.close()


@pytest.mark.parametrize(
    ("header", "attempt"),
    [
        ("attempt=2; max=25", 2),
        ("attempt=1; max=3", None),
        ("attempt=x", None),
        ("ttl=20260101T000000Z; attempt=3; max=3", 3),
    ],
)
def test_the_attempt_of_a_repeated_call_is_logged(tmp_path: Path, header: str, attempt: int | None) -> None:
    log = CallLog(tmp_path / "calls.jsonl")
    log.add(Call("POST", "/", "/", "", {"amz-sdk-request": header}, b""), 200, 0.001)
    assert json.loads(b"".join(log.blocks())).get("attempt") == attempt
    log.close()
