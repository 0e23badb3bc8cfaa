"""The data of a run that a validation reads, and the results that it logs to the run."""

from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.validation import evaluation


@pytest.fixture
def client(mlflow_here: Any) -> Any:
    return mlflow_here.MlflowClient()


@pytest.fixture
def run_id(client: Any) -> str:
    return str(client.create_run("0").info.run_id)


@pytest.fixture
def held_out(client: Any, run_id: str, tmp_path: Path) -> str:
    (tmp_path / "held_out.csv").write_text("x,y\n1,0\n2,1\n")
    client.log_artifact(run_id, str(tmp_path / "held_out.csv"), "evaluation")
    client.set_tag(run_id, evaluation.TARGET_TAG, "y")
    return run_id


def test_the_script_and_the_training_use_the_same_names() -> None:
    from training import record

    assert (record.HELD_OUT, record.TARGET_TAG, record.TASK_TAG) == (
        evaluation.HELD_OUT,
        evaluation.TARGET_TAG,
        evaluation.TASK_TAG,
    )


def test_a_run_of_another_server_is_refused(client: Any) -> None:
    with pytest.raises(InputError, match="the run 0123, which the endpoint's tags name, is not on this server"):
        evaluation.fetch(client, "0123")
    assert evaluation.find_run(client, "0123") is None


def test_a_deleted_run_counts_as_gone(client: Any, run_id: str) -> None:
    assert evaluation.find_run(client, run_id) is not None
    client.delete_run(run_id)
    assert evaluation.find_run(client, run_id) is None


def test_a_run_without_the_tag_is_refused(client: Any, run_id: str) -> None:
    with pytest.raises(InputError, match=r"has no tag evaluation\.target: pass rows of your own with --data"):
        evaluation.fetch(client, run_id)


def test_a_run_without_the_rows_is_refused(client: Any, run_id: str) -> None:
    client.set_tag(run_id, evaluation.TARGET_TAG, "y")
    with pytest.raises(InputError, match=r"has no artifact evaluation/held_out\.csv"):
        evaluation.fetch(client, run_id)


def test_the_held_out_rows_come_with_target_and_task(client: Any, held_out: str) -> None:
    found = evaluation.fetch(client, held_out)
    assert dict(found.table.columns) == {"x": ["1", "2"], "y": ["0", "1"]}
    assert (found.target, found.task) == ("y", None)
    client.set_tag(held_out, evaluation.TASK_TAG, "regression")
    assert evaluation.fetch(client, held_out).task == "regression"


def test_does_not_read_rows_outside_of_the_environments_store(client: Any, held_out: str) -> None:
    root = str(client.get_run(held_out).info.artifact_uri)
    assert evaluation.fetch(client, held_out, stores=["s3://bucket", root.rpartition("/")[0]]).target == "y"
    for store in ("s3://bucket", root[:-1], f"{root}/below"):
        with pytest.raises(InputError, match=f"the artifacts of run {held_out} are at .*, outside of {store}"):
            evaluation.fetch(client, held_out, stores=[store])


def test_metrics_and_files_are_logged_under_validation(client: Any, run_id: str, tmp_path: Path) -> None:
    files = [tmp_path / "report.html", tmp_path / "residuals.png"]
    for file in [*files, tmp_path / "somebody_elses.txt"]:
        file.write_text("x")
    evaluation.log(client, run_id, {"missing_predictions": 2.0, "rows": 3.0}, files, endpoint="e")
    evaluation.log(client, run_id, {"r2": 0.5, "rows": 3.0}, files, endpoint="e")
    run = client.get_run(run_id)
    assert run.data.metrics == {"validation/r2": 0.5, "validation/rows": 3.0, "validation/missing_predictions": 0.0}
    assert run.data.tags["validation.endpoint"] == "e"
    assert {file.path for file in client.list_artifacts(run_id, "validation")} == {
        "validation/report.html",
        "validation/residuals.png",
    }
