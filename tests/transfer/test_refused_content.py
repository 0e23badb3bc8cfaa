"""What a destination refuses is a named loss, and everything else is copied."""

import asyncio
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from mlflow_common.errors import InputError, PlatformError
from mlflow_common.retry import Retry
from mlflow_transfer.archive import Archive
from mlflow_transfer.backup import Backup
from mlflow_transfer.client import ApiError, Client
from mlflow_transfer.context import CopyContext
from mlflow_transfer.copiers.registry import RegistryCopier, _in_order
from mlflow_transfer.destination import Destination
from mlflow_transfer.fitting import fit_trace
from mlflow_transfer.limits import TIME_REFUSED, Limits, adapt
from mlflow_transfer.losses import Loss
from mlflow_transfer.manifest import Entry, Manifest
from mlflow_transfer.matching import pair_experiments
from mlflow_transfer.records import (
    SOURCE_ID,
    SOURCE_TIME,
    Experiment,
    ModelPoint,
    ModelVersion,
    Point,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.scratch import Scratch
from mlflow_transfer.sources.filestore import FileStoreSource
from mlflow_transfer.sources.opening import open_source
from mlflow_transfer.sources.rest import RestSource
from mlflow_transfer.stores import Folder, UnreadableError
from mlflow_transfer.stores.base import UnwritableNameError
from mlflow_transfer.stores.http import Proxy
from mlflow_transfer.summary import Summary
from tests.transfer.conftest import Servers
from tests.transfer.moving import copy, places, verify
from tests.transfer.test_unreadable_file_stores import OTHER, RUN, store

REFUSED = ApiError("server", "POST x", 400, "INVALID_PARAMETER_VALUE", "no")


def test_a_copy_goes_on_after_objects_that_the_destination_refuses(servers: Servers, tmp_path: Path) -> None:
    root = store(tmp_path / "mlruns")
    (root / f"1/{RUN}/metrics/acc").write_text("1 0.5 0\n")  # Of the logged model.
    (root / f"1/{RUN}/metrics/loss").write_text("-5 0.5 0\n2 0.25 1\n")
    (root / "2").mkdir()
    (root / "2/meta.yaml").write_text(f"experiment_id: '2'\nname: {'n' * 600}\n")
    for number, time in ((2, 9), (3, 4)):  # The clock went back.
        (root / f"models/reg/version-{number}").mkdir()
        meta = f"name: reg\nversion: {number}\ncreation_timestamp: {time}\nsource: s3://b/x\n"
        (root / f"models/reg/version-{number}/meta.yaml").write_text(meta)

    def source() -> FileStoreSource:
        return FileStoreSource(root, places().store)

    refused = [
        f"experiment {'n' * 600!r} with everything in it",
        "registered model 'reg' version 1",  # It has no source.
        "registered model 'reg' alias 'best'",
    ]
    for times in range(2):
        summary, _ = copy(source(), servers.target.url)
        lost = [loss.place for loss in summary.losses if "artifacts" not in loss.place]
        # The run is complete after the first copy.
        assert sorted(lost) == sorted([*refused, f"run {RUN} metric 'loss'"] if times == 0 else refused)
        assert summary.created["runs"] == (2 if times == 0 else 0)
        assert summary.created["versions"] == (2 if times == 0 else 0)
    found = verify(source(), servers.target.url).found
    assert set(found) == {"experiment missing", "version numbers", "registered model aliases"}


def run_with(*points: Point) -> Run:
    latest = {point.key: point for point in points}
    return Run(RUN, "1", "r", "u", "FINISHED", 1, 2, "active", "", latest=latest)


def test_points_before_1970_are_a_loss_for_a_server() -> None:
    run = run_with(Point("a", 1.0, -1, 0), Point("b", 1.0, 0, 0))
    assert adapt(run, Limits.of("3.0"))[2] == [Loss(f"run {RUN} metric 'a'", TIME_REFUSED)]
    assert adapt(run, Limits.none())[2] == []


def context() -> CopyContext:
    return CopyContext(*cast("list[Any]", [SimpleNamespace(losses=list)] + [None] * 6))


async def failing(*errors: Exception) -> None:
    if len(errors) == 1:
        raise errors[0]
    raise ExceptionGroup("several", errors)


@pytest.mark.parametrize("errors", [(REFUSED,), (REFUSED, REFUSED), (ApiError("s", "c", 413, "", "large"),)])
def test_refused_content_is_a_loss(errors: tuple[Exception, ...]) -> None:
    found = context()
    assert asyncio.run(found.unless_refused("run 1", failing(*errors))) is False
    assert [loss.place for loss in found.summary.losses] == ["run 1"]


@pytest.mark.parametrize("errors", [(ApiError("s", "c", 404, "", "gone"),), (REFUSED, OSError()), (KeyError(),)])
def test_any_other_error_ends_the_copy(errors: tuple[Exception, ...]) -> None:
    with pytest.raises((Exception, ExceptionGroup)):
        asyncio.run(context().unless_refused("run 1", failing(*errors)))


def version(name: str, number: int, time: int) -> ModelVersion:
    return ModelVersion(name, number, "s", "", "", "", "None", creation_time=time)


def test_versions_are_created_by_time_and_always_in_the_order_of_their_numbers() -> None:
    one = RegisteredModel("one", "", versions=[version("one", 1, 10), version("one", 2, 3)])
    two = RegisteredModel("two", "", versions=[version("two", 1, 5), version("two", 2, 20)])
    ordered = [(found.name, found.version) for found in _in_order([one, two])]
    assert ordered == [("two", 1), ("one", 1), ("one", 2), ("two", 2)]


def copier(registry: Any) -> RegistryCopier:
    links = SimpleNamespace(get=lambda *_: None)
    destination = SimpleNamespace(registry=registry)
    found = SimpleNamespace(destination=destination, links=links, target=lambda _: None, summary=Summary())
    return RegistryCopier(cast("Any", found))


class Registry:
    """Creates versions from 1 on, or fails with `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.calls = error, list[str]()

    async def create_version(self, *_: Any) -> int:
        self.calls.append("create")
        if self.error is not None:
            raise self.error
        return 1

    async def delete_version(self, *_: Any) -> None:
        self.calls.append("delete")


def test_a_version_with_a_very_high_number_is_a_loss() -> None:
    """Each number below it would take a placeholder, which is created and deleted."""
    registry = Registry()
    loss = asyncio.run(copier(registry)._create(version("reg", 2_000_000_000, 1), {}))
    assert loss is not None
    assert (loss.place, registry.calls) == ("registered model 'reg' version 2000000000", ["create", "delete"])


def test_a_version_whose_source_is_missing_is_a_loss() -> None:
    missing = ApiError("s", "c", 404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=x not found")
    loss = asyncio.run(copier(Registry(missing))._create(version("reg", 1, 1), {}))
    assert loss is not None
    assert "name=x not found" in loss.reason


def test_experiments_without_a_creation_time_are_not_recognized_by_their_number() -> None:
    """Servers count from 0, so an experiment of another source would be renamed."""
    there = Experiment("7", "theirs", "", tags={SOURCE_ID: "2", SOURCE_TIME: "None"}, creation_time=1)
    assert pair_experiments([Experiment("2", "ours", "")], [there]) == {}


def test_what_a_server_changes_in_a_trace_is_named() -> None:
    status = "TRACE_STATUS_UNSPECIFIED"
    trace = Trace("tr-1", "1", 1, None, status, metadata={"long": "x" * 9000})
    found, losses = fit_trace(trace, Limits.of("3.0"))
    assert (found.status, len(found.metadata["long"])) == ("IN_PROGRESS", 8000)
    assert [loss.place for loss in losses] == ["trace tr-1 metadata 'long'", "trace tr-1"]
    assert fit_trace(trace, Limits.none()) == (trace, [])


def test_nan_of_a_logged_model_stays_nan() -> None:
    scratch = Scratch()
    scratch.add_model_points([ModelPoint("m", RUN, Point("a", math.nan, 1, 0))])
    (found,) = scratch.model_points(RUN)
    assert math.isnan(found.point.value)
    scratch.close()


def test_a_full_disk_of_temporary_files_is_an_error_of_one_line() -> None:
    scratch, manifest = Scratch(), Manifest()
    for one in (scratch, manifest):
        one._db.execute("PRAGMA max_page_count = 1")
    points = [ModelPoint("m", RUN, Point("k" * 10_000, 1.0, 1, step)) for step in range(20)]
    with pytest.raises(PlatformError, match=r"temporary files cannot be written .*set TMPDIR"):
        scratch.add_model_points(points)
    with pytest.raises(PlatformError, match=r"temporary files cannot be written .*set TMPDIR"):
        manifest.add(Entry("run", "f" * 10_000, 1, "", id=str(number)) for number in range(20))


def test_a_data_set_that_another_run_stores_at_the_same_time_is_logged_again() -> None:
    answers = iter([400, 400, 200])
    collision = {"error_code": "BAD_REQUEST", "message": "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets"}

    def answer(_: httpx.Request) -> httpx.Response:
        status = next(answers)
        return httpx.Response(status, json=collision if status == 400 else {})

    client = Client("server", "http://server", transport=httpx.MockTransport(answer), retry=Retry(longest=0.01))
    reader = RestSource(client, "3.0", places().store, "server")
    asyncio.run(Destination(reader).runs.log_inputs(RUN, [{"dataset": {"name": "d", "digest": "x"}}], []))
    assert next(answers, None) is None


def proxy(status: int) -> Proxy:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"message": "Invalid path"})

    http = httpx.Client(base_url="http://server", transport=httpx.MockTransport(answer))
    return Proxy(http, "1/a", lambda _: None, Retry(attempts=1))


@pytest.mark.parametrize("status", [400, 413])
def test_a_file_that_a_server_refuses_is_one_loss(status: int) -> None:
    with pytest.raises(UnwritableNameError, match="Invalid path"):
        proxy(status).write("a#b", [b"x"], 1)


def test_a_file_whose_name_a_server_decodes_is_neither_read_nor_written_as_another_one() -> None:
    with pytest.raises(UnreadableError, match="decodes names with %"):
        list(proxy(200).read("%41.txt"))
    with pytest.raises(UnwritableNameError, match="decodes names with %"):
        proxy(200).write("a/%41.txt", [b"x"], 1)
    proxy(200).write("100%.txt", [b"x"], 1)


def test_equal_points_of_one_time_are_one_point(tmp_path: Path) -> None:
    root = store(tmp_path / "mlruns")
    (root / f"1/{OTHER}/metrics/loss").write_text("1 1 0\n1 2 0\n1 1 0\n2 1 0\n")
    source = FileStoreSource(root, places().store)
    points = list(source._files.points("loss", "loss", root / f"1/{OTHER}/metrics/loss"))
    assert [(point.timestamp, point.value) for point in points] == [(1, 1.0), (1, 2.0), (2, 1.0)]


@pytest.mark.parametrize("archive", ["mlruns/backup", "mlruns", "."])
def test_an_archive_in_the_file_store_itself_is_refused(tmp_path: Path, archive: str) -> None:
    """The next listing would take it for an experiment."""
    source = FileStoreSource(store(tmp_path / "mlruns"), places().store)
    backup = Backup(source, Archive(Folder(tmp_path / archive)), "20261130T000000Z")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="lies in the file store"):
        asyncio.run(backup.run())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("text", ["", "ftp://host/x"])
def test_a_source_that_is_none_is_named(text: str) -> None:
    with pytest.raises(InputError, match="is neither a server, a database"):
        asyncio.run(open_source(places(), text))
