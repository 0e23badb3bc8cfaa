"""A program that uses an App with MLflow's client and the sagemaker-mlflow plugin, and prints JSON."""

import json
import sys
from typing import Any

import mlflow

from tests.localaws.tracking.mlflow_client import log

MODEL = "app-model"
WORKSPACE = "apart"


def register(client: mlflow.MlflowClient, run_id: str) -> None:
    """Register a model version from a run."""
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, client.get_run(run_id).info.artifact_uri or "", run_id)


def workspaces() -> dict[str, Any]:
    """Create an experiment in a workspace of its own, and search it from there and from the default workspace."""
    mlflow.create_workspace(name=WORKSPACE, description="a workspace")
    mlflow.set_workspace(WORKSPACE)
    mlflow.create_experiment("only here")
    there = _names()
    mlflow.set_workspace("default")
    here = _names()
    return {"seen in workspace": there, "seen in default": here}


def _names() -> list[str]:
    found = mlflow.search_experiments(filter_string="name = 'only here'")
    return [experiment.name for experiment in found]


if __name__ == "__main__":
    arn = sys.argv[1]
    run = log(arn)
    client = mlflow.MlflowClient()
    register(client, mlflow.search_runs(output_format="list", search_all_experiments=True)[0].info.run_id)
    seen = workspaces()
    names = [workspace.name for workspace in mlflow.list_workspaces()]
    json.dump({"run": run, "model": MODEL, "workspace": WORKSPACE, "workspaces": names, **seen}, sys.stdout)
