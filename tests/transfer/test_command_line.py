"""Every verb of scripts/transfer.py takes the options that they share, each by one definition."""

from pathlib import Path
from typing import Any

import pytest
import typer.main

from mlflow_transfer import cli as transfer

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


@pytest.mark.parametrize("verb", VERBS)
def test_how_servers_are_reached_is_said_alike_to_every_verb(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    works: list[Any] = []
    monkeypatch.setattr(transfer, "_run", lambda work, _: works.append(work))
    transfer.app([verb, *VERBS[verb], *GIVEN], standalone_mode=False)
    transfer.app([verb, *VERBS[verb]], standalone_mode=False)

    access, plain = (work.access("SOURCE") for work in works)
    assert (access.limit, access.ca, access.client_cert, access.client_key, access.insecure) == (
        5, Path("c"), Path("d"), Path("e"), True,
    )  # fmt: skip
    assert (plain.limit, plain.ca, plain.insecure) == (None, None, False)
    assert [work.places.retry.patience for work in works] == [7, 30 if verb == "inspect" else 300]


def test_an_option_means_the_same_wherever_it_is_taken() -> None:
    group = typer.main.get_command(transfer.app)
    helps: dict[str, set[str]] = {}
    for verb in group.commands.values():  # type: ignore[attr-defined]
        for one in verb.params:
            helps.setdefault(one.opts[0], set()).add(str(one.help))
    assert {name for name, told in helps.items() if name.startswith("--") and len(told) > 1} == set()
    assert len(helps) > 20
