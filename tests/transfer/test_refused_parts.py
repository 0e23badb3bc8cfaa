"""A part that the destination refuses is a loss of its own, and what the source cannot show is not deleted there."""

import asyncio
import posixpath
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from mlflow_common.errors import PlatformError
from mlflow_common.retry import Retry
from mlflow_transfer.client import ApiError, Client
from mlflow_transfer.context import CopyContext
from mlflow_transfer.copiers.experiments import ExperimentCopier
from mlflow_transfer.copiers.registry import RegistryCopier
from mlflow_transfer.limits import Limits
from mlflow_transfer.losses import Loss, LostParts
from mlflow_transfer.matching import ExperimentPair
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Tally
from mlflow_transfer.records import Experiment, ModelVersion, Point, RegisteredModel
from mlflow_transfer.registry_matching import LAST, LOST, additions, copy_tags

REFUSED = ApiError("server", "POST x", 400, "INVALID_PARAMETER_VALUE", "no")


class Recorder:
    """A writer that records its calls, and refuses those that contain a text."""

    def __init__(self, refuses: str = "nothing") -> None:
        self.refuses, self.calls = refuses, list[str]()

    def __getattr__(self, method: str) -> Any:
        async def call(*given: Any) -> Any:
            text = " ".join([method, *(str(one.version if isinstance(one, ModelVersion) else one) for one in given)])
            self.calls.append(text)
            if self.refuses in text:
                raise REFUSED
            return given[0].version if method == "create_version" else None

        return call


def context(writer: Recorder, losses: list[Loss], there: list[RegisteredModel]) -> CopyContext:
    async def present() -> list[RegisteredModel]:
        return there

    destination = SimpleNamespace(
        registry=writer, experiments=writer, reader=SimpleNamespace(registered_models=present)
    )
    links = SimpleNamespace(get=lambda *_: None, target=lambda _: None)
    source, checkpoint = SimpleNamespace(losses=lambda: losses), SimpleNamespace(links=links)
    parts: list[Any] = [source, destination, checkpoint, Options(), Tally(), None, None]
    return CopyContext(*parts)


def model(*numbers: int, **given: Any) -> RegisteredModel:
    versions = [ModelVersion("reg", one, "s", "", "", "", "None", creation_time=one) for one in numbers]
    return RegisteredModel("reg", "", versions=versions, creation_time=1, **given)


def copied(original: RegisteredModel, **tags: str) -> RegisteredModel:
    """The copy of a model, made at another time."""
    for version in original.versions:
        version.tags.update({**copy_tags(version), "extra": "1"})
    original.tags.update({**copy_tags(original), "extra": "1", **tags})
    original.creation_time = 99
    return original


def registry_copy(
    source: RegisteredModel, there: list[RegisteredModel], refuses: str = "nothing", losses: tuple[Loss, ...] = ()
) -> tuple[list[str], list[str]]:
    """The calls, and the places of the losses."""
    writer = Recorder(refuses)
    found = context(writer, list(losses), there)
    asyncio.run(RegistryCopier(found).copy([source]))
    return writer.calls, [loss.place for loss in found.summary.losses]


DELETING = {
    "untag_model reg extra",
    "untag_version reg 1 extra",
    "delete_version reg 2",
    "delete_alias reg old",
}


@pytest.mark.parametrize(
    ("place", "deletes"),
    [
        ("run 1 metric 'a'", True),
        ("registered model 'other' version 1 (table model_versions)", True),
        ("registered model 'reg' version 2 (table model_versions)", False),
        ("all rows of the table model_versions", False),
        ("all rows of the table registered_model_aliases", False),
        ("the database file", False),
    ],
)
def test_nothing_is_deleted_that_the_source_may_still_have(place: str, deletes: bool) -> None:
    there = copied(model(1, 2, aliases={"old": 2}), **{LAST: "2"})
    calls, _ = registry_copy(model(1), [there], losses=(Loss(place, "damaged"),))
    assert {one for one in calls if one.startswith(("delete", "untag"))} == (DELETING if deletes else set())


@pytest.mark.parametrize(
    ("place", "mine"), [("run r1 tag 'x'", True), ("the database file", True), ("run r2 tag 'x'", False)]
)
def test_tags_of_a_run_stay_that_the_source_may_still_have(place: str, mine: bool) -> None:
    assert LostParts(lambda: [Loss(place, "damaged")]).may_hide("r1") is mine


def test_a_refused_version_is_tried_again_and_its_aliases_are_losses() -> None:
    calls, lost = registry_copy(model(1, 2, aliases={"best": 2}), [], "create_version 2")
    assert f"tag_model reg {LAST} 1" in calls
    assert lost == ["registered model 'reg' version 2", "registered model 'reg' alias 'best'"]


