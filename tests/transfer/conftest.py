"""The servers that all tests of a worker share. Each test gets restored sources and an empty destination."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

from mlflow_transfer.copier import Copier
from mlflow_transfer.summary import Summary
from tests.conftest import HOME
from tests.transfer.moving import copy
from tests.transfer.seeding import fill
from tests.transfer.servers import Forks, Server


@dataclass(frozen=True)
class Servers:
    """`new` (MLflow 3.0) and `old` (2.13) contain one object of each kind; `target` (3.0) is empty."""

    new: Server
    old: Server
    target: Server
    made: dict[str, str]
    made_old: dict[str, str]
    folder: Path
    filled: Path
    _copies: dict[str, tuple[Summary, Copier]] = field(default_factory=dict)

    def copied(self, version: str) -> tuple[Summary, Copier]:
        """Make `target` a complete copy of `new` or `old`, and return its summary. Later calls restore the copy."""
        kept = self.folder / f"copied-{version}"
        if version not in self._copies:
            memory = self.folder / f"checkpoint-{version}"
            self._copies[version] = copy(getattr(self, version).url, self.target.url, checkpoint=memory)
            self.target.keep(kept)
        else:
            self.target.put_back(kept)
        return self._copies[version]


@pytest.fixture(scope="session")
def forks(pytestconfig: pytest.Config) -> Iterator[Forks]:
    found = Forks(pytestconfig.stash[HOME])
    yield found
    found.close()


@pytest.fixture(scope="session")
def all_servers(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config, forks: Forks
) -> Iterator[Servers]:
    folder: Path = tmp_path_factory.mktemp("servers")
    new, old, target = (
        Server(version, folder / name, forks).start()
        for name, version in (("new", "3.0"), ("old", "2.13"), ("target", "3.0"))
    )
    try:
        made = filled(new.ready(), pytestconfig.stash[HOME], models=True)
        made_old = filled(old.ready(), pytestconfig.stash[HOME], models=False)
        yield Servers(new, old, target.ready(), made, made_old, folder, pytestconfig.stash[HOME] / "filled-new")
    finally:
        for server in (new, old, target):
            server.stop()


def filled(server: Server, home: Path, *, models: bool) -> dict[str, str]:
    """Fill a server, or restore the content with which another worker filled its server."""
    kept = home / f"filled-{server.folder.name}"
    with FileLock(f"{kept}.lock"):
        if kept.exists():
            server.put_back(kept)
        else:
            made = fill(server.url, models=models)
            server.keep(kept)
            (kept / "made.json").write_text(json.dumps(made))
    found: dict[str, str] = json.loads((kept / "made.json").read_text())
    return found


@pytest.fixture
def servers(all_servers: Servers) -> Servers:
    # Tests add experiments, which every later copy would contain, so restore the original content.
    all_servers.new.put_back(all_servers.filled)
    all_servers.target.empty()
    return all_servers
