"""Fills a tracking server with the client of an old MLflow version. It runs in that version's environment."""

import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow


class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        return model_input * 2


def fill(client: mlflow.MlflowClient, runs: int) -> None:
    mlflow.set_experiment("größer & kleiner")
    for number in range(runs):
        with mlflow.start_run(run_name=f"run {number}", description="with a note") as run:
            mlflow.log_params({"alpha": number / 10, "long": "x" * 500})
            for step in range(5):
                mlflow.log_metrics({"loss": 1 / (step + 1), "nan": math.nan}, step=step)
            mlflow.set_tag("team", "größer")
            with TemporaryDirectory() as folder:
                file = Path(folder) / "a b.txt"
                file.write_text("hello" * number)
                mlflow.log_artifact(str(file), "notes")
    mlflow.set_experiment("models")
    with mlflow.start_run(run_name="parent"), mlflow.start_run(run_name="child", nested=True) as run:
        mlflow.pyfunc.log_model("model", python_model=Doubled(), pip_requirements=["mlflow"])
    for _ in range(3):
        mlflow.register_model(f"runs:/{run.info.run_id}/model", "doubled")
    client.set_registered_model_alias("doubled", "champion", "2")
    client.set_model_version_tag("doubled", "3", "checked", "yes")
    with mlflow.start_run(run_name="regretted") as regretted:
        mlflow.log_metric("loss", 1)
    client.delete_run(regretted.info.run_id)


def log_one_more() -> None:
    mlflow.set_experiment("models")
    with mlflow.start_run(run_name="late"):
        mlflow.log_metric("loss", 0.5)


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[2])
    if sys.argv[1] == "fill":
        fill(mlflow.MlflowClient(), int(sys.argv[3]))
    else:
        log_one_more()
