"""Tuning jobs run training jobs, read the objective from their logs, and name the best."""

import io
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.jobs import warm_start
from localaws.jobs.record import TUNING, Job
from localaws.jobs.search import Search, check
from tests.localaws.jobs.conftest import JobBench


def config(**more: Any) -> dict[str, Any]:
    given = {
        "Strategy": "Grid",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "depth", "Values": ["3", "1", "2"]}]},
    }
    return {**given, **more}


def tuning_request(bench: JobBench, name: str, **more: Any) -> dict[str, Any]:
    """A request whose objective is the hyperparameter `depth`."""
    source = io.BytesIO()
    with tarfile.open(fileobj=source, mode="w:gz") as tar:
        content = b"import sys\nprint(sys.argv)\nprint('loss=' + sys.argv[sys.argv.index('--depth') + 1])\n"
        info = tarfile.TarInfo("fit.py")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    bench.localaws.client("s3").put_object(Bucket=bench.bucket, Key=f"{name}/source.tar.gz", Body=source.getvalue())
    static = {
        "sagemaker_program": "fit.py",
        "sagemaker_submit_directory": f"s3://{bench.bucket}/{name}/source.tar.gz",
    }
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config(**more),
        "TrainingJobDefinition": {
            "StaticHyperParameters": static,
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
            },
            "RoleArn": bench.role,
            "OutputDataConfig": {"S3OutputPath": f"s3://{bench.bucket}/{name}"},
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    }


def create(bench: JobBench, name: str, **more: Any) -> None:
    bench.sagemaker.create_hyper_parameter_tuning_job(**tuning_request(bench, name, **more))


def test_runs_every_combination_and_names_the_best(bench: JobBench) -> None:
    create(bench, "tune-grid")
    found = bench.wait("HyperParameterTuningJob", "tune-grid")
    assert found["HyperParameterTuningJobStatus"] == "Completed", found
    assert found["TrainingJobStatusCounters"]["Completed"] == 3
    assert found["BestTrainingJob"]["TunedHyperParameters"] == {"depth": "1"}
    assert found["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 1
    listed = bench.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tune-grid", SortBy="FinalObjectiveMetricValue"
    )["TrainingJobSummaries"]
    assert [one["TunedHyperParameters"]["depth"] for one in listed] == ["1", "2", "3"]
    by_name = bench.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tune-grid", SortBy="Name", SortOrder="Descending"
    )["TrainingJobSummaries"]
    names = [one["TrainingJobName"] for one in by_name]
    assert names == sorted(names, reverse=True)


def test_a_search_ends_when_a_training_job_reaches_the_target(bench: JobBench) -> None:
    limits = {"MaxParallelTrainingJobs": 1}
    criteria = {"TargetObjectiveMetricValue": 3}
    given = tuning_request(bench, "tune-target", ResourceLimits=limits, TuningJobCompletionCriteria=criteria)
    # As SageMaker's SDK writes it.
    definition = given["TrainingJobDefinition"]
    definition["HyperParameterTuningResourceConfig"] = {"InstanceConfigs": [definition.pop("ResourceConfig")]}
    bench.sagemaker.create_hyper_parameter_tuning_job(**given)
    found = bench.wait("HyperParameterTuningJob", "tune-target")
    assert found["HyperParameterTuningJobStatus"] == "Completed", found
    assert found["TrainingJobStatusCounters"]["Completed"] == 1


def test_rejects_a_search_that_cannot_run(bench: JobBench) -> None:
    with pytest.raises(ClientError, match="MaxNumberOfTrainingJobs must be specified"):
        create(bench, "tune-limit", Strategy="Random")
    objective = {"Type": "Minimize", "MetricName": "error"}
    with pytest.raises(ClientError, match="objective metric error is not among the MetricDefinitions: loss"):
        create(bench, "tune-metric", HyperParameterTuningJobObjective=objective)
    given = tuning_request(bench, "tune-resources")
    del given["TrainingJobDefinition"]["ResourceConfig"]
    with pytest.raises(ClientError, match="must have either ResourceConfig or HyperParameterTuningResourceConfig"):
        bench.sagemaker.create_hyper_parameter_tuning_job(**given)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        bench.sagemaker.create_hyper_parameter_tuning_job(**tuning_request(bench, "tune-warm"), **warm("tune-absent"))


