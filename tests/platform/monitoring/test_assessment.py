"""Captured rows of the baseline's distribution raise no alarm, in whatever form clients and models write them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlflow_platform.monitoring import assessment, baseline, dataset, windows
from mlflow_platform.monitoring.assessment import Assessment, Settings
from mlflow_platform.monitoring.baseline import Baseline
from mlflow_platform.monitoring.dataset import Deployment
from mlflow_platform.monitoring.drift import PREDICTION
from mlflow_platform.monitoring.truth import Truth
from mlflow_platform.validation.signature import ColumnSpec, Signature
from mlflow_platform.validation.table import Table

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
ROWS = 200
NAMES = ["a", "b"] * 100
NUMBERS = [(at * 37 % 101) / 100 for at in range(ROWS)]
LARGE = [2**60, 2**60 + 1] * 100
TIMES = [datetime(2026, 1, 1) + timedelta(hours=at) for at in range(ROWS)]  # noqa: DTZ001 as pandas has them
NAMED = Signature((ColumnSpec("s", "string"),))
CLASSES = Signature(NAMED.inputs, class_names=("a", "b"))
TENSOR = Signature((ColumnSpec(None, "float64", is_tensor=True, shape=(-1, 2)),))


def event(number: int, request: Any, answer: Any) -> str:
    """A captured line; without an answer if that is `...`."""
    bodies = {"endpointInput": request} | ({} if answer is ... else {"endpointOutput": {"predictions": [answer]}})
    data = {
        name: {"observedContentType": "application/json", "data": json.dumps(body), "encoding": "JSON"}
        for name, body in bodies.items()
    }
    about = {"eventId": f"e{number}", "inferenceId": f"i{number}", "inferenceTime": NOON.isoformat()}
    return json.dumps({"captureData": data, "eventMetadata": about})


def assess(
    signature: Signature,
    baseline: Mapping[str, Sequence[Any]],
    request: Callable[[int], Any],
    answer: Callable[[int], Any] = lambda at: NAMES[at],
    truth: Sequence[Truth] = (),
) -> Assessment:
    served = Deployment(NOON, "run1", "models:/m/1", signature)
    lines = "\n".join(event(at, request(at), answer(at)) for at in range(ROWS))
    tables, problems = dataset.convert(lines.encode(), [served])
    assert not problems
    known = Baseline(baseline, "rows", task="classification", reference={"accuracy": 1.0})
    spans = windows.recent(NOON, hours=24, days=2)
    return assessment.assess(tables, [truth], known, served, spans, Settings())


@pytest.mark.parametrize(
    "texts", [["true", "false"], ["TRUE", "False"], ["1.0", "2.0"], ["1e3", "02"], ["1.10", "1.2"]]
)
def test_predicted_texts_are_the_classes_of_a_baseline_in_csv(texts: list[str]) -> None:
    predicted = texts * 100
    known = {PREDICTION: baseline_values(predicted), "s": NAMES}
    found = assess(NAMED, known, records("s", NAMES), lambda at: predicted[at])
    assert (found.drifted, found.unjudged) == ([], "")


def baseline_values(texts: Sequence[str]) -> Sequence[Any]:
    table = Table("b.csv", {PREDICTION: texts}, is_text=True)
    return baseline.inputs(table, Signature((ColumnSpec(PREDICTION, "any"),)), None)[PREDICTION]


def records(name: str, values: Sequence[Any]) -> Callable[[int], Any]:
    return lambda at: {"dataframe_records": [{name: values[at]}]}


@pytest.mark.parametrize(
    ("signature", "baseline", "request_of"),
    [
        (Signature(), {"s": NAMES}, records("s", NAMES)),
        (Signature(), {"k": [1.0, 2.0] * 100}, records("k", [1.0, 2.0] * 100)),
        (Signature(), {"k": [True, False] * 100}, records("k", [True, False] * 100)),
        (Signature(), {"t": TIMES}, records("t", [at.isoformat() for at in TIMES])),
        (Signature((ColumnSpec("s", "any"),)), {"s": NAMES}, records("s", NAMES)),
        (TENSOR, {"length": NUMBERS, "width": NUMBERS}, lambda at: {"inputs": [[NUMBERS[at]] * 2]}),
        (Signature((ColumnSpec(None, "string"),)), {"0": NAMES}, lambda at: {"inputs": [NAMES[at]]}),
        (Signature((ColumnSpec(None, "string"),)), {"0": NAMES}, lambda at: {"inputs": NAMES[at]}),
        (NAMED, {"s": NAMES}, lambda at: {"inputs": {"s": NAMES[at]}}),
        (Signature((ColumnSpec("k", "long"),)), {"k": LARGE}, records("k", LARGE)),
        # The CSV file of a baseline holds the empty text as nothing.
        (NAMED, {"s": [None, "b"] * 100}, records("s", ["", "b"] * 100)),
        # Clients of a model that takes one array may name its columns as they like.
        (
            TENSOR,
            {"length": NUMBERS, "1": [0.5 * at for at in NUMBERS]},
            lambda at: {
                "dataframe_split": {
                    "columns": [["length", "1"], ["1", "x"], ["0", "1"]][at % 3],
                    "data": [[NUMBERS[at], 0.5 * NUMBERS[at]]],
                }
            },
        ),
    ],
)
def test_inputs_of_the_baselines_distribution_are_stable(
    signature: Signature, baseline: Mapping[str, Sequence[Any]], request_of: Callable[[int], Any]
) -> None:
    found = assess(signature, baseline, request_of)
    assert found.judged is not None
    assert found.judged.drift is not None
    assert {each.name: each.state for each in found.judged.drift.findings} == dict.fromkeys(baseline, "stable")


@pytest.mark.parametrize(
    ("signature", "answer"),
    [
        (CLASSES, lambda at: [0.9, 0.1] if NAMES[at] == "a" else [0.1, 0.9]),
        (NAMED, lambda at: {"a": 0.9, "b": 0.1} if NAMES[at] == "a" else {"a": 0.1, "b": 0.9}),
        (NAMED, lambda at: [NAMES[at]]),
    ],
)
def test_probabilities_are_the_classes_of_the_baseline(signature: Signature, answer: Callable[[int], Any]) -> None:
    found = assess(signature, {"s": NAMES, PREDICTION: NAMES}, records("s", NAMES), answer)
    assert (found.alarms, found.unjudged) == ([], "")


def test_rows_are_drawn_at_random_if_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second row would be the first of each request of two rows."""
    monkeypatch.setattr(assessment, "_MOST_ROWS", ROWS // 2)
    assert assess(NAMED, {"s": NAMES}, records("s", NAMES)).drifted == []


@pytest.mark.parametrize("classes", [[0, 1], ["0", "1"], [False, True]])
@pytest.mark.parametrize(
    "answer",
    [
        lambda at: 0.9 if at % 2 else 0.1,
        lambda at: [[0.9, 0.1], [0.1, 0.9]][at % 2],
        lambda at: [{"0": 0.9, "1": 0.1}, {"0": 0.1, "1": 0.9}][at % 2],
    ],
)
def test_probabilities_are_the_numbered_classes_of_the_baseline(
    classes: list[Any], answer: Callable[[int], Any]
) -> None:
    found = assess(NAMED, {"s": NAMES, PREDICTION: classes * 100}, records("s", NAMES), answer)
    assert (found.alarms, found.unjudged) == ([], "")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        # These may be of any classes: the baseline has the classes a and b.
        (lambda _: [0.2, 0.8], r"2 probabilities \(0, 1\), and the baseline has the classes a, b: name the classes"),
        (lambda _: {"p_a": 0.2, "p_b": 0.8}, r"2 probabilities \(p_a, p_b\), and the baseline"),
        (lambda _: ..., "no answers were captured"),
        (lambda _: [3.5, 7.0], "not class probabilities"),
        (lambda at: [0.2, 0.8] if at == 5 else NAMES[at], "predicts in several forms"),
    ],
)
def test_predictions_that_cannot_be_compared_are_named_and_the_inputs_judged(
    answer: Callable[[int], Any], reason: str
) -> None:
    truth = [Truth(f"i{at}", None, NAMES[at]) for at in range(ROWS)]
    found = assess(NAMED, {"s": ["a"] * ROWS, PREDICTION: NAMES}, records("s", NAMES), answer, truth)
    assert found.drifted == ["s"]
    assert not found.failures
    assert re.search(reason, found.unjudged)


