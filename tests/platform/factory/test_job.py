"""The entry point of jobs: SageMaker's files become variables and parameters, and failures become reasons."""

import hashlib
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException

from training import job

PROJECT = {
    "folder": "churn",
    "requirements": [],
    "entry_points": {
        "train": {
            "parameters": {"prepared": None, "depth": "3", "model": ""},
            "command": "fit {prepared} {depth} {model}",
        },
        "evaluate": {"parameters": {"model": None, "output": "out"}, "command": "score {model} {output}"},
    },
}


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before, arguments, paths = Path.cwd(), sys.argv, list(sys.path)
    yield
    os.chdir(before)
    sys.argv, sys.path[:] = arguments, paths


def training_job(base: Path, **values: str) -> job.Job:
    config = base / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(values))
    (config / "inputdataconfig.json").write_text(json.dumps({"code": {}, "prepared": {}}))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
    return job.read_job(base, {"TRAINING_JOB_NAME": "pipelines-abcdefghijkl-Train-1a2b3c4d5e"})


def processing_job(base: Path) -> job.Job:
    (base / "config").mkdir(parents=True)
    inputs = [{"InputName": one, "S3Input": {"LocalPath": f"{base}/input/{one}"}} for one in ("code", "model")]
    outputs = [{"OutputName": "report", "S3Output": {"LocalPath": f"{base}/output/report"}}]
    given = {"ProcessingJobName": "mine", "ProcessingInputs": inputs, "ProcessingOutputConfig": {"Outputs": outputs}}
    (base / "config" / "processingjobconfig.json").write_text(json.dumps(given))
    (base / "config" / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
    return job.read_job(base, {})


def test_a_training_job_gets_the_variables_of_sagemakers_toolkit(tmp_path: Path) -> None:
    read = training_job(tmp_path, depth="5")
    found = job.variables(read)
    assert found["SM_CHANNEL_PREPARED"] == str(tmp_path / "input" / "data" / "prepared")
    assert (found["SM_HP_DEPTH"], json.loads(found["SM_HPS"])) == ("5", {"depth": "5"})
    assert (found["SM_MODEL_DIR"], found["SM_CURRENT_HOST"]) == (str(tmp_path / "model"), "algo-1")
    assert json.loads(found["SM_CHANNELS"]) == ["prepared"]
    assert (read.execution, read.reason_file) == ("abcdefghijkl", tmp_path / "output" / "failure")


def test_a_processing_job_finds_its_inputs_and_outputs(tmp_path: Path) -> None:
    read = processing_job(tmp_path)
    assert read.channels == {"model": tmp_path / "input" / "model"}
    assert read.outputs == [tmp_path / "output" / "report"]
    assert (read.execution, read.reason_file) == ("", tmp_path / "output" / "message")


def test_a_folder_that_is_no_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(job.JobError, match="is not a folder of a SageMaker job"):
        job.read_job(tmp_path, {})


def test_parameters_come_from_the_pipeline_the_channels_and_the_defaults(tmp_path: Path) -> None:
    read = training_job(tmp_path)
    line = job.command(PROJECT, "train", read, {"depth": "a b; rm x"})
    assert (
        line == f"fit {shlex.quote(f'{tmp_path}/input/data/prepared')} 'a b; rm x' {shlex.quote(f'{tmp_path}/model')}"
    )
    assert job.command(PROJECT, "train", read, {}).split()[2] == "3"


def test_a_model_is_the_channel_in_a_processing_job(tmp_path: Path) -> None:
    line = job.command(PROJECT, "evaluate", processing_job(tmp_path), {"output": "/o"})
    assert shlex.split(line) == ["score", f"{tmp_path}/input/model", "/o"]


def test_other_hyperparameters_become_changes_if_the_entry_point_takes_them(tmp_path: Path) -> None:
    points = {"train": {"parameters": {"family": "", "set": ""}, "command": "fit {family} {set}"}}
    read = training_job(
        tmp_path, family="forest", depth="5", seed="1", _tuning_objective_metric="m", sagemaker_region="r"
    )
    assert job.command({"entry_points": points}, "train", read, read.values) == "fit forest depth=5,seed=1"
    assert job.command({"entry_points": points}, "train", read, {"set": "a=1", "b": "2"}) == "fit '' a=1,b=2"


@pytest.mark.parametrize(
    ("entry", "given", "problem"),
    [
        ("fit", {}, "no entry point 'fit'. It has evaluate, train"),
        ("train", {"rate": "1"}, "no parameter 'rate'. It has prepared, depth, model"),
        ("evaluate", {}, "the parameter 'model' of the entry point 'evaluate' has no value"),
    ],
)
def test_unknown_entry_points_and_parameters_are_refused(
    entry: str, given: dict[str, str], problem: str, tmp_path: Path
) -> None:
    read = job.Job("processing", "mine", tmp_path, {})
    with pytest.raises(job.JobError, match=problem):
        job.command(PROJECT, entry, read, given)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise ValueError('the rate is\\nnegative')", "ValueError: the rate is negative"),
        ("import sys; sys.stderr.write('error: row 3 is bad\\n'); sys.exit(2)", "row 3 is bad"),
        ("import sys; sys.exit('no data')", "no data"),
        ("import sys; sys.exit(3)", "exit status 3"),
        ("raise KeyError", "KeyError"),
    ],
)
def test_a_failing_program_gives_its_reason(program: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(program)
    with pytest.raises(job.JobError) as failed:
        job.execute("PYTHONPATH=.. python train.py", tmp_path, {})
    assert str(failed.value) == reason


def test_a_program_runs_with_its_arguments_and_paths(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "own_helper.py").write_text("NAME = 'helper'\n")
    (tmp_path / "train.py").write_text(
        "import own_helper, os, pathlib, sys\n"
        "pathlib.Path('out').write_text(f'{sys.argv[1]} {own_helper.NAME} {os.environ[\"MODE\"]}')\n"
        "sys.exit(0)\n"
    )
    environ: Any = os.environ
    try:
        job.execute("PYTHONPATH=lib MODE=fast python train.py 'a b'", tmp_path, environ)
    finally:
        environ.pop("MODE", None)
        environ.pop("PYTHONPATH", None)
    assert (tmp_path / "out").read_text() == "a b helper fast"


def test_other_commands_run_in_a_shell(tmp_path: Path) -> None:
    job.execute("echo 1 > a && cp a b", tmp_path, {})
    assert (tmp_path / "b").read_text() == "1\n"
    with pytest.raises(job.JobError, match="No such file or directory"):
        job.execute("cat nothing-here", tmp_path, {})


def test_what_a_shell_command_writes_is_passed_on_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The command ends only when its first line has arrived. A byte that is not UTF-8 is replaced.
    os.mkfifo(tmp_path / "go")

    class Log(io.StringIO):
        def write(self, text: str) -> int:
            if "first" in text:
                (tmp_path / "go").write_text("go\n")
            return super().write(text)

    monkeypatch.setattr("sys.stderr", log := Log())
    with pytest.raises(job.JobError, match=r"last \ufffd"):
        job.execute("echo first >&2; read -t 20 line <go || exit 9; printf 'last \\377\\n' >&2; exit 1", tmp_path, {})
    assert log.getvalue() == "first\nlast \ufffd\n"


def test_only_missing_requirements_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def refuse(command: list[str], **_: Any) -> Any:
        ran.append(command)
        return type("Done", (), {"returncode": 1, "stderr": "looking\nERROR: No matching distribution\n"})

    monkeypatch.setattr(subprocess, "run", refuse)
    job.install(["pytest", "PyYAML"])
    assert ran == []
    with pytest.raises(job.JobError, match="cannot install the project's requirements: ERROR: No matching"):
        job.install(["pytest", "pytest==0.0.1", "no-such-package"])
    assert ran[0][-2:] == ["pytest==0.0.1", "no-such-package"]


def test_the_version_of_the_data_is_that_of_its_file(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "part").mkdir(parents=True)
    read = job.Job("processing", "x", tmp_path, {"data": data})
    assert job.data_version(read) == ""
    (data / "a.csv").write_text("a\n1\n")
    one = hashlib.sha256(b"a\n1\n").hexdigest()[:16]
    assert job.data_version(read) == one
    (data / "part" / "b.csv").write_text("a\n2\n")
    assert job.data_version(read) not in ("", one)


def test_the_version_of_the_data_comes_with_what_prepare_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = processing_job(tmp_path / "ml")
    points = {"prepare": {"parameters": {"output": ""}, "command": "touch {output}/rows.csv"}}
    (tmp_path / "code" / "churn").mkdir(parents=True)
    (tmp_path / "code" / "project.json").write_text(json.dumps({**PROJECT, "entry_points": points}))
    output, data = Path(read.outputs[0]), tmp_path / "data"
    for folder in (output, data):
        folder.mkdir(parents=True)
    (data / "rows.csv").write_text("1\n")
    monkeypatch.setattr(job, "read_job", lambda *_: replace(read, channels={"data": data}))
    monkeypatch.setattr(job, "Run", lambda *_: SimpleNamespace(id="r", tags={}, end=lambda _: None))
    monkeypatch.setattr(job, "HERE", tmp_path / "code")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path / "ml"))
    for name in [*job.variables(read), "SM_CHANNEL_DATA", "MLFLOW_RUN_ID", "PIPELINE_TAGS"]:
        monkeypatch.setenv(name, "")
    assert job.main(["prepare", "--output", str(output)]) == 0
    later = job.Job("training", "y", tmp_path, {"prepared": output})
    assert job.data_version(later) == hashlib.sha256(b"1\n").hexdigest()[:16]
    assert [file.name for file in output.iterdir()] == ["rows.csv"]


