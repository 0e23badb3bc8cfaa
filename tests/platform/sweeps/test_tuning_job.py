"""A sweep as a tuning job: a request that SageMaker accepts, and what its end means."""

import io
import re
import tarfile
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from localaws.jobs import search
from mlflow_common.errors import InputError, PlatformError
from mlflow_platform import tracking
from mlflow_platform.sweeps import job_files, tuning_job
from mlflow_platform.sweeps.space import parse
from mlflow_platform.sweeps.strategy import StrategyName
from mlflow_platform.sweeps.tuning_job import Plan, Setup, TuningJob
from scripts import sweep
from tests.platform.conftest import FakeClock
from training.reporting import shown

TYPES = {"depth": int, "rate": float}
SETUP = Setup("image", "arn:aws:iam::123456789012:role/r", "ml.m5.large", "s3://b/c", "s3://b/o", {"family": "f"}, {})
JOB = {
    "TrainingJobName": "sweep-1-001",
    "TunedHyperParameters": {"depth": "3"},
    "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "rmse", "Value": 1.5},
}


def plan(*texts: str, strategy: StrategyName = "grid", trials: int | None = None, parallel: int = 2) -> Plan:
    return Plan(parse(texts, TYPES), strategy, "rmse", False, trials, parallel, 2**32 - 1)


@pytest.mark.parametrize(
    ("given", "ranges"),
    [
        (
            plan("depth=1,2", "rate=0.1..0.3:2"),
            {
                "CategoricalParameterRanges": [
                    {"Name": "depth", "Values": ["1", "2"]},
                    {"Name": "rate", "Values": ["0.1", "0.3"]},
                ]
            },
        ),
        (
            plan("depth=1..4", "rate=0.001..1:log", strategy="bayesian", trials=5),
            {
                "IntegerParameterRanges": [
                    {"Name": "depth", "MinValue": "1", "MaxValue": "4", "ScalingType": "Linear"}
                ],
                "ContinuousParameterRanges": [
                    {"Name": "rate", "MinValue": "0.001", "MaxValue": "1.0", "ScalingType": "Logarithmic"}
                ],
            },
        ),
    ],
)
def test_a_search_becomes_a_valid_request(
    given: Plan, ranges: dict[str, Any], boto_session: boto3.session.Session
) -> None:
    tuning_job.check(given)
    name = tuning_job.name_of(uuid4().hex)
    request = tuning_job.request(name, given, SETUP, {"project": "mlflow"})
    model = boto_session.client("sagemaker").meta.service_model.operation_model("CreateHyperParameterTuningJob")
    assert not ParamValidator().validate(request, model.input_shape).has_errors()
    limits = model.input_shape.members["HyperParameterTuningJobName"].metadata
    assert len(name) <= limits["max"]
    assert re.fullmatch(limits["pattern"], name)
    config = request["HyperParameterTuningJobConfig"]
    assert config["ParameterRanges"] == ranges
    search.check(config)


def test_a_data_file_is_a_channel_of_the_jobs(boto_session: boto3.session.Session) -> None:
    given = replace(SETUP, data="s3://b/pipelines/sweeps/data/1234")
    request = tuning_job.request("s", plan("depth=1"), given, {})
    model = boto_session.client("sagemaker").meta.service_model.operation_model("CreateHyperParameterTuningJob")
    assert not ParamValidator().validate(request, model.input_shape).has_errors()
    [channel] = request["TrainingJobDefinition"]["InputDataConfig"]
    assert channel["ChannelName"] == "data"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://b/pipelines/sweeps/data/1234/"


def test_the_metric_is_found_in_what_training_prints() -> None:
    definitions = tuning_job.request("s", plan("depth=1"), SETUP, {})["TrainingJobDefinition"]["AlgorithmSpecification"]
    pattern = definitions["MetricDefinitions"][0]["Regex"]
    assert re.findall(pattern, "train_rmse: 9.0\nrmse: -12.5000\nmae: 3.0\n") == ["-12.5000"]


