"""The scripts as programs: fast help, errors on one line, results that programs can read."""

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

import mlflow_platform
from mlflow_common import console as _console
from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.endpoints.resources import Clients, EndpointResources, find_resources
from mlflow_platform.environment import REPOSITORY, Environment
from scripts import (
    batch_predict,
    bootstrap,
    build_image,
    ci_report,
    clean_up,
    compare_runs,
    compatibility,
    cost,
    demo,
    deploy_model,
    docs,
    log_run,
    monitor,
    plan_guard,
    predict_async,
    promote,
    prove,
    run_pipeline,
    security_docs,
    server,
    site,
    sweep,
    validate_endpoint,
)
from tests.platform.conftest import Main
from tests.platform.endpoints.fleet import Fleet, Step

PROGRAMS = sorted(path.name for path in (REPOSITORY / "scripts").glob("[a-z]*.py"))
APPS = {
    "demo": demo,
    "log_run": log_run,
    "build_image": build_image,
    "deploy_model": deploy_model,
    "validate_endpoint": validate_endpoint,
    "monitor": monitor,
    "server": server,
    "plan_guard": plan_guard,
    "docs": docs,
    "site": site,
    "security_docs": security_docs,
    "bootstrap": bootstrap,
    "sweep": sweep,
    "run_pipeline": run_pipeline,
    "compare_runs": compare_runs,
    "promote": promote,
    "batch_predict": batch_predict,
    "predict_async": predict_async,
    "clean_up": clean_up,
    "cost": cost,
    "ci_report": ci_report,
    "compatibility": compatibility,
    "prove": prove,
}
HEAVY = {"boto3", "botocore", "matplotlib", "mlflow", "numpy", "pandas", "requests", "sklearn", "xgboost"}


def app_that(raises: BaseException) -> typer.Typer:
    app = _console.make_app()

    @app.command()
    def command(debug: _console.Debug = False) -> None:
        raise raises

    return app


@pytest.mark.parametrize(
    ("options", "larger"),
    [
        (["--metric", "accuracy"], True),
        (["--metric", "rmse"], False),
        (["--metric", "val/loss"], False),
        (["--metric", "validation/rmse"], False),
        (["--metric", "max_error", "--maximize"], True),
        (["--metric", "auc", "--minimize"], False),
    ],
)
def test_a_pipelines_metric_says_whether_larger_is_better(
    options: list[str], larger: bool, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []

    def checked(**given: Any) -> Any:
        found.append(given["maximize"])
        raise InputError("enough")

    monkeypatch.setattr(run_pipeline, "Options", checked)
    assert main(run_pipeline.app, *options)[0] == 2
    assert found == [larger]


@pytest.fixture(scope="module")
def mlflow_import_seconds() -> float:
    return cpu_seconds("import mlflow")[0]


@pytest.mark.system
@pytest.mark.parametrize("program", PROGRAMS)
def test_help_imports_nothing_heavy_and_takes_a_fraction_of_an_import_of_mlflow(
    program: str, mlflow_import_seconds: float
) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{program!r}, '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(REPOSITORY / 'scripts' / program)!r}, run_name='__main__')\n"
        "except SystemExit as ended:\n"
        "    assert not ended.code, ended.code\n"
        f"sys.exit(', '.join(sorted({HEAVY!r} & set(sys.modules))) or 0)\n"
    )

    def fraction() -> float:
        seconds, output = cpu_seconds(code)
        assert "usage" in output.lower()
        return seconds / mlflow_import_seconds

    # Several attempts, because a busy machine also takes more CPU time.
    assert any(fraction() <= 0.15 for _ in range(8))


