"""Losses: unreadable objects are named, the rest is copied, and nothing is lost silently."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import NOT_READY
from mlflow_transfer import service
from mlflow_transfer.copiers.artifacts import colliding
from mlflow_transfer.losses import Loss, LossLog, LostParts
from mlflow_transfer.options import Options
from mlflow_transfer.service import Agreement, LossesError, Outcome
from mlflow_transfer.sources.base import in_memory
from mlflow_transfer.stores import Folder, Item, UnreadableError
from mlflow_transfer.verification.report import Report
from tests.transfer.conftest import Servers
from tests.transfer.moving import TRUST, behind, places, same
from tests.transfer.seeding import START, Seeder, folder, write

LOST = Loss("run folder /mlruns/1/abc", "it has no meta.yaml")


def test_asking_for_the_losses_copies_none_of_them() -> None:
    log = LossLog()
    for number in (1, 2, 1):
        log.add(f"run {number}", "it is gone")
    found = log.list()
    parts = LostParts(log.list)
    assert parts.of("2")
    log.add("run 3", "it is gone")
    # A copy asks once for each run.
    assert log.list() is found
    assert [loss.place for loss in found] == ["run 1", "run 2", "run 3"]
    assert parts.of("3")
    assert not parts.of("4")


class Partly:
    """A source with unreadable objects.

    Args:
        losses: the losses that the source reports itself.
        files: the names of files that cannot be read.
        folder: a part of the names of folders that cannot be listed.
        history: the id of a run whose points cannot be read.
    """

    def __init__(
        self,
        source: Any,
        *,
        losses: list[Loss] | None = None,
        files: set[str] = frozenset(),
        folder: str = "",
        history: str = "",
    ) -> None:
        self._source, self._losses = source, losses or []
        self._files, self._folder, self._history = files, folder, history

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def losses(self) -> list[Loss]:
        return [*self._source.losses(), *self._losses]

    def store(self, uri: str) -> Folder:
        return PartlyReadable(self._source.store(uri).root, self._files, self._folder)

    async def histories(self, runs: Any) -> Any:
        async for run, history in self._source.histories(runs):
            if run.id == self._history:
                self._losses.append(Loss(f"run {run.id} metric 'loss'", "its points cannot be read"))
                yield run, in_memory([])
            else:
                yield run, history


class PartlyReadable(Folder):
    def __init__(self, root: Path, files: set[str], unlisted: str) -> None:
        super().__init__(root)
        self._unreadable, self._unlisted = files, unlisted

    def list(self) -> Iterator[Item]:
        for item in super().list():
            if self._unlisted and self._unlisted in str(self.root / item.path):
                raise UnreadableError(f"{self.root} cannot be listed")
            yield item

    def read(self, path: str) -> Iterator[bytes]:
        if Path(path).name in self._unreadable:
            raise UnreadableError(f"{path} cannot be read")
        return super().read(path)


@pytest.fixture
def experiments(servers: Servers) -> dict[str, Any]:
    """Two experiments with one run each. The first run has two files, the second has one."""
    at = Seeder(servers.new.url)
    runs = {name: at.run(at.experiment(name), name, START) for name in ("first", "second")}
    for name, file in (("first", "good.txt"), ("first", "bad.txt"), ("second", "late.txt")):
        write(runs[name]["artifact_uri"], file, file.encode())
    for run in runs.values():
        at.end(run["run_id"])
    return runs


BOTH = Options(experiments=frozenset({"first", "second"}))


def copied(servers: Servers, *, accept_losses: bool = False, **partly: Any) -> Outcome:
    async def go() -> Outcome:
        source = Partly(behind(servers.new), **partly)
        target = await places().server(servers.target.url)
        try:
            return await service.copy(source, target, BOTH, agreement=Agreement(accept_losses))
        finally:
            await target.close()

    return asyncio.run(go())


def verified(servers: Servers, *, accept_losses: bool = False, **partly: Any) -> Report:
    source = Partly(behind(servers.new), **partly)
    return asyncio.run(service.verify(source, behind(servers.target), BOTH, accept_losses=accept_losses))


def files_there(servers: Servers) -> set[str]:
    return {path.name for path in servers.target.folder.glob("artifacts/*/*/artifacts/*")}


def test_a_loss_of_the_source_needs_acceptance_and_shows_in_the_summary_and_the_verification(
    servers: Servers, experiments: dict[str, Any]
) -> None:
    with pytest.raises(LossesError, match="1 thing would be lost: give --accept-losses") as caught:
        copied(servers, losses=[LOST])
    assert (caught.value.status, caught.value.details) == (NOT_READY, (f"{LOST.place}: {LOST.reason}",))
    assert files_there(servers) == set()

    outcome = copied(servers, losses=[LOST], accept_losses=True)
    assert outcome.summary is not None
    assert (outcome.summary.losses, outcome.refused) == ([LOST], ())
    assert outcome.summary.created["runs"] == 2

    report = verified(servers, losses=[LOST])
    assert (report.passed, dict(report.found)) == (False, {})
    assert report.unread == [Loss(f"left: {LOST.place}", LOST.reason)]
    assert verified(servers, losses=[LOST], accept_losses=True).passed


def test_one_file_that_cannot_be_read_is_a_loss_and_everything_else_is_copied(
    servers: Servers, experiments: dict[str, Any]
) -> None:
    outcome = copied(servers, files={"bad.txt"})
    run = experiments["first"]["run_id"]
    loss = Loss(f"run {run} artifact 'bad.txt'", "bad.txt cannot be read")
    assert outcome.refused == (loss,)
    assert outcome.summary is not None
    assert outcome.summary.created["runs"] == 2
    assert files_there(servers) == {"good.txt", "late.txt"}

    # The file is not a difference, because it could not be compared.
    report = verified(servers, files={"bad.txt"})
    assert (report.passed, dict(report.found), report.unread) == (False, {}, [loss])
    assert dict(verified(servers).found) == {"artifact": 1}

    # The next copy, in which the file is readable, copies it.
    assert copied(servers).refused == ()
    same(behind(servers.new), behind(servers.target), options=BOTH)


def test_the_next_copy_reads_a_run_again_whose_history_could_not_be_read(
    servers: Servers, experiments: dict[str, Any]
) -> None:
    run = experiments["first"]["run_id"]
    Seeder(servers.new.url).log(run, [("loss", 0.5, START, 0)])
    for _ in range(2):
        assert [loss.place for loss in copied(servers, history=run).refused] == [f"run {run} metric 'loss'"]
    assert copied(servers).refused == ()
    same(behind(servers.new), behind(servers.target), options=BOTH)
    outcome = copied(servers)
    assert outcome.summary is not None
    assert outcome.summary.changed == {}


def test_an_unlistable_folder_loses_only_its_own_files(servers: Servers, experiments: dict[str, Any]) -> None:
    run = experiments["first"]["run_id"]
    outcome = copied(servers, folder=run)
    assert [loss.place for loss in outcome.refused] == [f"run {run} its artifacts"]
    assert files_there(servers) == {"late.txt"}
    report = verified(servers, folder=run)
    assert (report.passed, dict(report.found)) == (False, {})
    assert [loss.place for loss in report.unread] == [f"run {run} its artifacts"]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a", "b/c"], {}),
        (["model/code", "model/code/x.py", "model/code/y.py"], {"model/code": "model/code/x.py"}),
        (["a", "a/b", "a/b/c"], {"a": "a/b", "a/b": "a/b/c"}),
        (["a.b", "a/c", "ab"], {}),
    ],
)
def test_finds_keys_that_are_both_a_file_and_a_folder(paths: list[str], expected: dict[str, str]) -> None:
    assert colliding([Item(path, 1) for path in paths]) == expected


class Both(PartlyReadable):
    """A folder with a key that is both a file and a folder, which only S3 allows."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, set(), "")

    def list(self) -> Iterator[Item]:
        for item in super().list():
            yield item
            if item.path.endswith("bad.txt"):
                yield Item(f"{item.path}/inside.txt", item.size)

    def read(self, path: str) -> Iterator[bytes]:
        return super().read(path.removesuffix("/inside.txt"))


