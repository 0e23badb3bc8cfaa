"""Servers that the tests of one worker share: sources are filled once, the destination is emptied for each test."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.transfer.seeding import fill
from tests.transfer.servers import Server


@dataclass(frozen=True)
class Servers:
    """`new` holds one of everything of MLflow 3.0, `old` of 2.13; `target` is an empty 3.0."""

    new: Server
    old: Server
    target: Server
    made: dict[str, str]
    made_old: dict[str, str]


@pytest.fixture(scope="session")
def all_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder: Path = tmp_path_factory.mktemp("servers")
    new, old, target = (
        Server(version, folder / name).start() for name, version in (("new", "3.0"), ("old", "2.13"), ("target", "3.0"))
    )
    try:
        made = fill(new.ready().url, models=True)
        made_old = fill(old.ready().url, models=False)
        yield Servers(new, old, target.ready(), made, made_old)
    finally:
        for server in (new, old, target):
            server.stop()


@pytest.fixture
def servers(all_servers: Servers) -> Servers:
    all_servers.target.empty()
    return all_servers
