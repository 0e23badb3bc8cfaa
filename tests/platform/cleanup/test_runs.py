"""Which runs and artifacts a clean-up selects and deletes, and which it keeps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.cleanup.deletion import delete
from mlflow_platform.cleanup.items import DELETED_RUNS, FAILED_RUNS, OLD_RUNS, ORPHANS, Found
from tests.platform.cleanup.conftest import WithServers, World
from tests.platform.conftest import BUCKET


def names(found: Found) -> set[str]:
    return {item.name for item in found.items}


def reasons(found: Found) -> dict[str, str]:
    return {one.name: one.reason for one in found.kept}


def remove(world: World, found: Found) -> Any:
    return delete(world.access, world.environment, found.items, lambda _line: None)


def register(world: World, source: str, run_id: str | None = None) -> None:
    client = world.mlflow.MlflowClient()
    client.create_registered_model("churn")
    version = client.create_model_version("churn", source, run_id)
    client.set_registered_model_alias("churn", "champion", version.version)


def test_deletes_failed_runs_with_their_artifacts_and_nothing_else(world: World) -> None:
    failed, finished = world.run("FAILED"), world.run("FINISHED")
    found = world.search(FAILED_RUNS)
    assert [(item.name, item.size, item.objects) for item in found.items] == [(failed, 5, 1)]
    assert world.keys() == {f"1/{failed}/artifacts/a.txt", f"1/{finished}/artifacts/a.txt"}
    remove(world, found)
    assert world.keys() == {f"1/{finished}/artifacts/a.txt"}
    client = world.mlflow.MlflowClient()
    assert client.get_run(failed).info.lifecycle_stage == "deleted"
    assert client.get_run(finished).info.lifecycle_stage == "active"
    assert not world.search(FAILED_RUNS).items


def test_deletes_the_logged_models_of_a_run(world: World) -> None:
    client, run = world.mlflow.MlflowClient(), world.run()
    model = client.create_logged_model(world.experiment, "m", source_run_id=run)
    world.put(f"1/models/{model.model_id}/artifacts/MLmodel", b"1234567")
    found = world.search(FAILED_RUNS)
    assert [(item.size, item.models) for item in found.items] == [(12, (model.model_id,))]
    remove(world, found)
    assert not world.keys()
    assert not client.search_logged_models(experiment_ids=[world.experiment])


@pytest.mark.parametrize("source", ["runs:/{run}/model", "s3://bucket/1/{run}/artifacts/model", "models:/{model}"])
def test_keeps_what_a_registered_version_refers_to(world: World, source: str) -> None:
    client, run = world.mlflow.MlflowClient(), world.run()
    model = client.create_logged_model(world.experiment, "m", source_run_id=run)
    world.put(f"1/models/{model.model_id}/artifacts/MLmodel")
    # Versions may be registered without their run: what counts is the source.
    register(world, source.format(run=run, model=model.model_id))
    found = world.search()
    assert not found.items
    assert reasons(found) == {run: "registered as models:/churn/1 (@champion)"}


def test_a_run_that_is_registered_after_the_search_is_kept(world: World) -> None:
    run = world.run()
    found = world.search(FAILED_RUNS)
    register(world, f"runs:/{run}/model", run)
    outcome = remove(world, found)
    assert [one.reason for one in outcome.kept] == ["registered as models:/churn/1"]
    assert world.keys()


def test_keeps_unfinished_and_tagged_runs_and_parents_of_kept_runs(world: World) -> None:
    running, tagged, parent = world.run("RUNNING"), world.run(keep="yes"), world.run()
    child = world.run("FINISHED", **{"mlflow.parentRunId": parent})
    found = world.search(FAILED_RUNS, OLD_RUNS, before=datetime.now(UTC) + timedelta(days=1))
    assert names(found) == {parent, child}
    assert reasons(found)[running].startswith("it is RUNNING")
    assert reasons(found)[tagged] == "it has the tag keep"
    found = world.search(FAILED_RUNS)
    assert reasons(found)[parent] == "it has a child run that is kept"


def test_selects_by_age_experiment_and_tag(world: World) -> None:
    run = world.run(team="a")
    assert not world.search(before=datetime.now(UTC) - timedelta(days=1)).items
    assert names(world.search(FAILED_RUNS, experiments=frozenset({"churn"}))) == {run}
    assert names(world.search(FAILED_RUNS, experiments=frozenset({"1"}), tags={"team": None})) == {run}
    assert not names(world.search(FAILED_RUNS, tags={"team": "b"}))
    assert not names(world.search(FAILED_RUNS, experiments=frozenset({"Default"})))
    with pytest.raises(InputError, match="there is no experiment 'nowhere'"):
        world.search(experiments=frozenset({"nowhere"}))
    world.access.mlflow.create_experiment(world.experiment)
    with pytest.raises(InputError, match=f"'{world.experiment}' is the id of the experiment 'churn' and the name of"):
        world.search(experiments=frozenset({world.experiment}))


def test_a_run_is_not_older_than_its_start(world: World) -> None:
    """A writer may set the end of everybody's runs."""
    run = world.run()
    world.mlflow.MlflowClient().set_terminated(run, "FAILED", end_time=1)
    assert not world.search(FAILED_RUNS, before=datetime.now(UTC) - timedelta(days=1)).items


