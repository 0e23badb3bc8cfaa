"""Training on a user's file: the logged model predicts the file's held-out rows as the training did."""

import json
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from mlflow_common.errors import InputError
from mlflow_platform.validation import evaluation, files, local_model, requests, scoring
from mlflow_platform.validation.invocation import Answers
from mlflow_platform.validation.rows import prepare
from mlflow_platform.validation.signature import ColumnSpec, Signature, from_mlmodel
from scripts import log_run
from training import reading, tables
from training.models import DivergedError
from training.params import ForestParams

SMALL = ForestParams(n_estimators=6, trees_per_step=2)


def shops(rows: int = 120) -> pd.DataFrame:
    """Rows in which the text `zip` and the number `size` determine the target. Some values are missing."""
    random = np.random.default_rng(7)
    codes = random.choice(["02134", "00501", "NA", ""], rows)
    size = np.where(random.random(rows) < 0.1, np.nan, random.normal(50, 10, rows).round(2))
    return pd.DataFrame({"zip": codes, "size": size, "open": random.random(rows) < 0.5, "count": range(rows)})


def truths(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "text": np.where(frame.zip == "02134", "NA", "other"),
        "numbers": np.where(frame.zip == "NA", 1, 0),
        "booleans": np.where(frame.zip == "", True, False),
        "regression": np.where(frame.zip == "00501", 100.5, 1.25) + frame["count"] / 10,
    }


def write(frame: pd.DataFrame, form: str, folder: Path) -> Path:
    path = folder / f"shops.{form}"
    if form == "parquet":
        frame.to_parquet(path)
    elif form == "json":
        frame.to_json(path, orient="split")
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("kind", "form"), [("text", "csv"), ("numbers", "csv"), ("booleans", "parquet"), ("regression", "json")]
)
def test_the_logged_model_can_be_validated_with_the_runs_rows(
    kind: str, form: str, tmp_path: Path, mlflow_here: Any
) -> None:
    from training.record import record

    frame = shops()
    frame["y"] = truths(frame)[kind]
    if form == "parquet":
        frame["zip"] = frame["zip"].replace("02134", "021\r34")
    training = tables.train(write(frame, form, tmp_path), "y", SMALL)
    assert training.fitted.task == ("regression" if kind == "regression" else "classification")
    recorded = record(training)

    folder = Path(mlflow_here.artifacts.download_artifacts(recorded.model_uri))
    signature = from_mlmodel((folder / "MLmodel").read_text(), "here")
    assert [(column.name, column.type) for column in signature.inputs] == [
        ("zip", "string"),
        ("size", "double"),
        ("open", "boolean"),
        ("count", "double"),
    ]
    held_out = evaluation.fetch(mlflow_here.MlflowClient(), recorded.run_id)
    rows = prepare(held_out.table, held_out.target, task=held_out.task, signature=signature, origin="the run")
    answers = local_model.score(folder, requests.make(rows, batch_size=7))
    checked = scoring.compare(rows, Answers(answers, [0.1], 0.1))
    for name in {"accuracy", "f1_macro", "rmse", "r2"} & training.metrics.keys():
        assert checked.metrics[name] == pytest.approx(training.metrics[name])
    assert training.metrics.get("accuracy", 1) > 0.9


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_column_of_text_is_trained_as_validation_sends_it(form: str, tmp_path: Path) -> None:
    count = range(40)
    frame = pd.DataFrame({"y": ["ab"[number % 2] for number in count]})
    if form == "csv":
        frame["open"] = [["false", "true", "TRUE", None][number % 4] for number in count]
    else:
        frame["day"] = [date(2026, 1, 1 + number % 3) for number in count]
        frame["time"] = [datetime.fromisoformat(f"2026-01-01T12:0{number % 3}") for number in count]
    path = write(frame, form, tmp_path)
    split = tables.train(path, "y", SMALL).split
    columns = tuple(ColumnSpec(name, "string") for name in frame if name != "y")
    sent = prepare(files.read(path, "y"), "y", task=None, signature=Signature(inputs=columns), origin="here").features
    prepared = reading.read(path, "y")
    for name, values in sent.items():
        assert {*split.train[name], *split.held_out[name]} == set(values)
        assert set(prepared[name].fillna("")) == set(values)


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    frame = shops()
    frame["y"] = truths(frame)["text"]
    path = write(frame, "csv", tmp_path)
    one, other = (tables.train(path, "y", SMALL) for _ in range(2))
    assert one.metrics == other.metrics
    np.testing.assert_array_equal(one.predictions, other.predictions)
    assert [step for step, _ in one.fitted.history["accuracy"]] == [2, 4, 6]


def test_a_class_with_one_row_can_be_trained_on(tmp_path: Path) -> None:
    frame = shops(20)
    frame["y"] = ["rare", *["a", "b"] * 9, "a"]
    assert tables.train(write(frame, "csv", tmp_path), "y", SMALL).metrics["accuracy"] >= 0