def test_a_failed_job_writes_its_reason_where_sagemaker_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training_job(tmp_path / "ml", depth="5", rate="1")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path / "ml"))
    monkeypatch.setattr(job, "HERE", tmp_path)
    for name in job.variables(job.read_job(tmp_path / "ml", {})):
        monkeypatch.setenv(name, "")
    (tmp_path / "project.json").write_text(json.dumps(PROJECT))
    assert job.main(["train"]) == 1
    reason = (tmp_path / "ml" / "output" / "failure").read_text()
    assert reason.startswith("the entry point 'train' has no parameter 'rate'")
    assert f"error: {reason}\n" == capsys.readouterr().err


class Tracking:
    """A tracking server that is stopped: `failures` requests fail, and later ones succeed."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.ended: list[str] = []

    def answer(self, *_: Any) -> None:
        self.left -= 1
        if self.left >= 0:
            raise MlflowException("400: Tracking server s is in status Stopped")

    get_run = set_tag = answer

    def end(self, status: str) -> None:
        self.answer()
        self.ended.append(status)


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Tracking, Path]:
    """The server of a training job whose program asks it once, and the job's folder."""
    training_job(tmp_path / "ml")
    code = tmp_path / "code"
    (code / "churn").mkdir(parents=True)
    points = {"train": {**PROJECT["entry_points"]["train"], "command": "python train.py"}}
    (code / "project.json").write_text(json.dumps({**PROJECT, "entry_points": points}))
    (code / "churn" / "train.py").write_text(
        "import server, os\nserver.answer()\nassert os.environ['MLFLOW_RUN_ID'] == 'r'\n"
    )
    server = Tracking(0)
    monkeypatch.setitem(sys.modules, "server", server)
    read = job.read_job(tmp_path / "ml", {})
    run = SimpleNamespace(id="r", job=read, tags={}, parent=None, client=server, end=server.end)
    monkeypatch.setattr(job, "Run", lambda *_: run)
    monkeypatch.setattr(job, "HERE", code)
    monkeypatch.setattr(job, "_PAUSE", 0.0)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path / "ml"))
    for name in [*job.variables(read), "MLFLOW_RUN_ID", "PIPELINE_TAGS"]:
        monkeypatch.setenv(name, "")
    return server, tmp_path / "ml"


