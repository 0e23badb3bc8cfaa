"""The command line: shared options, entry points, and exit statuses."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mlflow_transfer import cli

VERBS = {
    "copy": ["http://a", "http://b"],
    "restore": ["archive", "http://b"],
    "backup": ["http://a", "archive"],
    "inspect": ["http://a"],
}
GIVEN = [
    "--rate",
    "5",
    "--patience",
    "7",
    "--ca",
    "c",
    "--client-cert",
    "d",
    "--client-key",
    "e",
    "--insecure",
    "--json",
]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_accepts_the_connection_options(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[Any] = []
    monkeypatch.setattr(cli, "_run", lambda session, _: sessions.append(session))
    cli.app([verb, *VERBS[verb], *GIVEN], standalone_mode=False)
    cli.app([verb, *VERBS[verb]], standalone_mode=False)

    access, plain = (session.access("SOURCE") for session in sessions)
    assert (access.limit, access.ca, access.client_cert, access.client_key, access.insecure) == (
        5, Path("c"), Path("d"), Path("e"), True,
    )  # fmt: skip
    assert (plain.limit, plain.ca, plain.insecure) == (None, None, False)
    assert [session.places.retry.patience for session in sessions] == [7, 30 if verb == "inspect" else 300]


def test_an_option_has_the_same_help_text_in_all_commands() -> None:
    group = typer.main.get_command(cli.app)
    helps: dict[str, set[str]] = {}
    for verb in group.commands.values():  # type: ignore[attr-defined]
        for one in verb.params:
            helps.setdefault(one.opts[0], set()).add(str(one.help))
    assert {name for name, texts in helps.items() if name.startswith("--") and len(texts) > 1} == set()
    assert len(helps) > 20


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-X", "importtime", "-m", "mlflow_transfer"],
        [sys.executable, "-X", "importtime", str(Path(sys.executable).with_name("mlflow-transfer"))],
    ],
)
def test_the_entry_points_show_help_without_importing_mlflow(command: list[str]) -> None:
    for arguments in (["--help"], ["copy", "--help"]):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert "copy" in done.stdout
        imported = set(re.findall(r"\|\s+([\w.]+)$", done.stderr, re.MULTILINE))
        assert "mlflow_transfer.cli" in imported
        assert imported.isdisjoint({"mlflow", "boto3", "sqlalchemy"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["copy", "env:staging", "http://b"], "env:NAME and --local need the repository"),
        (["inspect", "http://a", "--local"], "env:NAME and --local need the repository"),
        (["inspect", "/nowhere/at/all"], "/nowhere/at/all is neither a server, a database nor an existing folder"),
        (["inspect"], "Missing argument 'PLACE'"),
    ],
)
def test_invalid_input_prints_one_line_and_returns_status_2(arguments: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_transfer", *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
