"""Scripts print the names and messages of others as text on one line, and commands that users can run as they are."""

import ast
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_common import console
from mlflow_transfer.session import Session

REPOSITORY = Path(__file__).resolve().parents[2]
# Clears the screen, sets the clipboard, begins a line of its own, begins a sequence in one character, reverses text.
HOSTILE = "iris\x1b[2J\x1b]52;c;cm0=\x07\n::error::\r\x9b31m\u202e"
CONTROLS = set(HOSTILE) - set(HOSTILE.encode("ascii", "ignore").decode().replace("\x1b", "")) | set("\x1b\x07\r")

# A file and why it may print a text as it is.
REASONS = {
    "scripts/ci_report.py": "a comment with several lines, in which Markdown is escaped",
    "scripts/demo.py": "the demo's own titles and commands",
    "scripts/site.py": "a URL, which is percent-encoded",
    "src/mlflow_common/console.py": "the one place that prints, after its checks",
    "src/mlflow_transfer/progress_bars.py": "numbers, and how the operator wrote a server",
}


def _shown(capsys: pytest.CaptureFixture[str]) -> str:
    found = capsys.readouterr()
    shown = found.out + found.err
    assert "iris" in shown
    assert not CONTROLS & set(shown)
    return shown


@pytest.mark.parametrize("as_json", [False, True])
def test_a_result_with_a_hostile_name_is_one_line(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    console.Console(as_json=as_json).result({"model": HOSTILE, "metrics": {HOSTILE: 1.0}})
    assert len(_shown(capsys).splitlines()) == (1 if as_json else 2)


def test_a_step_and_a_log_with_a_hostile_name_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = console.Console()
    shown.progress(f"Deploy {HOSTILE}")
    shown.log(HOSTILE)
    shown.table([(HOSTILE, "red")])
    assert len(_shown(capsys).splitlines()) == 3


@pytest.mark.parametrize(
    "text",
    ["::add-mask::e", "  ::error::x", "\t::stop-commands::x", "\u3000::debug::x", "Step 3: ##[set-output name=x]y"],
)
def test_no_text_is_a_command_of_githubs_runner(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs says what the runner parses."""
    shown = console.Console()
    shown.progress(text)
    shown.log(text)
    shown.table([(text, "")])
    shown.result({"name": text, text: 1})
    console.Console(as_json=True).result({"name": text})
    _session(True).show({"name": text})
    lines = capsys.readouterr()
    for line in (lines.out + lines.err).splitlines():
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
    assert [json.loads(line)["name"] for line in lines.out.splitlines()[-2:]] == [text, text]


@pytest.mark.parametrize("text", ["arn:aws:s3:::bucket", "a::b", "## [x]", ": :", "std::vector"])
def test_colons_in_ordinary_texts_stay(text: str) -> None:
    assert console.printable(text) == text


def _session(as_json: bool) -> Any:
    session = object.__new__(Session)
    session.bars = SimpleNamespace(stop=lambda: None)  # type: ignore[assignment]
    session._reach = SimpleNamespace(as_json=as_json)  # type: ignore[assignment]
    return session


def test_a_transfers_result_lists_hostile_names_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    _session(False).show({"losses": [HOSTILE, HOSTILE], "counts": {HOSTILE: 2}, "archive": HOSTILE, "none": []})
    assert _shown(capsys).count("\n") == 6


def test_json_keeps_letters_and_escapes_what_a_terminal_executes(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"データ{HOSTILE}\U000e0001"
    _session(True).show({"name": name})
    shown = _shown(capsys)
    assert "データ" in shown
    assert json.loads(shown) == {"name": name}


def test_a_result_as_json_has_no_number_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"metrics": {"nan": float("nan"), "inf": float("inf")}, "curve": [(1, float("-inf"))], "size": 1.5}
    console.Console(as_json=True).result(found)
    _session(True).show(found)
    for line in capsys.readouterr().out.splitlines():
        read = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert read == {"metrics": {"nan": None, "inf": "Infinity"}, "curve": [[1, "-Infinity"]], "size": 1.5}


def test_every_script_prints_texts_with_echo() -> None:
    found = {
        str(path.relative_to(REPOSITORY))
        for folder in ("src", "scripts")
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("typer.echo", "typer.secho", "print")
        and node.args
        and not isinstance(node.args[0], ast.Constant)
        and not ast.unparse(node.args[0]).startswith(
            ("json.dumps(", "as_json(", "console.as_json(", "'\\nRESULT ' + json.dumps(")
        )
    }
    assert found == set(REASONS)


def test_printed_commands_work_without_an_activated_environment() -> None:
    found = [
        f"{file.relative_to(REPOSITORY)}: {text}"
        for folder in ("src", "scripts")
        for file in sorted((REPOSITORY / folder).rglob("*.py"))
        for text in ("`python scripts/", '"python scripts/', '"python", "scripts/')
        if text in file.read_text()
    ]
    assert found == [], "print .venv/bin/python: a shell without .venv has other packages, or no `python`"
