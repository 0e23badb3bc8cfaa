"""What a tracking server holds, read with MLflow in a process of its own, as a user's program does."""

import json
import subprocess
import sys
from typing import Any

from tests.support.deployed import REPOSITORY, Deployed

_PROGRAM = """
import json, sys
import mlflow
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name(sys.argv[1])
found = client.search_runs([experiment.experiment_id], max_results=1000) if experiment else []
print(json.dumps([{"id": run.info.run_id, "status": run.info.status, **run.data.to_dictionary()} for run in found]))
"""


def runs_of(environment: Deployed, experiment: str) -> list[dict[str, Any]]:
    """The runs of an experiment that are not deleted: `id`, `status`, `tags`, `params` and `metrics`."""
    environ = {**environment.environ, "MLFLOW_TRACKING_URI": environment.outputs["mlflow_tracking_uri"]}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, experiment],
        env=environ,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
