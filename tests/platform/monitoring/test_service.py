"""Monitoring of an endpoint from captured files to report, metrics and status, with AWS and MLflow in this process."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import numpy as np
import pytest

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform.endpoints import state
from mlflow_platform.environment import Environment
from mlflow_platform.monitoring import dataset, endpoints, gate, ingestion, publishing, service
from mlflow_platform.monitoring.assessment import Settings
from mlflow_platform.monitoring.outcome import Outcome
from mlflow_platform.monitoring.quality import QualityLimits
from mlflow_platform.monitoring.service import Job
from mlflow_platform.monitoring.store import Store
from mlflow_platform.monitoring.truth import Truth
from mlflow_platform.validation import evaluation
from mlflow_platform.validation.thresholds import Threshold
from tests.platform.conftest import BUCKET
from tests.support import captured

ENDPOINT = "mlflow-staging-iris"
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
MLMODEL = """
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}, {"type": "string", "name": "colour", "required": true}]'
  outputs: '[{"type": "string", "required": true}]'
"""
LIMITS = QualityLimits(thresholds=[Threshold("accuracy", 0.9)])
RANDOM = np.random.default_rng(3)


class World:
    """A served model with a run that has training rows, and the files that its endpoint captured."""

    def __init__(self, aws: Callable[[str], Any], client: Any, job: Job, folder: Any) -> None:
        self.s3, self.client, self.job = aws("s3"), client, job
        self.run_id = str(client.create_run("0").info.run_id)
        rows = [f"{x},{'red' if x > 0 else 'blue'},{'a' if x > 0 else 'b'}" for x in RANDOM.normal(0, 1, 300)]
        (folder / "training.csv").write_text("\n".join(["x,colour,y", *rows]) + "\n")
        client.log_artifact(self.run_id, str(folder / "training.csv"), "evaluation")
        client.set_tag(self.run_id, evaluation.TARGET_TAG, "y")
        client.set_tag(self.run_id, evaluation.TASK_TAG, "classification")
        client.log_metric(self.run_id, "accuracy", 0.99)
        self.s3.put_object(Bucket=BUCKET, Key="models/m/MLmodel", Body=MLMODEL.encode())
        _serve(aws("sagemaker"), self.run_id)

    def send(self, count: int, when: datetime, name: str, *, shift: float = 0.0) -> None:
        """Captured requests, one row each, whose ids are NAME-NUMBER."""
        lines = []
        for number, x in enumerate(RANDOM.normal(shift, 1, count)):
            rows = {"x": [float(x)], "colour": ["red" if x > 0 else "blue"]}
            answer = ["a" if x > 0 else "b"]
            lines.append(captured.line(f"{name}-{number}", rows, answer, when, inference_id=f"{name}-{number}"))
        self.put(captured.key(ENDPOINT, when, name), "\n".join(lines))

    def put(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"capture/{key}", Body=text.encode())

    def keys(self, prefix: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"monitoring/{ENDPOINT}/{prefix}")
        return [each["Key"] for each in listed.get("Contents", [])]

    def run(self, **changes: Any) -> Outcome:
        (outcome,), failures = service.run(replace(self.job, **changes), [ENDPOINT])
        assert failures == []
        return outcome


def _serve(sagemaker: Any, run_id: str) -> None:
    tags = [{"Key": key, "Value": value} for key, value in (("project", "mlflow"), ("environment", "staging"))]
    role = "arn:aws:iam::123456789012:role/mlflow-staging-endpoint-role"
    source = {
        "S3DataSource": {"S3Uri": f"s3://{BUCKET}/models/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    }
    sagemaker.create_model(
        ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": "i", "ModelDataSource": source}, Tags=tags
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName="c",
        ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": "m", "InstanceType": "ml.m5.large"}],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{BUCKET}/capture",
            "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        },
    )
    served = [{"Key": "run-id", "Value": run_id}, {"Key": "model-uri", "Value": "models:/iris/1"}]
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="c", Tags=[*tags, *served])


@pytest.fixture
def world(
    aws: Callable[[str], Any],
    boto_session: boto3.session.Session,
    environment: Environment,
    mlflow_here: Any,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    # The endpoint is as old as the captured requests need.
    find = state.find
    monkeypatch.setattr(
        state, "find", lambda *given: (found := find(*given)) and replace(found, modified=NOW - timedelta(days=5))
    )
    client = mlflow_here.MlflowClient()
    # The runs of this process's server are in a folder.
    environment = replace(environment, former_artifact_stores=(client.get_experiment("0").artifact_location,))
    job = Job(environment, boto_session, client, Settings(days=3), NOW, lambda _: None)
    return World(aws, client, job, tmp_path)


def test_drift_raises_the_alarm_and_late_truth_lowers_the_quality(world: World) -> None:
    world.send(120, NOW - timedelta(hours=30), "calm")
    first = world.run()
    assert (first.assessment.alarms, first.assessment.unjudged) == ([], "")
    assert first.assessment.scored is None
    with pytest.raises(PreconditionError, match=r"quality is not judged, because no window has 30 rows"):
        gate.check([first], LIMITS, fail_on_drift=True)
    gate.check([first], QualityLimits(), fail_on_drift=True)

    store = service.store_of(world.job.environment, world.job.session, ENDPOINT)
    right = [Truth(f"calm-{number}", None, _answer(store, number)) for number in range(60)]
    assert service.add_truth(store, right)[1]
    assert not service.add_truth(store, right)[1]
    second = world.run()
    scored = second.assessment.scored
    gate.check([second], LIMITS, fail_on_drift=True)
    _check_thresholds(second)
    assert scored is not None
    assert (scored.quality.metrics["accuracy"], scored.quality.share) == (1.0, 0.5)

    world.send(100, NOW - timedelta(hours=1), "shifted", shift=1.5)
    service.add_truth(store, [Truth(f"calm-{number}", None, "b") for number in range(60, 120)])
    last = world.run()
    assert last.assessment.drifted == ["x", "colour", "prediction"]
    assert last.assessment.scored is not None
    assert last.assessment.scored.quality.metrics["accuracy"] < 0.9
    assert [alarm.partition(":")[0] for alarm in last.assessment.alarms] == [
        "drift in x, colour, prediction",
        "quality",
    ]
    with pytest.raises(PlatformError, match=r"mlflow-staging-iris \(AllTraffic\): drift in x"):
        gate.check([last], QualityLimits(), fail_on_drift=True)
    with pytest.raises(PlatformError, match=r"^mlflow-staging-iris \(AllTraffic\): quality: accuracy is") as low:
        gate.check([last], LIMITS, fail_on_drift=False)
    assert low.value.status == 1
    gate.check([last], QualityLimits(), fail_on_drift=False)
    _check_published(world, last)


def _check_thresholds(outcome: Outcome) -> None:
    """Metrics that cannot be computed, and those of another task, were not judged."""
    for metric, why in (("roc_auc", "could not be computed"), ("r2", "no endpoint has the metric r2")):
        limits = QualityLimits(thresholds=[Threshold("accuracy", 0.9), Threshold(metric, 0.1)])
        with pytest.raises(PreconditionError, match=why):
            gate.check([outcome], limits, fail_on_drift=False)


def _answer(store: Any, number: int) -> str:
    (table,) = ingestion.load(store, "AllTraffic", [NOW.date() - timedelta(1)])
    return str(dataset.predicted(table)[number])


def _check_published(world: World, last: Outcome) -> None:
    metrics = world.client.get_run(world.run_id).data.metrics
    prefix = f"monitoring/{ENDPOINT}/AllTraffic"
    assert metrics[f"{prefix}/drifted_columns"] == 3
    history = world.client.get_metric_history(world.run_id, f"{prefix}/quality/accuracy")
    assert history[0].value == 1.0
    assert history[-1].value < 0.9
    assert [each.path for each in world.client.list_artifacts(world.run_id, prefix)] == [f"{prefix}/report.html"]
    assert "drifted" in last.page
    cloudwatch = world.job.session.client("cloudwatch")
    listed = cloudwatch.list_metrics(Namespace="MLflowPlatform/Monitoring")["Metrics"]
    names = {each["MetricName"] for each in listed}
    assert {"Alarm", "Alarms", "CompletedRuns", "DriftedInputs", "Quality.accuracy", "MalformedLines"} <= names
    (status,) = service.status(service.store_of(world.job.environment, world.job.session, ENDPOINT))
    assert status["drift"] == "drifted"
    assert json.loads(json.dumps(status))["alarms"] == last.assessment.alarms


def test_running_again_changes_nothing_and_late_files_are_found(world: World) -> None:
    world.send(60, NOW - timedelta(hours=2), "one")
    assert world.run().ingested.rows == 60
    again = world.run()
    assert (again.ingested.files, again.logged) == (0, 0)
    assert sum(each.rows for each in again.assessment.results) == 60
    world.send(10, NOW - timedelta(hours=20), "late")
    third = world.run()
    assert third.ingested.rows == 10
    assert [each.rows for each in third.assessment.results] == [0, 10, 60]
    assert len(world.keys("data/")) == 2


def test_an_interrupted_ingestion_is_repeated_without_duplicates(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.send(60, NOW - timedelta(hours=2), "one")
    write = Store.write

    def dies(store: Any, key: str, *rest: Any) -> None:
        if key.startswith("ingested/"):
            raise KeyboardInterrupt
        write(store, key, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            world.run()
    assert sum(each.rows for each in world.run().assessment.results) == 60


def test_malformed_lines_are_counted_in_every_run(world: World) -> None:
    good = captured.line("e", {"x": [1.0], "colour": ["red"]}, ["a"], NOW)
    world.put(captured.key(ENDPOINT, NOW, "bad"), f"{good}\n{{oops\n")
    for _ in range(2):
        outcome = world.run()
        assert outcome.ingested.malformed == 1
        assert any("bad.jsonl, line 2: is not JSON" in note for note in outcome.notes)


def test_an_endpoint_without_traffic_is_not_judged(world: World) -> None:
    outcome = world.run()
    assert outcome.assessment.unjudged == "neither of the last two windows has enough rows (at most 0)"
    assert "drift not judged" in outcome.page
    with pytest.raises(PreconditionError, match="drift is not judged, because neither"):
        gate.check([outcome], QualityLimits(), fail_on_drift=True)
    gate.check([outcome], QualityLimits(), fail_on_drift=False)


@pytest.mark.parametrize(("accuracy", "known"), [(0.9, 0.9), (93.5, None), (math.nan, None)])
def test_a_reference_that_nothing_is_worse_than_is_reported(world: World, accuracy: float, known: float | None) -> None:
    world.client.log_metric(world.run_id, "accuracy", accuracy)
    world.send(60, NOW - timedelta(hours=2), "one")
    store = service.store_of(world.job.environment, world.job.session, ENDPOINT)
    service.add_truth(store, [Truth(f"one-{number}", None, "b") for number in range(60)])
    outcome = world.run()
    assert outcome.assessment.baseline.reference.get("accuracy") == known
    noted = [note for note in outcome.notes if note.startswith("A worse accuracy raises no alarm")]
    assert bool(noted) == (known is None)
    limits = QualityLimits(thresholds=[Threshold(None, 0.5)])
    judged = world.run(settings=replace(world.job.settings, quality=limits))
    assert not any(note.startswith("A worse accuracy") for note in judged.notes)


def test_a_run_without_training_rows_is_reported(world: World) -> None:
    world.client.delete_run(world.run_id)
    world.send(60, NOW, "one")
    outcome = world.run()
    assert outcome.assessment.unjudged == "there is no baseline to compare with"
    assert any("is not on this server, or is deleted" in note for note in outcome.notes)


def test_a_file_can_be_the_baseline(world: World, tmp_path: Any) -> None:
    world.send(60, NOW, "one", shift=3)
    path = tmp_path / "baseline.csv"
    path.write_text("x,colour\n" + "\n".join(f"{x},red" for x in RANDOM.normal(3, 1, 200)))
    outcome = world.run(baseline_file=path)
    assert outcome.assessment.drifted == []
    assert outcome.assessment.baseline.origin == "baseline.csv"
    assert world.run().assessment.drifted


def test_unreadable_truth_in_the_folder_is_named_and_the_rest_is_used(world: World) -> None:
    world.send(60, NOW, "one")
    for name, text in (("bad.csv", "id,y\n1,2\n"), ("good.csv", "inference_id,truth\none-1,a\n")):
        world.s3.put_object(Bucket=BUCKET, Key=f"monitoring/{ENDPOINT}/truth/{name}", Body=text.encode())
    outcome = world.run()
    assert any("bad.csv has no column 'inference_id'" in note for note in outcome.notes)
    assert outcome.assessment.results[-1].quality.with_truth == 1


def test_an_endpoint_that_captures_nothing_is_refused_with_the_remedy(world: World, aws: Callable[[str], Any]) -> None:
    sagemaker = aws("sagemaker")
    variant = {"VariantName": "AllTraffic", "ModelName": "m", "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="plain", ProductionVariants=[variant])
    tags = [{"Key": "project", "Value": "mlflow"}, {"Key": "environment", "Value": "staging"}]
    sagemaker.create_endpoint(EndpointName="mlflow-staging-plain", EndpointConfigName="plain", Tags=tags)
    assert endpoints.capturing(sagemaker, world.job.environment) == [ENDPOINT]
    with pytest.raises(PreconditionError, match=r"captures no data\. Deploy its model again .* --capture 100"):
        service.run(world.job, ["mlflow-staging-plain"])


def test_an_endpoint_that_cannot_be_monitored_does_not_stop_the_others(
    world: World, aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send(60, NOW, "one")
    put: list[str] = []
    real = endpoints.variants

    def variants(sagemaker: Any, s3: Any, environment: Environment, name: str) -> Any:
        if name == "broken":
            raise KeyError("a bug\nof ours")
        return real(sagemaker, s3, environment, name)

    def record(_: Any, data: Any) -> bool:
        put.extend(each["MetricName"] for each in data)
        return True

    monkeypatch.setattr(endpoints, "variants", variants)
    monkeypatch.setattr(publishing, "_put", record)
    (outcome,), failures = service.run(world.job, ["broken", "absent", ENDPOINT])
    assert outcome.assessment.results[-1].rows == 60
    assert failures[0] == "broken: KeyError: 'a bug\\nof ours'"
    assert failures[1].startswith("absent: there is no endpoint absent")
    # The alarm for missing runs must see that this one was not complete.
    assert {"Alarms", "Rows"} <= set(put)
    assert "CompletedRuns" not in put
    service.run(world.job, [ENDPOINT])
    assert "CompletedRuns" in put


def test_a_variant_that_cannot_be_monitored_does_not_stop_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send(60, NOW, "one")
    real = endpoints.variants

    def variants(sagemaker: Any, s3: Any, environment: Environment, name: str) -> Any:
        (one,) = real(sagemaker, s3, environment, name)
        return [replace(one, name=1), one]  # A name that no path can be built from.

    monkeypatch.setattr(endpoints, "variants", variants)
    (outcome,), (failure,) = service.run(world.job, [ENDPOINT])
    assert outcome.assessment.results[-1].rows == 60
    assert failure.startswith(f"{ENDPOINT} (1): ")


def test_unreadable_training_rows_leave_the_quality_judged(world: World, tmp_path: Any) -> None:
    world.send(60, NOW, "one")
    (tmp_path / "training.csv").write_bytes(b"x,colour,y\n1,\xff\n")
    world.client.log_artifact(world.run_id, str(tmp_path / "training.csv"), "evaluation")
    text = "inference_id,truth\none-1,a\n"
    world.s3.put_object(Bucket=BUCKET, Key=f"monitoring/{ENDPOINT}/truth/good.csv", Body=text.encode())
    outcome = world.run()
    assert any("Drift is not measured: training.csv cannot be read as CSV: line 2" in note for note in outcome.notes)
    assert outcome.assessment.results[-1].quality.with_truth == 1


def test_the_tags_and_not_the_name_say_which_endpoints_are_monitored(
    world: World, aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sagemaker = aws("sagemaker")
    for name, environment in (("fraud", "staging"), (f"acme-{ENDPOINT}", "prod"), ("mlflow-staging-b", "prod")):
        tags = [{"Key": "project", "Value": "mlflow"}, {"Key": "environment", "Value": environment}]
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="c", Tags=tags)
    assert endpoints.capturing(sagemaker, world.job.environment) == ["fraud", ENDPOINT]

    def denied(_: Any, arn: str) -> Any:
        raise sagemaker.exceptions.ClientError({"Error": {"Code": "AccessDeniedException"}}, f"ListTags {arn}")

    monkeypatch.setattr(state, "read_tags", denied)
    with pytest.raises(PreconditionError, match=r"the tags of the endpoint mlflow-staging-\S+ may not be read"):
        endpoints.capturing(sagemaker, world.job.environment)
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    sagemaker.delete_endpoint(EndpointName="mlflow-staging-b")
    assert endpoints.capturing(sagemaker, world.job.environment) == []


def test_rows_of_the_previous_model_do_not_count_for_the_new_one(world: World, aws: Callable[[str], Any]) -> None:
    world.send(60, NOW - timedelta(hours=3), "former", shift=3)
    world.run()
    store = service.store_of(world.job.environment, world.job.session, ENDPOINT)
    variant = endpoints.variants(aws("sagemaker"), world.s3, world.job.environment, ENDPOINT)[0]
    successor = replace(variant.current, since=NOW - timedelta(hours=1), run_id="other", uri="models:/iris/2")
    deployments = endpoints.remember(store, "AllTraffic", successor)
    assert [each.run_id for each in deployments] == [world.run_id, "other"]
    assert endpoints.remember(store, "AllTraffic", successor) == deployments
    assert dataset.deployment_at(deployments, NOW - timedelta(hours=2)) == deployments[0]
