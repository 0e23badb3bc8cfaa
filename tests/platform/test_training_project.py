"""The MLflow project: data checks name column and row; prepare, tune, train and evaluate work together."""

import importlib
import json
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from packaging.requirements import Requirement
from pyarrow import parquet

from mlflow_platform.environment import REPOSITORY
from mlflow_platform.validation.values import _LARGEST_SINGLE
from training import checks, evaluate, prepare, prepared, reading, tune
from training import train as trainer
from training.data import Split
from training.models import DivergedError
from training.params import FAMILIES, BoostParams, ForestParams, GradientBoostingParams, LinearParams


def customers(rows: int = 60) -> pd.DataFrame:
    """Rows in which the text `city` and the number `income` determine the target."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame(
        {"age": random.integers(18, 80, rows), "city": random.choice(["Bern", "Oslo"], rows), "income": range(rows)}
    )
    return frame.assign(buys=np.where((frame.city == "Oslo") | (frame.income > 50), "yes", "no"))


@pytest.mark.parametrize(
    ("column", "row", "value", "problem"),
    [
        ("age", 16, "unknown", "column 'age', row 17: 'unknown' is not a number"),
        ("income", 0, "inf", "column 'income', row 1: inf is not a finite number"),
        ("buys", 59, "", "column 'buys', row 60: the value is missing"),
        ("age", 3, "150", "column 'age', row 4: 150 is more than 120"),
        ("city", 2, "Rome", "column 'city', row 3: 'Rome' is not one of"),
        ("city", 4, "", "column 'city', row 5: the value is missing"),
    ],
)
def test_malformed_data_is_refused_with_its_column_and_row(
    column: str, row: int, value: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = customers().astype(object)
    frame.loc[row, column] = value
    frame.to_csv(tmp_path / "customers.csv", index=False)
    rules = {"age": {"min": 0, "max": 120}, "city": {"values": ["Bern", "Oslo"], "required": True}}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    options = [f"--data={tmp_path / 'customers.csv'}", "--target=buys", f"--rules={tmp_path / 'rules.json'}"]
    assert prepare.main([*options, f"--output={tmp_path / 'out'}"]) == 2
    message = capsys.readouterr().err
    assert problem in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_every_problem_is_named_in_the_order_of_the_rows() -> None:
    frame = customers().astype(object)
    for row in range(8):
        frame.loc[row, "age"] = "?"
    frame.loc[0, "buys"] = None
    with pytest.raises(checks.DataError) as refused:
        checks.check(frame, "buys", {})
    assert str(refused.value).startswith("column 'age', row 1: '?' is not a number; column 'buys', row 1: the value is")
    assert str(refused.value).endswith("; and 4 more")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda frame: frame.drop(columns="buys"), "there is no column 'buys'. The columns are age, city, income"),
        (lambda frame: frame.head(3), "has 3 rows. Training needs at least 10"),
        (lambda frame: frame[["buys"]], "is the only column"),
        (lambda frame: frame.assign(buys="yes"), "has 1 classes"),
        (lambda frame: frame.assign(buys=frame.index * 1.5e160), "'buys' has values up to .*, whose squared errors"),
        (lambda frame: frame.assign(buys=1.5), "every row has the same value in 'buys'"),
    ],
)
def test_unusable_tables_are_refused(change: Any, problem: str, tmp_path: Path) -> None:
    change(customers()).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(checks.DataError, match=problem):
        prepare.prepare(str(tmp_path / "c.csv"), "buys", tmp_path / "out", rules=None, seed=7, held_out=0.3)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("[]", "must be a JSON object"),
        ("{", "cannot be read"),
        ('{"age": {"maximum": 3}}', "have 'maximum'. Use max, min, required, type, values"),
        ('{"age": {"max": "3"}}', "must be a number, not '3'"),
        ('{"buys": {"values": "yes"}}', "values of the column 'buys' must be a list, not 'yes'"),
        ('{"age": {"required": "no"}}', "required of the column 'age' must be true or false"),
        ('{"height": {"max": 3}}', "the column 'height', which the data does not have"),
    ],
)
def test_wrong_rules_are_refused(rules: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(rules)
    with pytest.raises(checks.DataError, match=problem):
        checks.check(customers(), "buys", checks.read_rules(tmp_path / "rules.json"))


def prepared_values(content: str | pa.Table, suffix: str, folder: Path) -> tuple[prepared.Facts, dict[str, list[Any]]]:
    """What `prepare` makes of a file whose target is `y`: the facts, and the distinct values of each column."""
    file = folder / f"d{suffix}"
    if isinstance(content, str):
        file.write_text(content, encoding="utf-8")
    else:
        parquet.write_table(content, file)
    facts = prepare.prepare(str(file), "y", folder / "out", rules=None, seed=7, held_out=0.5)
    split, _ = prepared.read(folder / "out")
    rows = pd.concat([split.train, split.held_out])
    return facts, {name: sorted(set(rows[name]), key=str) for name in rows}


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        ("zip,y", ["02134,01", "00501,1"], {"zip": ["00501", "02134"], "y": ["01", "1"]}),
        ("a,y", ["None,NA", "NA,None"], {"a": ["NA", "None"], "y": ["NA", "None"]}),
        ("a;y", ["1;x", "2.5;z"], {"a": [1.0, 2.5], "y": ["x", "z"]}),
        ("a,y", ["5%,x", "1.2.3,z"], {"a": ["1.2.3", "5%"], "y": ["x", "z"]}),
        (",a,y", ["0,1.5,TRUE", "1,2,false"], {"a": [1.5, 2.0], "y": [False, True]}),
        ("\ufeffy,a", ["x,true", "z,"], {"a": ["", "true"], "y": ["x", "z"]}),
        ("a,y", ["1,9007199254740992", "2,9007199254740993"], {"a": [1.0, 2.0], "y": [2**53, 2**53 + 1]}),
        (
            "a,y",
            ["1,99999999999999999998", "2,99999999999999999999"],
            {"a": [1.0, 2.0], "y": ["9" * 19 + "8", "9" * 20]},
        ),
    ],
)
def test_a_csv_file_is_read_in_the_types_it_is_written_in(
    header: str, rows: list[str], expected: dict[str, list[Any]], tmp_path: Path
) -> None:
    found = prepared_values("\n".join([header, *rows * 10]) + "\n", ".csv", tmp_path)[1]
    assert {name: found[name] for name in sorted(found)} == {name: expected[name] for name in sorted(expected)}


def test_text_in_json_stays_text(tmp_path: Path) -> None:
    rows = [{"updated_at": "1600000000", "y": "01"}, {"updated_at": "007", "y": "1"}] * 10
    assert prepared_values(json.dumps(rows), ".json", tmp_path)[1] == {
        "updated_at": ["007", "1600000000"],
        "y": ["01", "1"],
    }


def test_numbers_of_every_parquet_type_are_numbers(tmp_path: Path) -> None:
    table = pa.table(
        {
            "unsigned": pa.array(range(100), pa.uint8()),
            "decimal": pa.array([Decimal(f"{number}.5") for number in range(100)]),
            "coded": pa.array([7, 8] * 50).dictionary_encode(),
            "y": pa.array([number // 2 for number in range(100)], pa.uint32()),
        }
    )
    facts, found = prepared_values(table, ".parquet", tmp_path)
    assert facts.task == "regression"
    assert {type(value).__name__ for column in found.values() for value in column} <= {"float", "int"}


@pytest.mark.parametrize(
    ("content", "suffix", "problem"),
    [
        ("a,a,y\n" + "1,2,x\n3,4,z\n" * 10, ".csv", "the column 'a' occurs more than once"),
        ("a,y\n" + "1,x,\n2,z,\n" * 10, ".csv", "row 1 of d.csv has 3 values, and the header names 2 columns"),
        ('a,y\n1,"x\n' + "1,x\n" * 20, ".csv", "d.csv cannot be read as csv"),
        (json.dumps([{"a": [1], "y": "x"}, {"a": [2], "y": "z"}] * 10), ".json", "the column 'a' holds lists"),
        ('[{"a": 1, "a": 2, "y": 1}]', ".json", "the column 'a' occurs more than once"),
        ("[1, 2]", ".json", "neither a list of objects"),
        ("", ".csv", "d.csv is empty"),
        (
            "a;y\n" + "".join(f"{n};x\n{n},5;z\n" for n in range(12)),
            ".csv",
            "the column 'a' has numbers such as '0,5'. Write them as 1234.5",
        ),
        ("a,y\n" + "".join(f"+{n}.5,x\n-{n},z\n" for n in range(12)), ".csv", r"numbers such as '\+0.5'"),
        ("a,y\n" + '"1,000",x\n"2,000.5",z\n' * 10, ".csv", "numbers such as '1,000'"),
        ("a,y\n" + "".join(f"{n}.5 %,x\n$3,z\n" for n in range(20)), ".csv", "numbers such as '0.5 %'"),
        ("a,y\n" + '1, "x"\n2, "z"\n' * 10, ".csv", "in row 1 of d.csv a quote follows a space"),
        ("a,y\n" + "1e39,x\n2,z\n" * 10, ".csv", r"column 'a', row 1: .* is beyond 3.4e\+38: scale the column"),
        ("a,y\n" + "\0,x\n2,z\n" * 10, ".csv", "d.csv has NUL bytes. Save it as UTF-8"),
        (json.dumps([{"a": "\0", "y": "x"}] * 10), ".json", "the column 'a' has text with a NUL character"),
        (
            json.dumps([{"a": 1, "y": ""}] + [{"a": 1, "y": "x"}] * 10),
            ".json",
            "column 'y', row 1: the value is missing",
        ),
        (json.dumps([{"a": "\ud800", "y": "x"}] * 10), ".json", "half of a surrogate pair"),
        (json.dumps([{"": 1, "y": "x"}] * 10), ".json", "d.json has a column without a name"),
        (json.dumps({"a": {"0": 1, "1": 2}, "y": {"1": "x", "2": "z"}}), ".json", "do not have the same rows"),
    ],
)
def test_files_that_would_be_misread_are_refused(content: str, suffix: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(checks.DataError, match=problem):
        prepared_values(content, suffix, tmp_path)


def test_columns_of_json_are_joined_by_their_row_numbers(tmp_path: Path) -> None:
    rows = [str(number) for number in range(20)]
    columns = {"a": dict(zip(rows, range(20), strict=True)), "y": {row: "xz"[int(row) % 2] for row in rows[::-1]}}
    (tmp_path / "d.json").write_text(json.dumps(columns))
    frame = reading.read(tmp_path / "d.json", "y")
    assert list(frame.y) == ["xz"[number % 2] for number in frame.a]


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b"a,y\n1,x\n2,\xe9\n")
    with pytest.raises(checks.DataError, match=r"d\.csv: line 3 is not UTF-8"):
        reading.read(tmp_path / "d.csv", "y")


def test_the_version_of_the_data_follows_its_content(tmp_path: Path) -> None:
    versions = []
    for rows in (60, 60, 61):
        customers(rows).to_csv(tmp_path / "c.csv", index=False)
        facts = prepare.prepare(str(tmp_path), "buys", tmp_path / "out", rules=None, seed=7, held_out=0.3)
        versions.append(facts.version)
    assert versions[0] == versions[1] != versions[2]


class _CountedKey(str):
    """A key of a JSON object that counts how often it is compared with another one."""

    comparisons = 0

    def __eq__(self, other: object) -> bool:
        _CountedKey.comparisons += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_columns_of_many_rows_are_joined_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """pandas writes a column as an object with a key for each row. Looking up each key in all others took minutes."""
    monkeypatch.setattr(_CountedKey, "comparisons", 0)
    found = {name: {_CountedKey(row): row for row in range(1000)} for name in ("a", "y")}
    assert reading._in_order(found, "rows.json")["y"] == list(range(1000))
    assert _CountedKey.comparisons < 10_000


def test_the_largest_number_of_32_bits_is_the_same_in_training_and_validation() -> None:
    assert checks.LARGEST == _LARGEST_SINGLE


def test_prepare_tune_train_and_evaluate_work_together(
    tmp_path: Path, mlflow_here: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    customers().to_csv(tmp_path / "customers.csv", index=False)
    folders = {name: str(tmp_path / name) for name in ("prepared", "tuned", "model", "report")}
    assert (
        prepare.main([f"--data={tmp_path / 'customers.csv'}", "--target=buys", f"--output={folders['prepared']}"]) == 0
    )
    assert tune.main([f"--prepared={folders['prepared']}", "--trials=2", f"--output={folders['tuned']}"]) == 0
    best = json.loads((tmp_path / "tuned" / "best.json").read_text())
    arguments = [f"--prepared={folders['prepared']}", f"--tuned={folders['tuned']}", f"--model={folders['model']}"]
    assert trainer.main([*arguments, "--set", "seed=3,max_depth=4"]) == 0
    run = mlflow_here.last_active_run()
    assert run.data.params["n_estimators"] == str(best["params"]["n_estimators"])
    assert (run.data.params["seed"], run.data.params["max_depth"]) == ("3", "4")
    capsys.readouterr()
    arguments = [f"--{name}={folders[name]}" for name in ("model", "prepared")] + [f"--output={folders['report']}"]
    assert evaluate.main(arguments) == 0
    report = json.loads((tmp_path / "report" / "evaluation.json").read_text())["metrics"]
    assert report["accuracy"]["value"] == pytest.approx(run.data.metrics["accuracy"])
    # The rows of other data, which the model does not accept.
    others = customers().rename(columns={"age": "years"})
    others.to_csv(tmp_path / "others.csv", index=False)
    prepare.main([f"--data={tmp_path / 'others.csv'}", "--target=buys", f"--output={tmp_path / 'others'}"])
    assert evaluate.main([arguments[0], f"--prepared={tmp_path / 'others'}", f"--output={tmp_path / 'none'}"]) == 2
    assert "does not accept the rows: Model is missing inputs ['age']" in capsys.readouterr().err
    description = next((tmp_path / "model").rglob("MLmodel"))
    kept = description.read_text()
    for damaged in ("", "flavors: ["):
        description.write_text(damaged)
        assert evaluate.main(arguments) == 2
        assert "cannot be loaded: " in capsys.readouterr().err
    description.write_text(kept)

    def refuse(*_: object) -> None:
        raise ValueError("r2 is nan on 1 held-out rows.")

    # Nothing is written that the pipeline's condition would have to compare.
    monkeypatch.setattr(evaluate, "score", refuse)
    (tmp_path / "report" / "evaluation.json").unlink()
    assert evaluate.main(arguments) == 2
    assert "r2 is nan on" in capsys.readouterr().err
    assert not (tmp_path / "report" / "evaluation.json").exists()
    tuning = mlflow_here.search_runs(filter_string="params.`best.max_depth` != ''", output_format="list")
    children = mlflow_here.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{tuning[0].info.run_id}'", output_format="list"
    )
    assert [child.info.status for child in children] == ["FINISHED", "FINISHED"]


@pytest.mark.parametrize(
    "family", [ForestParams(n_estimators=4), GradientBoostingParams(n_estimators=4), LinearParams()]
)
@pytest.mark.parametrize("truth", ["yes-no", "numbers", "booleans", "regression"])
def test_each_family_learns_text_features(family: Any, truth: str, tmp_path: Path) -> None:
    frame = customers()
    chosen = {
        "yes-no": frame.buys,
        "numbers": (frame.buys == "yes").astype(int),
        "booleans": frame.buys == "yes",
        "regression": frame.income + 0.5,
    }
    frame.assign(buys=chosen[truth]).to_parquet(tmp_path / "c.parquet")
    prepare.prepare(str(tmp_path / "c.parquet"), "buys", tmp_path / "out", rules=None, seed=7, held_out=0.3)
    split, facts = prepared.read(tmp_path / "out")
    training = trainer.train_split(facts.name, split, facts.task, family)
    assert training.metrics["accuracy"] > 0.5 if facts.task == "classification" else training.metrics["r2"] > 0


def test_families_refuse_data_that_they_cannot_learn(tmp_path: Path) -> None:
    frame = customers()
    frame.loc[4, "age"] = None
    frame.assign(buys=frame.income + 0.5).to_csv(tmp_path / "c.csv", index=False)
    prepare.prepare(str(tmp_path / "c.csv"), "buys", tmp_path / "out", rules=None, seed=7, held_out=0.3)
    split, facts = prepared.read(tmp_path / "out")
    with pytest.raises(ValueError, match="'age' has missing values"):
        trainer.train_split("c", split, facts.task, LinearParams())
    with pytest.raises(ValueError, match="takes numbers only, and the data has text"):
        trainer.train_split("c", split, facts.task, BoostParams(n_estimators=2))


def test_a_target_beyond_32_bits_is_none_for_xgboost() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "y": [1.5, 1e39]})
    with pytest.raises(ValueError, match="the family xgboost takes numbers up to"):
        trainer.train_split("c", Split(frame, frame, "y", "c"), "regression", BoostParams())


@pytest.mark.parametrize("diverging", [{"1", "3"}, {"1", "2", "3"}])
def test_tune_goes_on_after_a_training_that_diverges(diverging: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def train_split(_: str, __: Split, ___: str, params: ForestParams) -> Any:
        if str(params.max_depth) in diverging:
            raise DivergedError("the model predicts infinity")
        return SimpleNamespace(metrics={"rmse": 1.0})

    monkeypatch.setattr(tune, "train_split", train_split)
    frame = pd.DataFrame({"a": range(8), "y": range(8)})
    facts = prepared.Facts("c", "y", "regression", "", 8, 8)
    points = [{"max_depth": depth} for depth in "123"]
    found = tune.search(Split(frame, frame, "y", "c"), facts, ForestParams(), points)
    assert [next(found)[1] for _ in points] == [{} if depth in diverging else {"rmse": 1.0} for depth in "123"]
    with pytest.raises(DivergedError if len(diverging) == 3 else StopIteration):
        next(found)


@pytest.mark.parametrize(("metrics", "status"), [({}, "FAILED"), ({"rmse": 1.0}, "FINISHED")])
def test_a_trial_without_scores_is_a_failed_run(metrics: dict[str, float], status: str) -> None:
    client = Mock()
    tune._log(client, SimpleNamespace(run_id="r", experiment_id="0"), {"max_depth": "1"}, metrics)
    assert client.set_terminated.call_args.args[1] == status


@pytest.mark.parametrize("answer", [KeyError("x"), np.array(["a", None], dtype=object)])
def test_a_model_that_cannot_be_scored_is_refused_in_one_line(
    answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "MLmodel").touch()
    frame = pd.DataFrame({"a": [1, 2], "y": ["a", "b"]})
    prepared.write(
        tmp_path / "out", Split(frame, frame, "y", "c"), prepared.Facts("c", "y", "classification", "", 2, 2)
    )
    model = Mock()
    model.predict.side_effect = [answer]
    # By its module: `mlflow.pyfunc` may still be the object that loads it later.
    monkeypatch.setattr(importlib.import_module("mlflow.pyfunc"), "load_model", lambda _: model)
    with pytest.raises(ValueError, match=r"does not accept the rows|cannot be scored"):
        evaluate.evaluate(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("program", [tune, trainer, evaluate])
def test_a_folder_without_prepared_data_is_refused(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "MLmodel").touch()
    arguments = [f"--prepared={tmp_path}", *([f"--model={tmp_path}"] if program is evaluate else [])]
    assert program.main(arguments) == 2
    assert "holds no prepared data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content"),
    [("data.json", b'{"name": 1}'), ("data.json", b"["), ("train.parquet", b""), ("train.parquet", None)],
)
def test_damaged_prepared_data_is_refused(
    file: str, content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    customers().to_csv(tmp_path / "c.csv", index=False)
    prepare.prepare(str(tmp_path / "c.csv"), "buys", tmp_path / "out", rules=None, seed=7, held_out=0.3)
    if content is None:
        (tmp_path / "out" / file).unlink()
    else:
        (tmp_path / "out" / file).write_bytes(content)
    assert trainer.main([f"--prepared={tmp_path / 'out'}"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'out'} is damaged (")


@pytest.mark.parametrize("family", FAMILIES)
def test_each_grid_can_be_drawn_from(family: str) -> None:
    drawn = tune.points(family, 5, seed=1)
    assert len({json.dumps(point) for point in drawn}) == 5
    assert drawn == tune.points(family, 5, seed=1)


def test_the_environments_name_the_locked_versions() -> None:
    folder = REPOSITORY / "training"
    requirements = yaml.safe_load((folder / "python_env.yaml").read_text())["dependencies"]
    assert yaml.safe_load((folder / "conda.yaml").read_text())["dependencies"][-1]["pip"] == requirements
    locked = (REPOSITORY / "requirements.lock").read_text()
    for line in requirements:
        name = Requirement(line).name
        assert f"\n{name}{Requirement(line).specifier} " in f"\n{locked}"
        assert version(name)