def cpu_seconds(code: str) -> tuple[float, str]:
    """The CPU time that Python takes to run the code, and what the code prints."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        output, errors = running.stdout.read(), running.stderr.read()  # type: ignore[union-attr]
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert (running.returncode, errors) == (0, "")
    return used.ru_utime + used.ru_stime, output


@pytest.mark.parametrize("name", APPS)
def test_every_option_has_a_help_text(name: str, main: Main) -> None:
    command = typer.main.get_command(APPS[name].app)
    for one in getattr(command, "commands", {name: command}).values():
        assert one.help
        assert all(getattr(parameter, "help", None) for parameter in one.params), one.params
        # "[default: True]" beside --no-package would say the opposite.
        negative: list[Any] = [parameter for parameter in one.params if not parameter.opts]
        assert not [parameter.secondary_opts for parameter in negative if parameter.show_default]


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("demo", ["--dataset", "wine"], "there is no data set 'wine'. --dataset takes iris or diabetes"),
        ("demo", ["--as", "reader"], "the demo cannot run as 'reader'. --as takes writer or admin"),
        ("demo", ["--env", "nowhere"], "there is no environment 'nowhere'. --env takes"),
        ("build_image", [], "give either MODEL or --requirements FILE"),
        ("build_image", ["models:/a/1", "--requirements", "r.txt"], "give either MODEL or --requirements FILE"),
        ("build_image", ["--requirements", "r.txt"], "--requirements needs --python VERSION"),
        ("build_image", ["models:/a/1", "--python", "3.12"], "--python is for --requirements"),
        ("build_image", ["models:/a/1", "--builder", "make"], "--builder takes codebuild, docker, podman or buildah"),
        ("build_image", ["iris"], "'iris' is not a model URI"),
        (
            "deploy_model",
            ["models:/a/1", "--delete", "--rollback"],
            "--delete, --rollback, --status, --shift exclude each other",
        ),
        ("deploy_model", ["--status", "--dry-run"], "--status changes nothing. Leave --dry-run out"),
        ("deploy_model", ["models:/a/1", "--target", "nan"], "--target takes a finite number, not nan"),
        ("promote", ["a", "--metric", "a", "--register", "a", "--margin", "inf"], "--margin takes a finite number"),
        ("run_pipeline", ["--threshold", "nan"], "--threshold takes a finite number, not nan"),
        ("deploy_model", ["models:/a/1", "--startup-timeout", "5"], "Invalid value for '--startup-timeout'"),
        ("plan_guard", ["/nowhere.json"], "there is no plan /nowhere.json. Save one with `make plan`"),
        ("clean_up", ["--what", "logs"], "there is no kind 'logs'. --what takes endpoint-configs,"),
        ("clean_up", ["--what", "images", "--tag", "a=b"], "images have no experiment and no tags. Leave out --what"),
        ("clean_up", ["--tag", "=b"], "--tag takes KEY=VALUE or KEY, not '=b'"),
        ("clean_up", ["--tag", "a=b", "--tag", "a=c"], "--tag is given twice for 'a'"),
        ("clean_up", ["--older-than", "-1"], "Invalid value for '--older-than'"),
        ("cost", ["--prices", "/nowhere.toml"], "the prices /nowhere.toml cannot be read: No such file or directory"),
        ("docs", ["surplus"], "Got unexpected extra argument"),
        ("security_docs", ["surplus"], "Got unexpected extra argument"),
        ("bootstrap", ["--repository", "/nowhere"], "/nowhere is not a checkout of this repository"),
        (
            "run_pipeline",
            ["--data", "wine"],
            "there is no file wine. --data takes iris, diabetes, a file or an s3:// URI",
        ),
        ("run_pipeline", ["--data", "s3://b/k"], "--data needs --target COL"),
        ("run_pipeline", ["--project", "/nowhere"], "there is no file /nowhere/MLproject"),
        ("run_pipeline", ["--register", "my_model"], "'my_model' is not a valid model name"),
        ("run_pipeline", ["--parameter", "MaxStepSeconds=0"], "MaxStepSeconds must be from 1 to 432000, not 0"),
        ("run_pipeline", ["--parameter", "TrainInstanceType="], "takes an instance type such as ml.m5.large, not ''"),
        ("run_pipeline", ["--metric", "val.rmse"], "--metric takes a name without dots"),
        ("run_pipeline", ["--parameter", "MaxStepSeconds=x"], "MaxStepSeconds takes a value of type Integer, not 'x'"),
        ("run_pipeline", ["--parameter", "Threshold=0.5"], "the parameter Threshold is set by --threshold"),
        ("run_pipeline", ["--parameter", "DataUri=s3://b/k"], "the parameter DataUri is set by --data"),
        ("run_pipeline", ["--alias", "v1"], "'v1' is not a valid alias"),
        ("log_run", ["--register", "a", "--alias", "Latest"], "'Latest' is not a valid alias"),
        ("promote", ["a", "--metric", "a", "--alias", "a b"], "'a b' is not a valid alias"),
        ("promote", ["a", "--metric", "a", "--no-package", "--image", "i"], "--image is for the package"),
        ("promote", ["a", "--metric", "a", "--no-package", "--approval", "approved"], "--approval is for the package"),
        ("predict_async", ["e", __file__, "--content-type=a", "--output", __file__], "is the file that is read"),
        ("batch_predict", ["models:/a/1", __file__, "--output", __file__], "is the file that is read"),
        ("batch_predict", ["models:/a/1", "a.csv", "--output", "a.parquet"], "a.parquet is neither .csv nor .jsonl"),
        ("compare_runs", ["a", "--metric", "m", "--out", "/dev/null/a"], "--out: /dev/null is not a folder"),
        ("validate_endpoint", ["models:/a/1", "--output", "/dev/null"], "--output: /dev/null is not a folder"),
        ("monitor", ["report", "--endpoint", "a", "--output", "/dev"], "--output: /dev is a folder. Name a file"),
        ("prove", ["--output", "/dev/null"], "--output: /dev/null is not a folder"),
        ("run_pipeline", ["--parameter", "Threshold"], "--parameter takes NAME=VALUE, not 'Threshold'"),
        ("run_pipeline", ["--set", "family=forest"], "--set takes ENTRY.NAME=VALUE with an ENTRY out of prepare"),
        (
            "run_pipeline",
            ["--set", "train.depth=3"],
            "the entry point 'train' has no parameter 'depth'. It has dataset",
        ),
        (
            "run_pipeline",
            ["--set", "tune.trials=x"],
            "the parameter 'trials' is a number in MLproject (float), not 'x'",
        ),
        ("sweep", ["--data", "/nowhere.csv"], "--data FILE and --target COL go together"),
        ("sweep", ["--data", "x.csv", "--target", ""], "--target is empty"),
        ("log_run", ["--data", "x.csv", "--target", ""], "--target is empty"),
        ("sweep", ["--data", "/nowhere.csv", "--target", "y"], "there is no file /nowhere.csv"),
        ("sweep", ["--name", "it's"], "--name has a quote, a backslash or a control character"),
        ("sweep", ["--on", "moon"], "--on takes here or sagemaker, not 'moon'"),
        ("sweep", ["--image", "x"], "--image needs --on sagemaker"),
        ("sweep", ["--on", "sagemaker", "--prune"], "--prune does not work with --on sagemaker"),
        ("sweep", ["--on", "sagemaker", "--trials", "3"], "SageMaker tries the whole grid: leave out --trials"),
        ("sweep", ["--on", "sagemaker", "--jobs", "11"], "at most 10 training jobs at a time"),
        ("sweep", ["--on", "sagemaker", "--data", __file__, "--target", "y"], "test_scripts.py cannot be read as CSV"),
        ("ci_report", ["gitlab", "--review", "/nowhere.json"], "/nowhere.json cannot be read"),
        (
            "ci_report",
            ["drift", "--review", __file__, "--plan", __file__],
            f"{__file__} is not JSON. Give the output of `plan_guard.py --json`",
        ),
        ("log_run", ["--bogus"], "No such option: --bogus (see --help)."),
        ("log_run", ["--dataset", "wine"], "there is no data set 'wine'. --dataset takes iris or diabetes"),
        ("log_run", ["--set", "trees=1"], "--set: 'trees=1' is not NAME=VALUE"),
        ("log_run", ["--set", "held_out=0.99"], "--set: held_out is the share of rows held out: from 0.05 to 0.95"),
        ("log_run", ["--tag", "evaluation.task=x"], "--tag evaluation.task: this key is reserved. Choose another one."),
        ("log_run", ["--alias", "champion"], "--alias needs --register NAME"),
        ("log_run", ["--register", "my_model"], "'my_model' is not a valid model name. Name it with --register"),
        ("run_pipeline", ["--name", "a_b"], "'a_b' is not a valid name of a pipeline"),
        ("run_pipeline", ["--parameter", "MaxStepSeconds=1_000"], "a value of type Integer, not '1_000'"),
        ("log_run", ["--tag", "novalue"], "--tag takes KEY=VALUE, not 'novalue'"),
        ("log_run", ["--data", "x.csv"], "--data FILE and --target COL go together"),
        ("log_run", ["--data", "x.csv", "--target", "y"], "there is no file x.csv"),
        ("log_run", ["--data", "x.csv", "--target", "y", "--set", "subsample=1"], "--set: 'subsample=1' is not"),
        ("log_run", ["--env", "nowhere"], "there is no environment 'nowhere'. --env takes"),
        ("deploy_model", [], "no model given. Give MODEL"),
        ("deploy_model", ["models:/a/1", "--strategy", "blue"], "there is no strategy 'blue'"),
        ("deploy_model", ["models:/a/1", "--strategy", "canary"], "so it needs two or more. Add --instance-count 2"),
        ("deploy_model", ["models:/a/1", "--challenger", "b"], "'b' is not a model URI"),
        (
            "deploy_model",
            ["models:/a/1", "--challenger", "models:/a/2", "--weight", "0"],
            "--weight must leave requests",
        ),
        (
            "deploy_model",
            ["models:/a/1", "--shadow", "models:/a/2", "--challenger", "models:/a/3"],
            "one other variant",
        ),
        ("deploy_model", ["--endpoint", "e", "--shift", "A"], "--shift takes NAME=WEIGHT"),
        ("deploy_model", ["--delete"], "name the endpoint to remove or roll back (--endpoint NAME --delete)"),
        ("deploy_model", ["iris"], "'iris' is not a model URI. Use models:/NAME@ALIAS"),
        ("deploy_model", ["models:/a/1", "--endpoint", "a_b"], "'a_b' is not a valid endpoint name"),
        ("deploy_model", ["models:/a/1", "--instance-count", "0"], "Invalid value for '--instance-count'"),
        ("validate_endpoint", [], "say which endpoint"),
        ("validate_endpoint", ["models:/a/1", "--data", "x.csv"], "--data FILE and --target COL go together"),
        ("validate_endpoint", ["models:/a/1", "--data", "x.csv", "--target", "y"], "there is no file x.csv"),
        ("monitor", ["run", "--window", "5"], "a window takes 1, 2, 3, 4, 6, 8, 12, 24 hours, not 5"),
        ("monitor", ["run", "--endpoint", "a_b"], "'a_b' is not a valid endpoint name"),
        ("monitor", ["run", "--threshold", "auc=1"], "--threshold: there is no metric 'auc'"),
        ("monitor", ["truth", "x.csv", "--endpoint", "a"], "there is no file x.csv"),
        ("validate_endpoint", ["--endpoint", "a_b"], "'a_b' is not a valid endpoint name"),
        ("validate_endpoint", ["models:/a/1", "--task", "guess"], "--task takes classification or regression"),
        ("validate_endpoint", ["models:/a/1", "--threshold", "high"], "--threshold takes METRIC=NUMBER or a number"),
        ("validate_endpoint", ["models:/a/1", "--threshold", "auc=1"], "--threshold: there is no metric 'auc'"),
        ("validate_endpoint", ["models:/a/1", "--clients", "0"], "Invalid value for '--clients'"),
        ("server", ["restart"], "No such command 'restart'. Did you mean 'start', 'status'? (see --help)."),
        ("server", ["iu"], "No such command 'iu': use status, start, stop, ui, archive (see --help)."),
    ],
)
def test_wrong_usage_prints_one_line_and_exits_with_2(
    name: str, arguments: list[str], complaint: str, main: Main
) -> None:
    status, out, err = main(APPS[name].app, *arguments)
    assert status == 2
    assert complaint in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("error: ")
    assert out == ""


def test_a_failed_step_ends_the_demo_with_its_reason_and_status(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "scripts/demo.py"],
            cwd=REPOSITORY,
            env={**os.environ, "LOCALAWS_HOME": str(tmp_path), "LOCALAWS_PORT": port},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        f"Port {port} is taken by another program: set LOCALAWS_PORT to a free port and try again.",
        "error: the demo stopped at: .venv/bin/python -m localaws up",
    ]


def test_an_endpoint_without_a_monitoring_run_is_shown_with_the_command_for_it() -> None:
    found = [{"endpoint": "a", "drift": "never monitored", "first_run": "monitor.py run"}]
    assert monitor._listed(found) == {"a": "drift: never monitored; run `monitor.py run`"}


def test_the_demo_shows_what_terraform_creates_and_costs_but_not_the_plan() -> None:
    output = """\
