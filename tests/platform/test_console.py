"""What all scripts share: ignored values are refused, and closed streams and questions end in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from mlflow_common import console
from mlflow_platform.environment import REPOSITORY
from scripts import clean_up, compare_runs, deploy_model, log_run, monitor, plan_guard, promote, validate_endpoint
from tests.platform.conftest import Main


@pytest.mark.parametrize(
    ("app", "arguments", "name"),
    [
        (deploy_model.app, [""], "MODEL"),
        (deploy_model.app, ["models:/a/1", "--endpoint", ""], "--endpoint"),
        (deploy_model.app, ["models:/a/1", "--image-uri="], "--image"),
        (deploy_model.app, ["models:/a/1", "--tag", "a=b", "--tag="], "--tag"),
        (log_run.app, ["--register", "", "--local"], "--register"),
        (validate_endpoint.app, ["models:/a/1", "--output", " "], "--output"),
        (compare_runs.app, ["a", "--metric", "m", "--out="], "--out"),
        (promote.app, ["a", "--metric", "m", "--threshold", "\t"], "--threshold"),
        (monitor.app, ["run", "--baseline", ""], "--baseline"),
        (clean_up.app, ["--experiment", "", "--yes"], "--experiment"),
        (plan_guard.app, ["--", ""], "PLAN"),
    ],
)
def test_an_empty_value_is_refused(main: Main, app: typer.Typer, arguments: list[str], name: str) -> None:
    status, out, err = main(app, *arguments)
    assert (status, out, err) == (2, "", f"error: {name} is empty. Give it a value, or leave it out.\n")


@pytest.mark.parametrize("order", [1, -1])
def test_options_that_contradict_each_other_are_refused(main: Main, order: int) -> None:
    for app, arguments, pair in (
        (clean_up.app, [], ["--dry-run", "--yes"]),
        (compare_runs.app, ["a", "--metric", "m"], ["--maximize", "--minimize"]),
    ):
        status, out, err = main(app, *arguments, *pair[::order])
        assert (status, out) == (2, "")
        assert err == f"error: {pair[0]} and {pair[1]} contradict each other. Leave one of them out.\n"


def test_a_value_that_is_written_like_a_flag_contradicts_nothing(main: Main) -> None:
    assert (
        "localaws is not running"
        in main(compare_runs.app, "--metric=m", "--local", "--minimize", "--", "--maximize")[2]
    )


@pytest.mark.parametrize("raised", [typer.Abort(), EOFError()])
def test_a_question_that_gets_no_answer_is_an_interruption(main: Main, raised: Exception) -> None:
    app = console.make_app()

    @app.command()
    def command() -> None:
        raise raised

    status, _, err = main(app)
    assert (status, err.strip().startswith("error: interrupted.")) == (130, True)


def test_closed_standard_streams_end_in_no_traceback(tmp_path: Path) -> None:
    plan = [sys.executable, "scripts/plan_guard.py", "-"]
    for closed, status in (("<&-", 2), ("<&- >&-", 2), ("<&- >&- 2>&-", 2)):
        done = subprocess.run(
            ["bash", "-c", f'"$@" {closed}', "bash", *plan], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr.startswith("error: this is not a Terraform plan.") or closed.endswith("2>&-")
        assert done.stderr.count("\n") <= 1