def warm(*parents: str) -> dict[str, Any]:
    named = [{"HyperParameterTuningJobName": name} for name in parents]
    return {"WarmStartConfig": {"ParentHyperParameterTuningJobs": named, "WarmStartType": "IdenticalDataAndAlgorithm"}}


def test_a_warm_start_compares_its_training_jobs_with_those_of_its_parents(bench: JobBench) -> None:
    def depths(*values: str) -> dict[str, Any]:
        return {"ParameterRanges": {"CategoricalParameterRanges": [{"Name": "depth", "Values": list(values)}]}}

    create(bench, "tune-parent", **depths("1"))
    bench.wait("HyperParameterTuningJob", "tune-parent")
    bench.sagemaker.create_hyper_parameter_tuning_job(
        **tuning_request(bench, "tune-child", **depths("2")), **warm("tune-parent")
    )
    found = bench.wait("HyperParameterTuningJob", "tune-child")
    assert found["BestTrainingJob"]["TunedHyperParameters"] == {"depth": "2"}
    best = found["OverallBestTrainingJob"]
    assert (best["TuningJobName"], best["TunedHyperParameters"]) == ("tune-parent", {"depth": "1"})


def tuning_job(status: str, **more: Any) -> Any:
    given = {
        "HyperParameterTuningJobName": "parent",
        "HyperParameterTuningJobConfig": config(**more),
        "TrainingJobDefinition": {"StaticHyperParameters": {"rate": "1"}},
    }
    return Job(TUNING, "us-east-1", "123456789012", given, {"HyperParameterTuningJobStatus": status}, [])


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        (tuning_job("InProgress"), "is in status InProgress. It must have ended"),
        (tuning_job("Failed"), "is in status Failed"),
        (
            tuning_job("Stopped", HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "loss"}),
            "another objective metric",
        ),
        (tuning_job("Stopped", ParameterRanges={}), "has 1 static and tunable hyperparameters, and the new one 2"),
    ],
)
def test_rejects_a_parent_that_a_search_cannot_start_from(parent: Any, message: str) -> None:
    given = tuning_job("Completed").given
    warm_start.check(given, [tuning_job("Completed")])
    with pytest.raises(AwsError, match=message):
        warm_start.check(given, [parent])


def test_a_bayesian_search_learns_from_what_is_within_its_ranges() -> None:
    ranges = {
        "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "100"}],
        "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
    }
    search = Search(config(Strategy="Bayesian", ParameterRanges=ranges, RandomSeed=1))
    for depth in range(1, 120):  # Those above 100 are outside.
        search.learn({"depth": str(depth), "kind": "c" if depth % 2 else "a", "rate": "x"}, abs(depth - 40))
    found = [int(search.ask()[1]["depth"]) for _ in range(5)]
    assert all(20 <= depth <= 60 for depth in found), found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"StrategyConfig": {"HyperbandStrategyConfig": {}}}, "only be specified for the strategy Hyperband"),
        (
            {"TuningJobCompletionCriteria": {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}},
            "does not run",
        ),
    ],
)
def test_rejects_a_configuration_of_a_search(more: dict[str, Any], message: str) -> None:
    check(config())
    with pytest.raises(AwsError, match=message):
        check(config(**more))


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_values_are_within_their_ranges(strategy: str) -> None:
    ranges = {
        "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "4"}],
        "ContinuousParameterRanges": [
            {"Name": "rate", "MinValue": "0.001", "MaxValue": "0.1", "ScalingType": "Logarithmic"}
        ],
    }
    search = Search(config(Strategy=strategy, ParameterRanges=ranges, RandomSeed=1))
    for number in range(5):
        trial, values = search.ask()
        assert 2 <= int(values["depth"]) <= 4
        assert 0.001 <= float(values["rate"]) <= 0.1
        search.tell(trial, float(number))
