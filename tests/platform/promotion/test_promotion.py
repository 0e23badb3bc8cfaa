"""Promotions: which candidate wins, what is recorded, what a repeated or interrupted promotion does."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.entities import LoggedModelOutput
from mlflow.models import infer_signature

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.endpoints.model import Model
from mlflow_platform.environment import Environment
from mlflow_platform.promotion import contest, packaging, promotion, registration
from mlflow_platform.promotion.packaging import Wish
from mlflow_platform.promotion.promotion import Request
from mlflow_platform.validation.evaluation import HeldOut
from mlflow_platform.validation.table import Table
from mlflow_platform.validation.thresholds import Threshold
from tests.platform.conftest import BUCKET
from tests.platform.interference import Call, Interference, attempt, failed, lost

WISH = Wish("image", None, None)


class Above(mlflow.pyfunc.PythonModel):
    """Predicts whether x is above a limit."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:  # noqa: ARG002
        return ["yes" if x > self.limit else "no" for x in model_input["x"]]


# The truth is "yes" above 5, so a model with the limit 5 + n gets n of ten rows wrong.
HELD_OUT = HeldOut(
    Table("rows.csv", {"x": [float(x) for x in range(1, 11)], "y": ["no"] * 5 + ["yes"] * 5}, is_text=False), "y", None
)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    made: dict[float, Path] = {}

    def of(limit: float) -> Path:
        if limit not in made:
            made[limit] = tmp_path_factory.mktemp("model") / "model"
            signature = infer_signature(pd.DataFrame({"x": [1.0]}), ["yes"])
            mlflow.pyfunc.save_model(
                made[limit], python_model=Above(limit), signature=signature, pip_requirements=["mlflow"]
            )
        return made[limit]

    return of


class Lab:
    """An experiment whose models are in S3, on a tracking server of this process."""

    def __init__(self, client: Any, s3: Any, saved: Callable[[float], Path]) -> None:
        self.client, self.s3, self.saved = client, s3, saved
        self.experiment = client.create_experiment("iris", artifact_location=f"s3://{BUCKET}/store")

    def log(self, limit: float | None, status: str = "FINISHED", name: str = "model", **metrics: float) -> str:
        """Log a run with metrics and, unless the limit is None, a model."""
        run = str(self.client.create_run(self.experiment).info.run_id)
        for key, value in metrics.items():
            self.client.log_metric(run, key, value)
        if limit is not None:
            self.add_model(run, limit, name)
        self.client.set_terminated(run, status)
        return run

    def add_model(self, run: str, limit: float, name: str = "model") -> None:
        """Log a model to a run."""
        model = self.client.create_logged_model(self.experiment, name=name, source_run_id=run)
        prefix = model.artifact_location.removeprefix(f"s3://{BUCKET}/")
        for file in self.saved(limit).rglob("*"):
            if file.is_file():
                key = f"{prefix}/{file.relative_to(self.saved(limit))}"
                self.s3.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])

    def request(self, **changes: Any) -> Request:
        """A promotion of the best run by accuracy."""
        wanted = {"experiment": "iris", "metric": "accuracy", "name": "iris", "alias": "champion"}
        return Request(**{**wanted, "held_out": HELD_OUT, **changes})

    def plan(self, **changes: Any) -> promotion.Plan:
        """What a promotion would do."""
        return promotion.plan(self.client, self.s3, self.request(**changes), lambda _: None)

    def promote(self, **changes: Any) -> tuple[promotion.Plan, Model]:
        """Promote, and return the plan and the candidate's version."""
        planned = self.plan(**changes)
        return planned, promotion.carry_out(self.client, planned, self.request(**changes), lambda _: None)

    @property
    def champion(self) -> str | None:
        """The champion's version."""
        found = registration.champion(self.client, "iris", "champion")
        return found.version if found else None


@pytest.fixture
def lab(mlflow_here: Any, aws: Any, saved: Callable[[float], Path]) -> Lab:
    return Lab(mlflow_here.MlflowClient(), aws("s3"), saved)


def test_the_first_model_becomes_the_champion_and_the_evidence_is_logged(lab: Lab) -> None:
    lab.log(8, accuracy=0.7)
    run = lab.log(6, accuracy=0.9)
    planned, model = lab.promote()
    assert (model.uri, model.run_id, lab.champion) == ("models:/iris/1", run, "1")
    assert planned.verdict is not None
    assert planned.verdict.candidate.metrics["accuracy"] == pytest.approx(0.9)
    tags = lab.client.get_model_version("iris", "1").tags
    assert (tags["promotion.result"], tags["promotion.value"]) == ("promoted to champion", "0.9")
    uri = registration.evidence_uri(lab.client, "champion", model) or ""
    body = lab.s3.get_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    assert json.loads(body)["promoted"] is True