def test_a_step_starts_again_when_the_tracking_server_answers_again(
    stopped: tuple[Tracking, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server, _ = stopped
    server.left = 3
    assert job.main(["train"]) == 0
    assert "the tracking server answers again: the step starts again" in capsys.readouterr().out
    assert server.ended == ["FINISHED"]


def test_a_step_that_starts_again_finds_no_active_run_and_no_earlier_files(
    stopped: tuple[Tracking, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, base = stopped
    active: list[str] = []
    runs = SimpleNamespace(
        start_run=lambda: active.append("run"),
        active_run=lambda: active[-1] if active else None,
        end_run=lambda _: active.pop(),
    )
    monkeypatch.setitem(sys.modules, "mlflow", runs)
    (job.HERE / "churn" / "train.py").write_text(
        "import mlflow, os, pathlib, server\n"
        "assert not mlflow.active_run()\n"
        "mlflow.start_run()\n"
        "mlflow.start_run()\n"
        "for name in ('SM_MODEL_DIR', 'SM_OUTPUT_DATA_DIR'):\n"
        "    folder = pathlib.Path(os.environ[name])\n"
        "    folder.mkdir(parents=True, exist_ok=True)\n"
        "    assert not list(folder.iterdir())\n"
        "    (folder / 'tree').mkdir()\n"
        "    (folder / 'tree' / '1').touch()\n"
        "    (folder / 'half').touch()\n"
        "server.answer()\n"
    )
    server.left = 1
    assert job.main(["train"]) == 0
    assert sorted(file.name for file in (base / "model").iterdir()) == ["half", "tree"]


def test_a_step_fails_with_the_reason_if_the_tracking_server_does_not_answer_again(
    stopped: tuple[Tracking, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server, base = stopped
    server.left = 1000
    monkeypatch.setattr(job, "_RETRY_SECONDS", 0.0)
    assert job.main(["train"]) == 1
    reason = (base / "output" / "failure").read_text()
    assert reason.startswith("the tracking server cannot be reached after several attempts (400: Tracking server s is")
    assert capsys.readouterr().err.endswith(f"error: {reason}\n")
    assert server.ended == []


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("API request failed with exception HTTPSConnectionPool: Max retries exceeded with url: /api"),
        MlflowException("API request failed: (Caused by ResponseError('too many 503 error responses'))"),
        MlflowException("failed with error code 400 != 200. Response body: 'Tracking server s is in status Stopped'"),
        requests.ConnectionError("[Errno 111] Connection refused"),
        job.JobError("MlflowException: …", unreachable=True),
    ],
)
def test_errors_of_a_tracking_server_that_does_not_answer(error: Exception) -> None:
    assert job.is_unreachable(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("too many values to unpack (expected 2)"),
        IndexError("too many indices for array: array is 1-dimensional, but 2 were indexed"),
        ConnectionRefusedError(111, "Connection refused"),
        RuntimeError("the database db:5432 cannot be opened: Connection refused"),
        RuntimeError("Endpoint x is in status Failed"),
        MlflowException("Endpoint x is in status Failed"),
        MlflowException("there are too many parameters"),
        job.JobError("ConnectionRefusedError: [Errno 111] Connection refused"),
    ],
)
def test_errors_of_a_program_are_not_those_of_the_tracking_server(error: Exception) -> None:
    assert not job.is_unreachable(error)


def test_a_step_that_fails_by_itself_runs_once(stopped: tuple[Tracking, Path]) -> None:
    server, base = stopped
    program = "import pathlib\npathlib.Path('runs').open('a').write('1')\na, b = 1, 2, 3\n"
    (job.HERE / "churn" / "train.py").write_text(program)
    assert job.main(["train"]) == 1
    assert (base / "output" / "failure").read_text() == "ValueError: too many values to unpack (expected 2)"
    assert (base / "project" / "churn" / "runs").read_text() == "1"
    assert server.ended == ["FAILED"]


@pytest.mark.parametrize(
    ("line", "unreachable"),
    [
        ("mlflow.exceptions.MlflowException: API request failed: Max retries exceeded with url: /api", True),
        ("psycopg2.OperationalError: connection to server failed: Connection refused", False),
    ],
)
def test_the_traceback_of_another_process_says_whether_the_tracking_server_answers(
    line: str, unreachable: bool, tmp_path: Path
) -> None:
    with pytest.raises(job.JobError) as failed:
        job.execute(f"echo {shlex.quote(line)} >&2; exit 1", tmp_path, {})
    assert job.is_unreachable(failed.value) is unreachable


def test_a_failed_run_that_cannot_be_ended_does_not_hide_the_reason(
    stopped: tuple[Tracking, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server, base = stopped
    (job.HERE / "churn" / "train.py").write_text("raise ValueError('the rate is negative')")
    server.left = 1
    assert job.main(["train"]) == 1
    assert (base / "output" / "failure").read_text() == "ValueError: the rate is negative"
    assert "error: the run r was not ended: 400" in capsys.readouterr().err


def test_a_step_is_a_run_below_the_executions_run(tmp_path: Path, mlflow_here: Any) -> None:
    read = training_job(tmp_path)
    client = mlflow_here.MlflowClient()
    experiment = client.create_experiment("factory")
    tags = {"pipeline.execution": "abcdefghijkl", "pipeline.step": "pipeline", "mlflow.source.git.commit": "c0ffee"}
    parent = client.create_run(experiment, tags=tags).info.run_id
    run = job.Run(read, "train", {"MLFLOW_EXPERIMENT_NAME": "factory"})
    client.set_tag(run.id, "data.version", "1234")
    run.end("FINISHED")
    found = client.get_run(run.id)
    assert (
        found.data.tags.items()
        >= {
            "mlflow.parentRunId": parent,
            "mlflow.source.git.commit": "c0ffee",
            "pipeline.execution": "abcdefghijkl",
            "pipeline.step": "train",
            "sagemaker.job": read.name,
        }.items()
    )
    assert client.get_run(parent).data.tags["data.version"] == "1234"
    for version, expected in (("", "1234"), ("5678", "5678")):
        later = job.Run(replace(read, version=version), "evaluate", {"MLFLOW_EXPERIMENT_NAME": "factory"})
        assert later.tags["data.version"] == expected


def test_a_trial_of_a_tuning_job_is_a_run_below_the_sweeps_run(tmp_path: Path, mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    experiment = client.create_experiment("trials")
    parent = client.create_run(experiment, tags={"sweep.name": "s"}).info.run_id
    read = replace(training_job(tmp_path), name="sweep-1-001")
    run = job.Run(read, "train", {"MLFLOW_EXPERIMENT_NAME": "trials", "PARENT_RUN_ID": parent})
    run.end("FINISHED")
    tags = client.get_run(run.id).data.tags
    assert (tags["mlflow.parentRunId"], tags["sweep.name"], tags["sagemaker.job"]) == (parent, "s", "sweep-1-001")


def test_a_registration_after_cached_steps_has_the_data_version_of_the_training(
    tmp_path: Path, mlflow_here: Any
) -> None:
    read = training_job(tmp_path)
    trained = job.Run(replace(read, version="1234"), "train", {"MLFLOW_EXPERIMENT_NAME": "factory"})
    client = mlflow_here.MlflowClient()
    model = client.create_logged_model(trained.experiment, "model", trained.id).model_id
    client.finalize_logged_model(model, "READY")
    client.log_outputs(trained.id, [LoggedModelOutput(model, 0)])
    # Another execution, all of whose steps before are from the cache.
    later = replace(read, name="pipelines-mnopqrstuvwx-Register-1a2b3c4d5e")
    run = job.Run(later, "register", {"MLFLOW_EXPERIMENT_NAME": "factory"})
    job.register({"model-name": "m", "training-job": read.name}, run)
    run.end("FINISHED")
    assert client.get_model_version("m", "1").tags["data.version"] == "1234"
    assert client.get_run(run.parent.info.run_id).data.tags["data.version"] == "1234"


def test_a_training_job_without_a_logged_model_cannot_be_registered(tmp_path: Path, mlflow_here: Any) -> None:
    run = job.Run(training_job(tmp_path), "register", {"MLFLOW_EXPERIMENT_NAME": "factory"})
    assert run.parent is not None
    with pytest.raises(job.JobError, match="logged no model to MLflow"):
        job.register({"model-name": "m", "training-job": run.job.name}, run)