@pytest.mark.parametrize("text", ["[a", "{", "[" * 100_000])
def test_text_that_looks_like_json_does_not_stop_the_monitoring(text: str) -> None:
    signature = Signature((ColumnSpec(None, "str", is_tensor=True, shape=(-1, 1)),))
    found = assess(signature, {"0": NAMES}, lambda at: {"inputs": [[NAMES[at] if at else text]]})
    assert found.judged is not None
    assert not found.drifted


def test_a_row_whose_answer_was_not_captured_is_no_wrong_prediction() -> None:
    truth = [Truth(f"i{at}", None, NAMES[at]) for at in range(ROWS)]
    found = assess(NAMED, {"s": NAMES}, records("s", NAMES), lambda at: ... if at % 2 else NAMES[at], truth)
    assert found.unanswered == ROWS / 2
    assert found.scored is not None
    assert (found.scored.quality.with_truth, found.scored.quality.metrics["accuracy"]) == (ROWS / 2, 1.0)


def test_a_model_that_predicts_nothing_is_wrong() -> None:
    truth = [Truth(f"i{at}", None, NAMES[at]) for at in range(ROWS)]
    found = assess(NAMED, {"s": NAMES, PREDICTION: NAMES}, records("s", NAMES), lambda _: None, truth)
    assert found.drifted == [PREDICTION]
    assert found.scored is not None
    assert found.scored.quality.metrics["missing_predictions"] == ROWS


def test_a_column_that_is_not_judged_is_named_with_the_reason() -> None:
    found = assess(NAMED, {"s": NAMES, PREDICTION: NAMES[:45]}, lambda at: {"inputs": {"s": [NAMES[at]]}})
    assert (found.drifted, found.unjudged) == ([], "")
    assert found.not_compared == ["prediction (a baseline of 45 rows; at least 50 are needed)"]