module.a.data.aws_region.current: Reading...
  # module.a.aws_s3_bucket.this will be created
      + bucket = "a"
Plan: 2 to add, 0 to change, 0 to destroy.
Changes to Outputs:
+ create   module.a.aws_s3_bucket.this  a
Monthly cost in us-east-1 (USD):
  tracking server a (Small)  468.66
  Always running: 468.66
module.a.aws_s3_bucket.this: Creating...
module.a.aws_s3_bucket.this: Still creating... [10s elapsed]
module.a.aws_s3_bucket.this: Creation complete after 11s [id=a]
Apply complete! Resources: 2 added, 0 changed, 0 destroyed.
Outputs:
  "writer" = "{}"
"""
    shown = [line.strip() for line in demo.shortened(output.splitlines(keepends=True))]
    assert [line.split()[0] for line in shown] == [
        "Plan:",
        "Monthly",
        "tracking",
        "Always",
        "module.a.aws_s3_bucket.this:",
        "Apply",
    ]


def test_a_failure_shows_its_details_below_the_line(main: Main) -> None:
    status, _, err = main(app_that(PlatformError("it failed", ["log:", "the end"])))
    assert (status, err.splitlines()) == (1, ["error: it failed", "  log:", "  the end"])


def test_an_unexpected_error_is_printed_on_one_line(main: Main) -> None:
    status, _, err = main(app_that(KeyError("x")))
    assert (status, err.splitlines()) == (
        1,
        ["error: KeyError: 'x' (unexpected). Run the command with --debug to see where."],
    )


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py", "--debug"])
    with pytest.raises(SystemExit) as ended:
        _console.run(app_that(InputError("wrong \x1b[2J\n::add-mask::e")))
    shown = capsys.readouterr().err.splitlines()
    assert (ended.value.code, shown[0]) == (2, "Traceback (most recent call last):")
    assert [line for line in shown if line.startswith("::") or "\x1b" in line] == []
    assert shown[-1].startswith("error: wrong")


def test_an_interruption_says_how_to_resume(main: Main) -> None:
    status, _, err = main(app_that(KeyboardInterrupt()))
    assert status == 130
    assert err.startswith("error: interrupted. What was started on AWS continues")


def test_refuses_an_mlflow_2_server_before_sending_a_request(
    main: Main, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = replace(environment.server, mlflow_version="2.16", name="mlflow-staging-2-16")
    old = replace(environment, server=server)
    session: Any = None
    monkeypatch.setattr(log_run, "open_environment", lambda *_, **__: (old, session))
    status, out, err = main(log_run.app)
    assert (status, out) == (3, "")
    assert "mlflow-staging-2-16 runs MLflow 2.16, and the MLflow 3" in err.splitlines()[-1]


@pytest.mark.parametrize("more", [["--image", "image"], ["--delete"], ["--delete", "--dry-run"]])
def test_refuses_another_environments_endpoint_before_uploading(
    more: list[str],
    main: Main,
    environment: Environment,
    clients: Clients,
    fleet: Fleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet.serve("theirs", Step("InService", "theirs"), tags={})
    clients.s3.put_object(Bucket=environment.bucket, Key="model/MLmodel", Body=b"run_id: null")
    session = SimpleNamespace(
        client=lambda service: getattr(clients, service.rpartition("-")[2]),
        get_partition_for_region=lambda _: "aws",
    )
    monkeypatch.setattr(deploy_model, "open_environment", lambda *_, **__: (environment, session))
    model = f"s3://{environment.bucket}/model"
    status, out, err = main(deploy_model.app, model, "--endpoint", "theirs", *more)
    assert (status, out) == (3, "")
    assert err.splitlines()[-1].startswith("error: the endpoint theirs does not belong to staging")
    assert find_resources(clients, environment, "theirs") == EndpointResources()


def test_a_dry_run_uploads_nothing(
    main: Main, environment: Environment, clients: Clients, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.s3.put_object(Bucket=environment.bucket, Key="model/MLmodel", Body=b"run_id: null")
    session = SimpleNamespace(
        client=lambda service: getattr(clients, service.rpartition("-")[2]),
        get_partition_for_region=lambda _: "aws",
    )
    monkeypatch.setattr(deploy_model, "open_environment", lambda *_, **__: (environment, session))
    model = f"s3://{environment.bucket}/model"
    status, out, _ = main(deploy_model.app, model, "--endpoint", "new", "--image", "image", "--dry-run", "--json")
    assert status == 0
    found = json.loads(out)
    assert (found["would_be"], found["status"], found["would_change"]) == ("created", "does not exist", True)
    assert find_resources(clients, environment, "new") == EndpointResources()
    assert not fleet.exists


def test_a_result_is_lines_of_names_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    with _console.Console() as console:
        console.progress("working")
        console.result({"run_id": "0123", "accuracy": 0.5, "alias": None, "changed": True})
    output = capsys.readouterr()
    assert output.out.splitlines() == ["run id    0123", "accuracy  0.5000", "changed   True"]
    assert output.err == "working\n"


def test_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with _console.Console(as_json=True) as console:
        console.progress("working")
        console.result({"run_id": "0123", "alias": None, "accuracy": 0.123456789})
    output = capsys.readouterr()
    assert json.loads(output.out) == {"run_id": "0123", "alias": None, "accuracy": 0.123456789}
    assert output.out.count("\n") == 1


def test_the_library_neither_prints_nor_parses_arguments() -> None:
    forbidden = re.compile(
        r"\bprint\(|\b(?:import|from) (?:typer|argparse|rich)\b|\bsys\.(?:argv|exit|stdout|stderr)\b"
    )
    for path in Path(mlflow_platform.__file__).parent.rglob("*.py"):
        assert not forbidden.findall(path.read_text()), path.name
