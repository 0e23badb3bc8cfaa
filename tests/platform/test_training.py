"""The example models: reproducible, scored at each step, and with pinned requirements."""

import math
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

from tests.platform.conftest import SMALL
from training import models
from training.params import DATASETS, DEFAULTS, FAMILIES, SEEDS, BoostParams, Dataset, ForestParams, with_changes
from training.result import Training
from training.scores import score
from training.train import train

Trained = Callable[[Dataset], Training]


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_same_seed_gives_the_same_metrics_and_predictions(dataset: Dataset, trained: Trained) -> None:
    again = train(dataset, SMALL[dataset])
    assert again.metrics == trained(dataset).metrics
    assert again.fitted.history == trained(dataset).fitted.history
    np.testing.assert_array_equal(again.predictions, trained(dataset).predictions)


@pytest.mark.parametrize("dataset", DATASETS)
def test_another_seed_gives_another_split(dataset: Dataset, trained: Trained) -> None:
    other = train(dataset, replace(SMALL[dataset], seed=8))
    assert not other.split.held_out.equals(trained(dataset).split.held_out)


@pytest.mark.parametrize("dataset", DATASETS)
def test_held_out_rows_are_not_used_for_training(dataset: Dataset, trained: Trained) -> None:
    split = trained(dataset).split
    rows = {"iris": 150, "diabetes": 442}[dataset]
    assert len(split.train) + len(split.held_out) == rows
    # Two rows of iris have the same measurements.
    assert len(split.held_out.merge(split.train.drop_duplicates())) <= 1


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_history_ends_at_the_final_metrics(dataset: Dataset, trained: Trained) -> None:
    training = trained(dataset)
    shared = set(training.fitted.history) & set(training.metrics)
    assert shared
    for name in shared:
        assert training.fitted.history[name][-1][1] == pytest.approx(training.metrics[name], rel=1e-5)


def test_the_forest_is_scored_at_every_step_up_to_all_its_trees() -> None:
    history = train("iris", ForestParams(n_estimators=7, trees_per_step=3)).fitted.history
    assert [step for step, _ in history["accuracy"]] == [3, 6, 7]


def test_boosting_is_scored_in_every_round(trained: Trained) -> None:
    assert [step for step, _ in trained("diabetes").fitted.history["rmse"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("dataset", "metric", "least"), [("iris", "accuracy", 0.9), ("diabetes", "r2", 0.45)])
def test_the_default_models_reach_a_useful_score(dataset: Dataset, metric: str, least: float) -> None:
    assert train(dataset).metrics[metric] > least


def test_a_family_that_cannot_learn_classes_is_rejected() -> None:
    with pytest.raises(ValueError, match="the family xgboost is for regression"):
        train("iris", BoostParams())


@pytest.mark.parametrize(
    ("dataset", "family"), [(d, f) for d in DATASETS for f in FAMILIES if (d, f) != ("iris", "xgboost")]
)
def test_each_family_learns_each_data_set_that_suits_it(dataset: Dataset, family: str) -> None:
    training = train(dataset, FAMILIES[family])
    assert training.metrics["accuracy"] > 0.9 if dataset == "iris" else training.metrics["r2"] > 0.4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("trees=5", "NAME=VALUE with a NAME out of seed, held_out, n_estimators"),
        ("n_estimators", "is not NAME=VALUE"),
        ("n_estimators=many", "takes a number of type int, not 'many'"),
        ("n_estimators=0", "must be more than 0"),
        ("held_out=0.99", "held out: from 0.05 to 0.95, not 0.99"),
        ("held_out=nan", "held out: from 0.05 to 0.95, not nan"),
        ("seed=-1", "seed must be from 0 to 4294967295, not -1"),
    ],
)
def test_a_wrong_parameter_is_rejected_with_the_valid_values(change: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        with_changes(DEFAULTS["iris"], [change])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("subsample=2", "subsample is a share: more than 0 and at most 1, not 2.0"),
        ("colsample_bytree=1.1", "colsample_bytree is a share"),
        ("learning_rate=nan", "learning_rate must be more than 0"),
        ("learning_rate=inf", "learning_rate must be more than 0"),
    ],
)
def test_a_wrong_boosting_parameter_is_rejected(change: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        with_changes(DEFAULTS["diabetes"], [change])


@pytest.mark.parametrize("held_out", [0.05, 0.95])
@pytest.mark.parametrize("dataset", DATASETS)
def test_training_works_at_the_limits_of_the_parameters(dataset: Dataset, held_out: float) -> None:
    limits = replace(SMALL[dataset], held_out=held_out, seed=SEEDS - 1)
    assert all(math.isfinite(value) for value in train(dataset, limits).metrics.values())


def test_parameters_keep_their_types_when_they_are_changed() -> None:
    changed = with_changes(DEFAULTS["diabetes"], ["learning_rate=1", "max_depth=4"])
    assert changed == BoostParams(learning_rate=1.0, max_depth=4)
    assert changed.as_strings()["learning_rate"] == "1.0"


@pytest.mark.parametrize("flavor", ["sklearn", "xgboost"])
def test_requirements_are_the_installed_versions_exactly(flavor: models.Flavor) -> None:
    requirements = dict(line.split("==") for line in models.requirements(flavor))
    assert requirements == {package: version(package) for package in requirements}
    assert "mlflow-skinny" in requirements


@pytest.mark.parametrize(
    ("rows", "predicted", "reason"),
    [
        (9, 1e200, "rmse is inf on 9 held-out rows. Check the parameters, or scale 'disease_progression'"),
        (9, -1e200, "rmse is inf on 9"),
        (1, 100.0, "r2 is nan on 1 held-out rows. Hold out more rows"),
        (9, math.inf, "the model predicts infinity or NaN"),
        (9, math.nan, "the model predicts infinity or NaN"),
    ],
)
def test_a_model_with_a_score_that_is_no_finite_number_is_refused(
    trained: Trained, rows: int, predicted: float, reason: str
) -> None:
    split = trained("diabetes").split
    few = replace(split, held_out=split.held_out.head(rows))
    with pytest.raises(models.DivergedError, match=reason):
        score("regression", few, np.full(rows, predicted))
