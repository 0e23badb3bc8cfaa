"""The template for one's own training code: its programs work together, and the pipeline can run it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mlflow_platform.environment import REPOSITORY
from mlflow_platform.factory.project import Project
from training import job
from training.data import table

FOLDER = REPOSITORY / "examples" / "own-training"


def test_the_template_trains_and_evaluates(tmp_path: Path, mlflow_here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table("iris")[0].to_csv(tmp_path / "iris.csv", index=False)
    project = Project.read(FOLDER)
    points = {
        name: {"parameters": one.parameters, "command": one.command} for name, one in project.entry_points.items()
    }
    content = {"folder": "own-training", "requirements": project.requirements, "entry_points": points}
    folders = {name: str(tmp_path / name) for name in ("prepared", "model", "report")}
    prepared, model = Path(folders["prepared"]), Path(folders["model"])
    here = Path.cwd()
    try:
        for entry, channels, given in (
            ("prepare", {}, {"data": str(tmp_path / "iris.csv"), "target": "species", "output": folders["prepared"]}),
            ("train", {"prepared": prepared}, {"model": folders["model"], "strength": "0.5"}),
            ("evaluate", {"prepared": prepared, "model": model}, {"output": folders["report"]}),
        ):
            line = job.command(content, entry, job.Job("processing", "x", tmp_path, channels), given)
            job.execute(line, FOLDER, os.environ)
    finally:
        os.chdir(here)
    report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert report["metrics"]["accuracy"]["value"] > 0.8
    runs = mlflow_here.search_runs(output_format="list")
    assert [run.data.params for run in runs if run.data.params] == [{"classifier": "logistic regression"}]