def test_a_key_that_is_both_a_file_and_a_folder_is_a_loss_that_names_both(
    servers: Servers, experiments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Partly, "store", lambda self, uri: Both(self._source.store(uri).root))
    (loss,) = copied(servers).refused
    assert loss.place == f"run {experiments['first']['run_id']} artifact 'bad.txt'"
    assert loss.reason.startswith("'bad.txt' is a file and also the folder of 'bad.txt/inside.txt'")
    run = next(servers.target.folder.glob("artifacts/*/*/artifacts/good.txt")).parent
    assert (run / "bad.txt" / "inside.txt").read_bytes() == b"bad.txt"
    assert "late.txt" in files_there(servers)


def test_the_command_line_names_losses_and_returns_status_1(
    servers: Servers, experiments: dict[str, Any], tmp_path: Path
) -> None:
    file = folder(f"{experiments['first']['artifact_uri']}/bad.txt")
    command = [
        sys.executable, "-m", "tests.transfer.unreadable", file.name,
        "copy", servers.new.url, servers.target.url, "--experiment", "first", "--experiment", "second",
        "--checkpoint", str(tmp_path / "map"), *TRUST,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ))
    assert done.returncode == 1, done.stderr
    assert f"losses: \n  run {experiments['first']['run_id']} artifact 'bad.txt': " in done.stdout
    assert "1 thing was lost, and everything else was copied" in done.stderr
    assert files_there(servers) == {"good.txt", "late.txt"}

    done = subprocess.run(
        [*command, "--accept-losses", "--json"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [loss["place"].split(" ")[2:] for loss in json.loads(done.stdout)["losses"]] == [["artifact", "'bad.txt'"]]