def test_models_outside_of_the_environments_stores_are_not_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.log(8, accuracy=0.7)
    stores = [f"s3://{BUCKET}/store"]
    lab.promote(stores=stores)
    lab.log(6, accuracy=0.9)
    with pytest.raises(PreconditionError, match=r"the files of models:/m-.* are at .*outside of"):
        lab.plan(stores=["s3://another"])
    monkeypatch.setattr(lab.client, "get_model_version_download_uri", lambda *_: "s3://another/secret")
    monkeypatch.setattr(contest, "score", lambda *_: pytest.fail("the model was read"))
    with pytest.raises(PreconditionError, match="the files of models:/iris/1 are at s3://another/secret"):
        lab.plan(stores=stores)


def test_a_better_model_replaces_the_champion_and_a_worse_one_does_not(lab: Lab) -> None:
    lab.log(7, accuracy=0.8)
    lab.promote()
    # Its own metric says that it is better, and the same rows say that it is not.
    lab.log(8, accuracy=0.95)
    planned, model = lab.promote()
    assert (planned.wins, model.version, lab.champion) == (False, "2", "1")
    assert planned.verdict is not None
    assert planned.verdict.summary == "accuracy 0.7 does not beat 0.8 of models:/iris/1"
    assert lab.client.get_model_version("iris", "2").tags["promotion.result"] == "not promoted to champion"
    lab.log(5, accuracy=0.99)
    assert lab.promote()[0].wins
    assert lab.champion == "3"


def test_a_tie_and_a_gain_within_the_margin_keep_the_champion(lab: Lab) -> None:
    lab.log(6, accuracy=0.9)
    lab.promote()
    lab.log(6, accuracy=0.95)
    assert not lab.plan().wins
    lab.log(5, accuracy=0.99)
    assert not lab.plan(margin=0.2).wins
    assert lab.plan(margin=0.05).wins


def test_promoting_again_changes_nothing(lab: Lab) -> None:
    lab.log(6, accuracy=0.9)
    lab.promote()
    planned, model = lab.promote()
    assert planned.verdict is None
    assert (planned.registers, model.version) == (False, "1")
    assert len(lab.client.search_model_versions("name = 'iris'")) == 1


def test_a_promotion_that_was_killed_after_the_registration_continues_with_the_same_version(lab: Lab) -> None:
    lab.log(6, accuracy=0.9)
    registration.register(lab.client, "iris", lab.plan().candidate)
    assert "champion" not in lab.client.get_registered_model("iris").aliases
    planned, model = lab.promote()
    assert (planned.registers, model.version, lab.champion) == (False, "1", "1")


def test_the_alias_is_not_moved_if_it_was_moved_meanwhile(lab: Lab) -> None:
    lab.log(7, accuracy=0.8)
    lab.promote()
    lab.log(5, accuracy=0.99)
    planned = lab.plan()
    other = lab.client.create_model_version("iris", planned.candidate.location)
    lab.client.set_registered_model_alias("iris", "champion", other.version)
    with pytest.raises(PreconditionError, match="has moved to models:/iris/2 during the comparison"):
        promotion.carry_out(lab.client, planned, lab.request(), lambda _: None)
    assert lab.champion == "2"


def test_planning_changes_nothing(lab: Lab) -> None:
    lab.log(6, accuracy=0.9)
    assert lab.plan().registers
    assert lab.client.search_registered_models() == []


def test_runs_that_have_not_finished_or_have_no_model_are_no_candidates(lab: Lab) -> None:
    lab.log(5, status="FAILED", accuracy=1.0)
    lab.log(None, accuracy=0.99)
    lab.log(5, accuracy=float("nan"))
    run = lab.log(6, accuracy=0.9)
    messages: list[str] = []
    planned = promotion.plan(lab.client, lab.s3, lab.request(), messages.append)
    assert planned.ranking.best.run_id == run
    assert any("without a model are left out" in line for line in messages)


def test_a_limit_that_is_not_reached_stops_the_promotion(lab: Lab) -> None:
    lab.log(6, accuracy=0.9)
    with pytest.raises(PlatformError, match=r"is not promoted: accuracy is 0\.9000, below the threshold of 0\.95"):
        lab.plan(required=[Threshold("accuracy", 0.95)])


def test_the_champion_must_reach_the_limit_too(lab: Lab) -> None:
    lab.log(6, accuracy=0.9)
    lab.promote()
    with pytest.raises(PlatformError, match=r"accuracy is 0\.9000, below the threshold of 0\.95"):
        lab.plan(required=[Threshold("accuracy", 0.95)])
    assert lab.plan(required=[Threshold("accuracy", 0.9)]).verdict is None


