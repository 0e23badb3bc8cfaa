"""Thresholds: each metric against its limit, in the direction that is better."""

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.validation import thresholds
from mlflow_platform.validation.thresholds import Threshold, Verdict, judge, parse


def test_a_threshold_is_a_metric_and_a_number_or_only_a_number() -> None:
    assert parse(["0.9", "rmse=50", "latency_p95_ms=1e3"]) == [
        Threshold(None, 0.9),
        Threshold("rmse", 50),
        Threshold("latency_p95_ms", 1000),
    ]


@pytest.mark.parametrize("text", ["", "high", "accuracy", "accuracy=", "=0.9", "accuracy=nan", "inf", "accuracy=0.9=1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--threshold"):
        parse([text])


@pytest.mark.parametrize("text", ["accuracy=90", "roc_auc=-1", "local_agreement=1.01"])
def test_a_share_that_everything_or_nothing_reaches_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"--threshold {text}: .* is from 0 to 1"):
        parse([text])


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"there is no metric 'acuracy' \(there are: accuracy, "):
        parse(["acuracy=0.9"])


def test_a_metric_of_the_other_task_is_refused() -> None:
    thresholds.check_task(parse(["0.9", "rmse=1", "latency_p50_ms=9"]), "regression")
    with pytest.raises(InputError, match="--threshold rmse: the rows are a classification, which has accuracy, "):
        thresholds.check_task(parse(["rmse=1"]), "classification")


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("0.75", True),
        ("0.76", False),
        ("accuracy=0.75", True),
        ("accuracy=0.76", False),
        ("latency_p95_ms=10", True),
        ("latency_p95_ms=9", False),
        ("missing_predictions=0", True),
        ("roc_auc=0.1", False),
    ],
)
def test_a_metric_is_compared_with_its_limit(text: str, passed: bool) -> None:
    [verdict] = judge(parse([text]), {"accuracy": 0.75, "latency_p95_ms": 10.0}, "accuracy")
    assert verdict.passed is passed


def test_a_failed_threshold_says_what_is_wrong() -> None:
    assert str(Verdict("accuracy", 0.9, 0.75)) == "accuracy is 0.7500, below the threshold of 0.9"
    assert str(Verdict("rmse", 50, 75)) == "rmse is 75.0000, above the threshold of 50"
    assert str(Verdict("r2", 0.9, None)).startswith("r2 could not be computed from these rows")
