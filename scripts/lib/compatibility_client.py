"""Tries each operation with the MLflow client of this Python environment, and prints what happened as JSON.

It runs alone, in environments without this repository's packages and with MLflow from 2.13 on. Arguments: the tracking
URI (an ARN), a word that makes names unique, and, for a client that cannot log a model itself, the URI of a model that
another client logged to this server.
"""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.pyfunc import PythonModel

MISSING = "not in this client"


def expect(holds: object) -> None:
    """Raise ValueError if a result is not as expected."""
    if not holds:
        raise ValueError("the result differs")


class Doubling(PythonModel):  # type: ignore[misc]
    """A model that needs no library."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Two times the input."""
        return [2 * value for value in model_input["x"]]


class Operations:
    """The operations, in the order in which they are tried. Each uses what earlier ones have made."""

    def __init__(self, word: str, lent: str) -> None:
        self.client = mlflow.MlflowClient()
        self.name = f"compat-{word}"
        self.experiment = self.run = self.logged = ""
        self.lent = lent

    def experiments(self) -> None:
        """Create, read and search experiments."""
        self.experiment = self.client.create_experiment(self.name)
        expect(self.client.get_experiment_by_name(self.name).experiment_id == self.experiment)
        expect(self.client.search_experiments(filter_string=f"name = '{self.name}'"))

    def runs(self) -> None:
        """Create a run, log a batch, end it, and find it."""
        self.run = self.client.create_run(self.experiment).info.run_id
        metrics = [Metric("loss", 1.0 / step, step, step) for step in range(1, 4)]
        self.client.log_batch(self.run, metrics, [Param("rate", "0.1")], [RunTag("team", "a")])
        found = self.client.search_runs([self.experiment], "metrics.loss < 1 and tags.team = 'a'")
        expect([run.info.run_id for run in found] == [self.run])

    def metric_history(self) -> None:
        """Read all values of a metric."""
        expect([metric.step for metric in self.client.get_metric_history(self.run, "loss")] == [1, 2, 3])

    def dataset_inputs(self) -> None:
        """Log a data set as an input of a run."""
        from mlflow.entities import Dataset, DatasetInput

        given = DatasetInput(Dataset("rows", "digest", "local", "{}"), [])
        self.client.log_inputs(self.run, [given])
        expect(self.client.get_run(self.run).inputs.dataset_inputs)

    def upload_artifacts(self) -> None:
        """Upload a file to a run."""
        self.client.log_text(self.run, "hello", "notes/hello.txt")

    def list_artifacts(self) -> None:
        """List a folder of a run's artifacts."""
        expect([file.path for file in self.client.list_artifacts(self.run, "notes")] == ["notes/hello.txt"])

    def download_artifacts(self) -> None:
        """Download a file of a run."""
        with tempfile.TemporaryDirectory() as folder:
            path = self.client.download_artifacts(self.run, "notes/hello.txt", folder)
            expect(Path(path).read_text() == "hello")

    def log_model(self) -> None:
        """Log a model with `mlflow.pyfunc.log_model`."""
        mlflow.set_experiment(self.name)
        with mlflow.start_run(run_id=self.run):
            logged = mlflow.pyfunc.log_model("model", python_model=Doubling(), pip_requirements=["mlflow"])
        self.logged = logged.model_uri

    def load_model(self) -> None:
        """Load a model that a run logged, and predict."""
        import pandas as pd

        expect(list(mlflow.pyfunc.load_model(self._model()).predict(pd.DataFrame({"x": [1, 2]}))) == [2, 4])

    def logged_models(self) -> None:
        """Search logged models (MLflow 3)."""
        search = getattr(self.client, "search_logged_models", None)
        if search is None:
            raise NotImplementedError(MISSING)
        expect(search(experiment_ids=[self.experiment]))

    def registry(self) -> None:
        """Register a version of a logged model, and find it with its files."""
        source = self._model()
        self.client.create_registered_model(self.name)
        version = self.client.create_model_version(self.name, source, run_id=self.run).version
        expect([found.version for found in self.client.search_model_versions(f"name = '{self.name}'")] == [version])
        expect(self.client.get_model_version_download_uri(self.name, version))

    def aliases(self) -> None:
        """Set an alias, and load the model by it."""
        self._model()
        self.client.set_registered_model_alias(self.name, "champion", "1")
        expect(str(self.client.get_model_version_by_alias(self.name, "champion").version) == "1")
        mlflow.pyfunc.load_model(f"models:/{self.name}@champion")

    def _model(self) -> str:
        if not (self.logged or self.lent):
            raise LookupError("no model could be logged")
        return self.logged or self.lent


def main() -> None:
    """Try everything and print the results."""
    logging.disable(logging.WARNING)
    mlflow.set_tracking_uri(sys.argv[1])
    tried = Operations(sys.argv[2], "".join(sys.argv[3:]))
    results = {}
    for operation in (
        *(tried.experiments, tried.runs, tried.metric_history, tried.dataset_inputs),
        *(tried.upload_artifacts, tried.list_artifacts, tried.download_artifacts),
        *(tried.log_model, tried.load_model, tried.logged_models, tried.registry, tried.aliases),
    ):
        try:
            operation()
        except Exception as error:
            lines = str(error).splitlines()
            results[operation.__name__] = f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
        else:
            results[operation.__name__] = "works"
    # MLflow prints too.
    found = {"client": mlflow.__version__, "results": results, "model": tried.logged}
    print("\nRESULT " + json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    for key, value in {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(key, value)
    main()