def test_one_of_several_models_must_be_chosen(lab: Lab) -> None:
    run = lab.log(6, name="small", accuracy=0.9)
    lab.add_model(run, 5, "large")
    with pytest.raises(InputError, match=r"several models \(large, small\)"):
        lab.plan()
    planned = lab.plan(model_name="large")
    assert planned.verdict is not None
    assert planned.verdict.candidate.metrics["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiment": "none"}, "there is no experiment 'none'"),
        ({"metric": "f1"}, "no run has the metric 'f1'"),
        ({"judge": "rmse"}, "'rmse' was not computed"),
        (
            {"held_out": HeldOut(Table("z.csv", {"z": [1.0], "y": ["no"]}, is_text=False), "y", None)},
            "cannot be scored on z.csv",
        ),
        ({"model_name": "huge"}, "logged a model named 'huge'"),
        ({"held_out": None}, "has no tag evaluation.target"),
    ],
)
def test_says_in_one_line_what_is_missing(lab: Lab, changes: dict[str, Any], message: str) -> None:
    lab.log(6, accuracy=0.9)
    with pytest.raises(InputError, match=message):
        lab.plan(**changes)


def test_smaller_is_better_for_errors() -> None:
    def scored(uri: str, rmse: float) -> contest.Score:
        return contest.Score(Model(uri, "s3://b/m"), {"rmse": rmse, "r2": 0.1}, "r2")

    assert contest.judge(scored("a", 1.0), scored("b", 2.0), "rmse", margin=0.5).wins
    assert not contest.judge(scored("a", 1.0), scored("b", 1.2), "rmse", margin=0.5).wins
    assert not contest.judge(scored("a", 1.0), scored("b", 2.0), None, margin=0.0).wins
    for value in (float("nan"), float("inf")):
        for pair in ((scored("a", value), None), (scored("b", 1.0), scored("a", value))):
            with pytest.raises(InputError, match=f"'rmse' of a is {value} on these rows"):
                contest.judge(*pair, "rmse", margin=0.0)


def test_the_winner_is_pushed_once_and_approved_on_request(lab: Lab, aws: Any, environment: Environment) -> None:
    lab.log(6, accuracy=0.9)
    _, model = lab.promote()
    sagemaker = aws("sagemaker")

    def push(approval: str | None = None, evidence: str | None = None) -> packaging.Pushed:
        wish = Wish("image", approval, evidence)
        return packaging.push(sagemaker, lab.s3, environment, model, wish, lambda _: None)

    first = push(evidence="s3://bucket/evidence.json")
    assert first.change == "created"
    assert first.approval == "PendingManualApproval"
    assert push() == packaging.Pushed(first.arn, first.approval, "none")
    found = sagemaker.describe_model_package(ModelPackageName=first.arn)
    (container,) = found["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"].startswith(f"s3://{BUCKET}/packages/mlflow-staging-iris/")
    lab.s3.head_object(Bucket=BUCKET, Key=container["ModelDataUrl"].removeprefix(f"s3://{BUCKET}/"))
    assert found["CustomerMetadataProperties"]["model-uri"] == "models:/iris/1"
    assert packaging.existing(sagemaker, environment, model) == first.arn
    assert push("Approved") == packaging.Pushed(first.arn, "Approved", "approval changed")
    assert sagemaker.describe_model_package(ModelPackageName=first.arn)["ModelApprovalStatus"] == "Approved"


@pytest.mark.parametrize("how", [lost, failed])
def test_one_package_is_created_whatever_call_has_a_fault(
    how: Callable[[Call], Any], lab: Lab, aws: Any, environment: Environment, interference: Interference
) -> None:
    lab.log(6, accuracy=0.9)
    _, model = lab.promote()
    sagemaker = aws("sagemaker")
    struck = []
    for target in range(30):
        # Another model's name is another group.
        named = replace(model, name=f"iris-{target}")

        def push(named: Model = named) -> packaging.Pushed:
            return packaging.push(sagemaker, lab.s3, environment, named, WISH, lambda _: None)

        interference.arm(target, how)
        attempt(push, interference, how)
        struck.append(interference.struck)
        interference.arm(None)
        arn = push().arn
        group = packaging.group_name(environment, named.name or "")
        (found,) = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
        assert found["ModelPackageArn"] == arn
        if not struck[-1]:
            break
    assert {"CreateModelPackageGroup", "CreateModelPackage", "PutObject"} <= set(struck)
    assert struck[-1] == "", "the last calls were not tested"


def test_a_package_group_of_another_environment_is_refused(lab: Lab, aws: Any, environment: Environment) -> None:
    lab.log(6, accuracy=0.9)
    _, model = lab.promote()
    sagemaker = aws("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="mlflow-staging-iris", ModelPackageGroupDescription="x")
    with pytest.raises(PreconditionError, match="mlflow-staging-iris does not belong to staging"):
        packaging.push(sagemaker, lab.s3, environment, model, WISH, lambda _: None)
    assert sagemaker.list_model_packages()["ModelPackageSummaryList"] == []
