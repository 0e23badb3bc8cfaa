"""An MLflow project as the pipeline's code: what is read, what is sent, and what is refused."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.factory import parameters
from mlflow_platform.factory.project import Project, upload
from tests.platform.conftest import BUCKET
from training.pipeline import FILLED_IN, PARAMETERS

ENTRY = """\
  {}:
    parameters: {{data: {{type: string, default: a}}, target: string}}
    command: python {}.py {{data}}
"""
VALID = "name: x\nentry_points:\n" + "".join(ENTRY.format(name, name) for name in ("prepare", "train", "evaluate"))


def write(folder: Path, text: str = VALID, requirements: str = "dependencies: [scikit-learn==1.9.1]") -> Path:
    project = folder / "churn"
    project.mkdir()
    (project / "MLproject").write_text(text)
    (project / "python_env.yaml").write_text(requirements)
    (project / "train.py").write_text("print()")
    return project


def test_a_project_is_read(tmp_path: Path) -> None:
    project = Project.read(write(tmp_path))
    assert set(project.entry_points) == {"prepare", "train", "evaluate"}
    assert project.entry_points["train"].parameters == {"data": "a", "target": None}
    assert project.requirements == ("scikit-learn==1.9.1",)


def test_a_parameter_that_the_project_declares_as_a_number_takes_numbers_only(tmp_path: Path) -> None:
    numbers = "{data: {type: float, default: 1}, target: float}"
    declared = VALID.replace("{data: {type: string, default: a}, target: string}", numbers)
    train = Project.read(write(tmp_path, declared)).entry_points["train"]
    for value in ("1", "-2.5e-3", "inf"):
        train.check("data", value)
    for name in ("data", "target"):
        with pytest.raises(InputError, match=rf"'{name}' is a number in MLproject \(float\), not 'many'"):
            train.check(name, "many")


def test_a_parameter_that_gets_no_value_is_named(tmp_path: Path) -> None:
    # Each entry point has the parameters data, which has a default, and target.
    project = Project.read(write(tmp_path))
    with pytest.raises(
        InputError, match=r"'target' of the entry point 'train' has no value.*--set train\.target=VALUE"
    ):
        project.check_complete({"train": {"data": "b"}}, FILLED_IN)
    project.check_complete({"train": {"target": "y"}, "evaluate": {"target": "y"}}, FILLED_IN)
    project.check_complete({}, {"train": ["target"], "tune": []})


def test_the_jobs_get_the_project_without_results_and_hidden_files(tmp_path: Path) -> None:
    folder = write(tmp_path)
    skipped = (".git/config", "mlruns/1/meta", "mlflow.db", "prepared/train.parquet", "__pycache__/a.pyc")
    for name in (*skipped, "lib/a.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    files = Project.read(folder).files(REPOSITORY / "training" / "job.py")
    assert set(files) == {
        "job.py",
        *(f"src/mlflow_common/{name}.py" for name in ("__init__", "errors", "safe_path", "unpacking")),
        "project.json",
        "churn/MLproject",
        "churn/lib/a.py",
        "churn/python_env.yaml",
        "churn/train.py",
    }
    assert json.loads(files["project.json"])["folder"] == "churn"


def test_the_runner_needs_only_what_the_jobs_get(tmp_path: Path) -> None:
    files = Project.read(write(tmp_path)).files(REPOSITORY / "training" / "job.py")
    for name, content in files.items():
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_bytes(content)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "code" / "job.py", "./MLmodel")
    # Without installed packages, such as this project.
    code = (
        "import sys, pathlib; sys.path.insert(0, 'code'); import job; here = pathlib.Path();"
        "job.unpack(job.Job('processing', 'p', here, {'model': here}))"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / "MLmodel").read_bytes() == files["job.py"]
    assert not (tmp_path / "model.tar.gz").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: x", "has no entry_points"),
        ("[1]", "is not a YAML mapping"),
        ("a: [", "cannot be read"),
        (VALID.replace("  train:", "  fit:"), "has no entry point 'train'"),
        (VALID.replace("command: python train.py {data}", "cmd: x"), "the entry point 'train' has no command"),
        (VALID.replace("target:", "'a b':"), "'a b' is not a valid name of a parameter"),
    ],
)
def test_an_invalid_project_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        Project.read(write(tmp_path, text))


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*MLproject"):
        Project.read(tmp_path)


def test_data_in_the_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlflow_platform.factory.project._MOST_BYTES", 100)
    with pytest.raises(InputError, match="Move the data out of it"):
        Project.read(write(tmp_path)).files(REPOSITORY / "training" / "job.py")


def test_code_is_uploaded_once_and_named_by_its_content(aws: Callable[[str], Any]) -> None:
    s3 = aws("s3")
    first = upload({"a.py": b"1"}, s3, BUCKET, "code")
    written = s3.head_object(Bucket=BUCKET, Key=f"{first.removeprefix(f's3://{BUCKET}/')}/a.py")["LastModified"]
    assert upload({"a.py": b"1"}, s3, BUCKET, "code") == first
    assert upload({"a.py": b"2"}, s3, BUCKET, "code") != first
    assert upload({"b.py": b"1"}, s3, BUCKET, "code") != first
    assert s3.head_object(Bucket=BUCKET, Key=f"{first.removeprefix(f's3://{BUCKET}/')}/a.py")["LastModified"] == written


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"Thresholds": "1"}, "has no parameter 'Thresholds'"),
        ({"Threshold": "high"}, "Threshold takes a value of type Float, not 'high'"),
        ({"Threshold": "nan"}, "Threshold takes a value of type Float, not 'nan'"),
        ({"MaxStepSeconds": "1.5"}, "MaxStepSeconds takes a value of type Integer, not '1.5'"),
        ({"ModelName": "x" * 1025}, "is longer than 1024 characters"),
        ({}, "has no value"),
    ],
)
def test_wrong_parameters_are_refused(given: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parameters.check(given, PARAMETERS)
