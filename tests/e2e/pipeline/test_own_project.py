"""The guide "bring your own training code", followed word for word with the project of somebody else."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.pipeline.runs import runs_of
from tests.support.deployed import REPOSITORY, Deployed

GUIDE = REPOSITORY / "docs/guides/bring-your-own-training-code.md"
# Programs without scikit-learn, and with a package that this repository does not have.
PREPARE = """\
import csv, pathlib, sys
data, target, output = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
rows = list(csv.DictReader(open(next(data.glob("*.csv")) if data.is_dir() else data)))
output.mkdir(parents=True, exist_ok=True)
for name, part in (("train", rows[:150]), ("test", rows[150:])):
    lines = [f"{row['months']},{row[target]}" for row in part]
    (output / name).write_text("\\n".join(lines))
"""
TRAIN = """\
import pathlib, sys
import mlflow, tabulate

class Rule(mlflow.pyfunc.PythonModel):
    def __init__(self, months: float) -> None:
        self.months = months
    def predict(self, model_input: list[float]) -> list[str]:
        return ["yes" if value < self.months else "no" for value in model_input]

prepared, folder, strength = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])
rows = [line.split(",") for line in (prepared / "train").read_text().split()]
print(tabulate.tabulate(rows[:3]))
longest = max(float(months) for months, churned in rows if churned == "yes")
with mlflow.start_run():
    mlflow.log_metric("months", longest)
    model = Rule(longest + strength)
    logged = mlflow.pyfunc.log_model(name="model", python_model=model, pip_requirements=["tabulate==0.9.0"])
folder.mkdir(parents=True, exist_ok=True)
(folder / "months").write_text(str(longest + strength))
"""
EVALUATE = """\
import json, pathlib, sys
prepared, folder, output = map(pathlib.Path, sys.argv[1:])
months = float((folder / "months").read_text())
rows = [line.split(",") for line in (prepared / "test").read_text().split()]
right = sum((float(value) < months) == (churned == "yes") for value, churned in rows)
output.mkdir(parents=True, exist_ok=True)
(output / "evaluation.json").write_text(json.dumps({"metrics": {"accuracy": {"value": right / len(rows)}}}))
"""
ENVIRONMENT = "python: '3.11'\ndependencies: [mlflow==3.17.2, sagemaker-mlflow==0.5.0, tabulate==0.9.0]\n"


def blocks() -> list[str]:
    """The commands of the guide's steps."""
    return re.findall(r"^   ```\n(.*?)^   ```\n", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def environ(alone: Deployed, tmp_path: Path) -> dict[str, str]:
    """The variables of the user's shell: a home with the data, and localaws with the environment."""
    cache = subprocess.run([REPOSITORY / ".venv/bin/uv", "cache", "dir"], capture_output=True, text=True, check=True)
    rows = [f"{number},{number % 40},{'yes' if number % 40 < 13 else 'no'}" for number in range(200)]
    (tmp_path / "customers.csv").write_text("\n".join(["customer,months,churned", *rows]))
    return {**alone.environ, "HOME": str(tmp_path), "UV_CACHE_DIR": cache.stdout.strip()}


def follow(commands: str, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euc", commands],
        env=environ,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_guide_works_with_a_project_of_somebody_else(
    alone: Deployed, environ: dict[str, str], tmp_path: Path
) -> None:
    copy, local, pipeline = blocks()
    follow(copy, environ)
    folder = tmp_path / "churn"
    for name, text in (("prepare", PREPARE), ("train", TRAIN), ("evaluate", EVALUATE)):
        (folder / f"{name}.py").write_text(text)
    (folder / "python_env.yaml").write_text(ENVIRONMENT)
    follow(local, environ)
    assert (folder / "report/evaluation.json").read_text() == '{"metrics": {"accuracy": {"value": 1.0}}}'
    # The programs have an environment of their own.
    assert list((tmp_path / ".mlflow/envs").glob("*/lib/python3.11/site-packages/tabulate"))
    assert not shutil.which("tabulate", path=os.fspath(REPOSITORY / ".venv/bin"))

    # The shell of the step before, back in the folder of the repository.
    text = follow(f"source .venv/bin/activate\n{pipeline}", environ)
    assert "models:/customers/1" in text
    project = alone.outputs["project_name"]
    runs = runs_of(alone, f"{project}-staging-customers")
    assert {run["tags"]["pipeline.step"] for run in runs} == {"pipeline", "prepare", "train", "evaluate", "register"}
    versions = {run["tags"].get("data.version") for run in runs}
    assert len(versions) == 1
    assert None not in versions