def test_never_deletes_below_a_location_that_is_not_the_runs_own(world: World) -> None:
    client = world.mlflow.MlflowClient()
    elsewhere = client.create_experiment("other", artifact_location="s3://other-bucket/backups")
    run = client.create_run(elsewhere).info.run_id
    client.set_terminated(run, "FAILED")
    found = world.search(FAILED_RUNS)
    assert not found.items
    assert "not in a folder of its own" in reasons(found)[run]


def test_selects_artifacts_that_nothing_knows_and_no_others(world: World) -> None:
    lost, model = "a" * 32, f"m-{'b' * 32}"
    for key in (f"1/{lost}/artifacts/a", f"1/models/{model}/artifacts/MLmodel"):
        world.put(key)
    others = {
        world.put(key) for key in ("backups/s/1/a", f"endpoints/e/{'c' * 16}/model.tar.gz", "captured/e/x", "1/x")
    }
    world.run("FINISHED")
    found = world.search(ORPHANS)
    assert names(found) == {f"s3://{BUCKET}/1/{lost}/", f"s3://{BUCKET}/1/models/{model}/"}
    remove(world, found)
    assert {key.removeprefix(f"s3://{BUCKET}/") for key in others} < world.keys()
    assert len(world.keys()) == 5


def test_a_second_server_on_the_store_prevents_judging_orphans(world: World) -> None:
    sagemaker: Any = world.access.sagemaker
    assert isinstance(sagemaker, WithServers)
    sagemaker.stores["mlflow-staging-2-16"] = f"s3://{BUCKET}/"
    world.put(f"1/{'a' * 32}/artifacts/a")
    found = world.search(ORPHANS)
    assert not found.items
    assert "mlflow-staging-2-16 may store artifacts" in found.skipped[ORPHANS]


def test_a_server_that_may_not_be_described_prevents_judging_orphans(world: World) -> None:
    sagemaker: Any = world.access.sagemaker
    sagemaker.stores["adopted"] = f"s3://{BUCKET}/"
    sagemaker.denies_servers = {"adopted"}
    world.put(f"1/{'a' * 32}/artifacts/a")
    found = world.search(ORPHANS)
    assert not found.items
    assert found.skipped[ORPHANS].startswith("adopted cannot be described, and may store artifacts")


def test_an_app_on_the_store_prevents_judging_orphans(world: World) -> None:
    sagemaker: Any = world.access.sagemaker
    sagemaker.apps = {"elsewhere": "s3://another-bucket", "beside": f"s3://{BUCKET}"}
    world.put(f"1/{'a' * 32}/artifacts/a")
    found = world.search(ORPHANS)
    assert not found.items
    assert found.skipped[ORPHANS].startswith("beside may store artifacts")


def test_apps_that_may_not_be_seen_prevent_judging_orphans(world: World) -> None:
    sagemaker: Any = world.access.sagemaker
    world.put(f"1/{'a' * 32}/artifacts/a")
    sagemaker.apps, sagemaker.denies_servers = {"theirs": f"s3://{BUCKET}"}, {"theirs"}
    found = world.search(ORPHANS)
    assert not found.items
    assert found.skipped[ORPHANS].startswith("theirs cannot be described")
    sagemaker.denies_apps = True
    found = world.search(ORPHANS)
    assert not found.items
    assert found.skipped[ORPHANS].startswith("MLflow Apps (sagemaker:ListMlflowApps is denied) cannot be described")


def test_a_failed_search_for_logged_models_is_no_empty_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> Any:
        raise MlflowException("error code 500, request 4404", error_code=INTERNAL_ERROR)

    world.put(f"1/models/m-{'b' * 32}/artifacts/MLmodel")
    monkeypatch.setattr(world.access.mlflow, "search_logged_models", fail)
    with pytest.raises(MlflowException):
        world.search(ORPHANS)


def test_a_failure_half_way_names_what_is_left_and_the_next_clean_up_resumes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = sorted([world.run(), world.run()])
    s3, real = world.access.s3, world.access.s3.delete_objects

    def refuse(**given: Any) -> Any:
        (one,) = given["Delete"]["Objects"]
        if runs[0] in one["Key"]:
            return {"Errors": [{"Key": one["Key"], "Code": "AccessDenied", "Message": "object lock"}]}
        return real(**given)

    monkeypatch.setattr(s3, "delete_objects", refuse)
    outcome = remove(world, world.search(FAILED_RUNS))
    assert [item.name for item in outcome.deleted] == [runs[1]]
    with pytest.raises(PlatformError, match=r"1 of 2 items are left: .*object lock") as raised:
        outcome.check("the command")
    assert runs[0] in raised.value.details[0]
    monkeypatch.undo()
    again = world.search(DELETED_RUNS)
    assert [(item.name, item.marked) for item in again.items] == [(runs[0], True)]
    remove(world, again)
    assert not world.keys()


def test_stops_after_three_failures_in_a_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        world.run()

    def fail(**_: Any) -> Any:
        raise PlatformError("the network is down.")

    monkeypatch.setattr(world.access.s3, "delete_objects", fail)
    outcome = remove(world, world.search(FAILED_RUNS))
    assert [reason for _, reason in outcome.left][2:] == [
        "the network is down.",
        *["not tried, after three failures in a row"] * 2,
    ]