NUMBERED = "".join(f"{number},{number % 2}\n" for number in range(40))


def test_postal_codes_and_spaced_numbers_can_be_trained_on(tmp_path: Path) -> None:
    zips = [f"{number:05}" for number in range(9990, 10030)]
    rows = "".join(f"{zip_}, {number},+49{number},{number % 2}\n" for number, zip_ in enumerate(zips))
    (tmp_path / "rows.csv").write_text("zip,n,phone,y\n" + rows)
    split = tables.train(tmp_path / "rows.csv", "y", SMALL).split
    assert set(split.train["zip"]) < set(zips)
    assert split.train["n"].dtype.kind == "f"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("x,y\n" + "1,a\n" * 9, "has 9 rows. Training needs at least 10"),
        ("x,y\n" + "1,a\n" * 10, "every row of rows.csv has the same class in 'y'"),
        ("x,y\n" + "1,1.5\n" * 10, "every row of rows.csv has the same value in 'y'"),
        ("x,y\n" + "1,a\n" * 10 + "1,\n", "lacks the truth"),
        ("x,z\n1,2\n", "has no column 'y'"),
        ("y\n" + "a\nb\n" * 9, "nothing to predict from"),
        ("x,y\n" + NUMBERED + "?,1\n", r"most values of 'x' are numbers, and '\?' in row 41 is none"),
        ("y,x\n" + NUMBERED + "n/a,1\n", "most values of 'y' are numbers, and 'n/a' in row 41 is none"),
        ("x,y\n" + NUMBERED + "inf,1\n", "'x' is infinite in row 41"),
        (
            "x,y\n" + "".join(f"1,{n}.5e199\n" for n in range(40)),
            r"'y' has values up to 3.95e\+200, whose squared errors",
        ),
        ("x;y\n" + "1,5;a\n2,5;b\n" * 9, "'x' has numbers such as '1,5': write them as 1234.5"),
        ("x;y\n" + "".join(f"{n},5;a\n{n};b\n" for n in range(12)), "'x' has numbers such as '0,5'"),
        ("x,y\n" + "".join(f"+{n}.5,a\n-{n},b\n" for n in range(12)), r"'x' has numbers such as '\+0.5'"),
        ("y,x\n" + "".join(f"+{n}.5,1\n" for n in range(30)), r"'y' has numbers such as '\+0.5'"),
        ("x,y\n" + "1e39,a\n2,b\n" * 9, r"'x' is beyond 3.4e\+38 in row 1"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(InputError, match=complaint):
        tables.train(tmp_path / "rows.csv", "y", SMALL)


def test_codes_that_are_lists_of_a_few_numbers_are_text(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x;y\n" + "1;a\n2;b\n1,2;a\n1,3;b\n" * 9)
    assert tables.task_of(tmp_path / "rows.csv", "y") == "classification"


@pytest.mark.parametrize(
    ("record", "complaint"),
    [({"": 1, "x": 1}, "has a column without a name"), ({"x": "a\0"}, "the text in row 1 of 'x' has a NUL character")],
)
def test_what_the_held_out_rows_cannot_hold_is_refused(record: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{**record, "y": "ab"[number % 2]} for number in range(12)]))
    with pytest.raises(InputError, match=complaint):
        tables.task_of(tmp_path / "rows.json", "y")


@pytest.mark.parametrize(
    ("truth", "classes"), [([2**70, 2**70 + 1], [str(2**70), str(2**70 + 1)]), ([1, True, 0], [0, 1])]
)
def test_classes_of_any_numbers_can_be_trained_on(truth: list[Any], classes: list[Any], tmp_path: Path) -> None:
    records = [{"x": number, "y": truth[number % len(truth)]} for number in range(24)]
    (tmp_path / "rows.json").write_text(json.dumps(records))
    fitted = tables.train(tmp_path / "rows.json", "y", SMALL).fitted
    assert list(fitted.model.classes_) == classes


def test_log_run_says_in_one_line_that_a_training_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: Any) -> Any:
        raise DivergedError("the model predicts infinity.")

    monkeypatch.setattr(tables, "train", diverge)
    monkeypatch.setattr(log_run, "tracking", Mock())
    options: Any = SimpleNamespace(data=(Path("rows.csv"), "y"), params=SMALL, needs=[])
    with pytest.raises(InputError, match=r"the model predicts infinity\. Change --set"):
        log_run._train_and_log(Mock(), Mock(), Mock(), options)


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    records = [{"x": [1, 2], "y": "ab"[number % 2]} for number in range(12)]
    (tmp_path / "rows.json").write_text(json.dumps(records))
    with pytest.raises(InputError, match="the column 'x' holds lists or objects"):
        tables.train(tmp_path / "rows.json", "y", SMALL)