def test_a_version_whose_number_is_used_up_is_named_by_every_copy_without_another_try() -> None:
    calls, lost = registry_copy(model(1, 2, 3), [], "create_version 2")
    assert {f"tag_model reg {LAST} 3", f"tag_model reg {LOST} 2"} <= set(calls)
    there = copied(model(1, 3), **{LAST: "3", LOST: "2"})
    for nothing in ("nothing", "create_version"):
        calls, again = registry_copy(model(1, 2, 3), [there], nothing)
        assert (lost, [one for one in calls if LOST in one or "create" in one]) == (again, [])
    assert [loss.place for loss in additions(model(1, 2, 3), there, lambda _: None)[1]] == lost
    # A person deleted the last one.
    _, again = registry_copy(model(1, 2, 3), [copied(model(1), **{LAST: "3"})])
    assert [place[-1] for place in again] == ["2", "3"]


@pytest.mark.parametrize(
    ("refuses", "place"),
    [
        ("set_stage reg 1", "registered model 'reg' version 1 stage 'Staging'"),
        ("tag_version reg 1 new", "registered model 'reg' version 1 tag 'new'"),
        ("describe_version reg 1", "registered model 'reg' version 1 description"),
        ("tag_model reg new", "registered model 'reg' tag 'new'"),
        ("describe_model reg", "registered model 'reg' description"),
    ],
)
def test_a_refused_part_of_a_model_does_not_lose_its_versions(refuses: str, place: str) -> None:
    source = model(1, 2, tags={"new": "1"}, aliases={"best": 1})
    source.description = source.versions[0].description = "changed"
    source.versions[0].tags["new"] = "1"
    source.versions[0].stage = "Staging"
    calls, lost = registry_copy(source, [copied(model(1))], refuses)
    assert lost == [place]
    assert {"create_version 2", "set_alias reg best 1"} <= {
        one[: len("set_alias reg best 1")].split(" {")[0] for one in calls
    }


@pytest.mark.parametrize(
    ("refuses", "place"),
    [("rename 9", "experiment 'old' new name 'new'"), ("tag 9 k", "experiment 'new' tag 'k'")],
)
def test_a_refused_part_of_an_experiment_is_not_the_whole_experiment(refuses: str, place: str) -> None:
    source = Experiment("1", "new", "", tags={"k": "v"}, creation_time=1)
    writer = Recorder(refuses)
    found = context(writer, [], [])
    copier = ExperimentCopier(found)
    copier.set_pairs({"1": ExperimentPair(source, Experiment("9", "old", ""))})
    asyncio.run(copier.copy(source))
    assert [loss.place for loss in found.summary.losses] == [place]
    assert any(one.startswith("rename") for one in writer.calls)
    assert any(one.startswith("tag 9 k") for one in writer.calls)


def posted(*messages: str) -> None:
    """Post to a server that answers with these errors of its database, and then accepts."""
    answers = iter(messages)

    def answer(_: httpx.Request) -> httpx.Response:
        message = next(answers, None)
        if message is None:
            return httpx.Response(200, json={})
        return httpx.Response(400, json={"error_code": "BAD_REQUEST", "message": message})

    retry = Retry(attempts=3, longest=0.01)
    client = Client("server", "http://server", transport=httpx.MockTransport(answer), retry=retry)
    asyncio.run(client.post("x", {}))


PASSING = [
    "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
    "(psycopg2.InterfaceError) connection already closed",
    "Can't reconnect until invalid transaction is rolled back.",
]


@pytest.mark.parametrize("message", PASSING)
def test_a_passing_failure_of_the_database_is_repeated(message: str) -> None:
    posted(message, message)
    with pytest.raises(PlatformError, match="does not answer") as error:
        posted(*[message] * 9)
    assert not isinstance(error.value, ApiError)


@pytest.mark.parametrize(
    "message",
    [
        "(pymysql.err.DataError) (1406, \"Data too long for column 'value' at row 1\")",
        "(psycopg2.errors.StringDataRightTruncation) value too long for type character varying(500)",
        "(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint",
        "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name",
    ],
)
def test_content_that_the_database_refuses_is_a_loss(message: str) -> None:
    with pytest.raises(ApiError) as error:
        posted(message)
    assert error.value.refuses_content


def test_the_name_of_many_points_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    plain = posixpath.normpath

    def normpath(name: str) -> str:
        checked.append(name)
        return plain(name)

    monkeypatch.setattr(posixpath, "normpath", normpath)
    limits = Limits.of("3.0")
    assert all(limits.takes_point(Point("only in this test", 1.0, 1, step)) for step in range(100))
    assert len(checked) == 1
