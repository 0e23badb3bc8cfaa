"""A program that logs to tracking servers with MLflow's client and the sagemaker-mlflow plugin, and prints JSON.

It runs in its own process, because the plugin signs for the tracking URI of the whole process.
"""

import json
import sys
from typing import Any

import mlflow


def log(arn: str) -> dict[str, Any]:
    """Log a run with the data types that all versions support, and return what MLflow stored."""
    mlflow.set_tracking_uri(arn)
    mlflow.set_experiment("with the client")
    with mlflow.start_run(run_name="a run") as run:
        mlflow.log_params({"alpha": 0.5})
        mlflow.log_metrics({"loss": 0.25}, step=3)
        mlflow.set_tag("team", "größer")
        mlflow.log_text("hello", "notes/a b.txt")
    found = mlflow.search_runs(filter_string="tags.team = 'größer'", output_format="list")[0]
    return {
        "same": found.info.run_id == run.info.run_id,
        "status": found.info.status,
        "params": found.data.params,
        "metrics": found.data.metrics,
        "artifact": mlflow.artifacts.load_text(f"{found.info.artifact_uri}/notes/a b.txt"),
        "uri": found.info.artifact_uri,
    }


def refusal(arn: str) -> str:
    """Return the client's error message for a server that does not exist."""
    mlflow.set_tracking_uri(arn)
    try:
        mlflow.get_experiment("0")
    except mlflow.exceptions.MlflowException as error:
        return str(error)
    return ""


if __name__ == "__main__":
    arns = sys.argv[1:]
    json.dump({"runs": [log(arn) for arn in arns], "refusal": refusal(f"{arns[0]}-not")}, sys.stdout)