@pytest.mark.parametrize("value", [3.21e-5, -4.5e-12, 0.0999, 0.0, 1.0, 2.5e9, 1.75e22])
def test_training_prints_scores_of_any_size_as_the_tuning_job_reads_them(value: float) -> None:
    """The errors of a target of small numbers were all printed as 0.0000, so that any trial was the best."""
    definitions = tuning_job.request("s", plan("depth=1"), SETUP, {})["TrainingJobDefinition"]["AlgorithmSpecification"]
    (read,) = re.findall(definitions["MetricDefinitions"][0]["Regex"], f"rmse: {shown(value)}\n")
    assert float(read) == pytest.approx(value)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (plan("rate=0.1..0.9:31"), "rate has 31 values, and SageMaker takes at most 30"),
        (plan("depth=1..30:30", "rate=0.1..0.9:30"), "at most 750 training jobs in a tuning job, not 900"),
        (plan("depth=1..30", strategy="random", trials=751), "at most 750 training jobs in a tuning job, not 751"),
        (plan("depth=1,2", parallel=11), "at most 10 training jobs at a time"),
    ],
)
def test_what_sagemaker_refuses_is_refused_first(given: Plan, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        tuning_job.check(given)


def test_the_same_files_give_the_same_archive() -> None:
    files = {"job.py": b"1", "training/train.py": b"2"}
    assert tuning_job.archive(files) == tuning_job.archive(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(tuning_job.archive(files))) as tar:
        assert tar.getnames() == ["job.py", "training/train.py"]


class FakeSageMaker:
    """Answers with one description after another; the last one stays."""

    class exceptions:  # noqa: N801 as in boto3
        ClientError = ClientError

    def __init__(self, *states: dict[str, Any], reason: str = "") -> None:
        self.states, self.reason = list(states), reason

    def describe_hyper_parameter_tuning_job(self, **_: Any) -> dict[str, Any]:
        if not self.states:
            raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": ""}}, "Describe")
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def list_training_jobs_for_hyper_parameter_tuning_job(self, **_: Any) -> dict[str, Any]:
        failed = {"TrainingJobName": "sweep-1-002", "FailureReason": self.reason}
        return {"TrainingJobSummaries": [failed] if self.reason else []}


def state(status: str, completed: int, failed: int = 0, stopped: int = 0, **more: Any) -> dict[str, Any]:
    counters = {"Completed": completed, "InProgress": 1, "NonRetryableError": failed, "Stopped": stopped}
    return {"HyperParameterTuningJobStatus": status, "TrainingJobStatusCounters": counters, **more}


def job(*states: dict[str, Any], reason: str = "") -> TuningJob:
    fake: Any = FakeSageMaker(*states, reason=reason)
    return TuningJob(fake, "sweep-1", FakeClock())


def test_progress_is_reported_until_the_best_is_known() -> None:
    said: list[str] = []
    running = state("InProgress", 1)
    best, counters = job(running, running, state("Completed", 2, 1, BestTrainingJob=JOB)).follow(said.append)
    assert said == ["1 trials finished, 1 running", "2 trials finished, 1 running, 1 failed"]
    assert (best.job, best.values, best.value) == ("sweep-1-001", {"depth": "3"}, 1.5)
    assert counters["NonRetryableError"] == 1


def test_stopped_trials_are_part_of_the_progress_and_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    ended = state("Completed", 2, stopped=3, BestTrainingJob=JOB)
    job(state("InProgress", 1, 1, stopped=2), ended).follow(said.append)
    assert said[0] == "1 trials finished, 1 running, 1 failed, 2 stopped"
    assert tune(FakeRuns(), FakeAccount(ended), "a", monkeypatch)["stopped_trials"] == 3


def test_a_tuning_job_is_started_once() -> None:
    assert not job().exists()
    assert job(state("InProgress", 0)).exists()
    assert job(state("Completed", 2)).exists()


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_failed_tuning_job_names_the_reason_of_a_training_job(status: str) -> None:
    ended = job(state(status, 0, 5), reason="AlgorithmError: no memory")
    expected = f"sweep-1 ended as {status}: sweep-1-002: AlgorithmError: no memory. Choose another --name"
    with pytest.raises(PlatformError, match=expected):
        ended.follow(print)
    with pytest.raises(PlatformError, match=expected):
        ended.exists()


class FakeAccount(FakeSageMaker):
    """Tuning jobs that are completed as soon as they are started."""

    def __init__(self, completed: dict[str, Any]) -> None:
        super().__init__(completed)
        self.started: list[str] = []

    def create_hyper_parameter_tuning_job(self, **given: Any) -> None:
        self.started.append(given["HyperParameterTuningJobName"])

    def describe_hyper_parameter_tuning_job(self, **given: Any) -> dict[str, Any]:
        if given["HyperParameterTuningJobName"] not in self.started:
            raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": ""}}, "Describe")
        return super().describe_hyper_parameter_tuning_job()


class Page(list[Any]):
    token = None


class FakeRuns:
    """The runs of a tracking server. A search finds all runs of an experiment."""

    def __init__(self) -> None:
        self.experiments: dict[str, Page] = {}

    def create_run(self, experiment: str, *, tags: dict[str, str], run_name: str) -> Any:
        info = SimpleNamespace(run_id=uuid4().hex, run_name=run_name, status="RUNNING", start_time=0)
        run = SimpleNamespace(info=info, data=SimpleNamespace(tags=tags, params={}, metrics={}))
        self.experiments.setdefault(experiment, Page()).append(run)
        return run

    def search_runs(self, experiments: list[str], _: str, **__: Any) -> Page:
        return self.experiments.get(experiments[0], Page())


def tune(runs: FakeRuns, account: FakeAccount, experiment: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run `sweep.py --on sagemaker` without its files and charts. Returns its result."""
    monkeypatch.setattr(job_files, "upload_code", lambda *_, **__: "s3://b/code")
    monkeypatch.setattr(sweep, "_finish", lambda *_: None)
    monkeypatch.setattr(tracking, "experiment_id", lambda _, name: name)
    results: list[dict[str, Any]] = []
    console: Any = SimpleNamespace(progress=lambda _: None, result=results.append)
    server, ref = SimpleNamespace(arn="arn:server"), SimpleNamespace(options="--env staging")
    environment: Any = SimpleNamespace(tags={}, server=server, artifact_store="s3://b/store", ref=ref)
    made = sweep._options(sweep._source("iris", None, "linear"), None, [], "grid", None)
    options = replace(made(trials=None, jobs=1, prune=False, seed=7), on="sagemaker")
    client: Any = runs
    session: Any = SimpleNamespace(client=lambda _: account)
    work = sweep._Work(console, client, environment, options, options.name)
    sweep._tune(work, experiment, session, sweep._plan(options), ("image", "role", "ml.m5.large"))
    return results[0]


def test_each_sweep_run_has_a_tuning_job_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    account, runs = FakeAccount(state("Completed", 2, BestTrainingJob=JOB)), FakeRuns()
    first = tune(runs, account, "a", monkeypatch)
    again = tune(runs, account, "a", monkeypatch)
    assert (again["tuning_job"], again["parent_run"]) == (first["tuning_job"], first["parent_run"])
    assert account.started == [first["tuning_job"]]
    tune(runs, account, "another experiment", monkeypatch)
    tune(FakeRuns(), account, "a", monkeypatch)
    assert len(set(account.started)) == 3
