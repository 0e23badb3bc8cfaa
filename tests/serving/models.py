"""Small models in MLflow's format for the tests of serving and of endpoints."""

import importlib.metadata
import json
import tarfile
from pathlib import Path

# The part of MLflow that is needed for serving: an environment of 20 packages instead of 60.
LIBRARIES = ("mlflow-skinny", "pandas", "scikit-learn")
PYTHON_ENV = "python: 3.11\nbuild_dependencies: []\ndependencies:\n- -r requirements.txt\n"
# One row of the iris data set for each of its three species.
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.7, 5.1, 1.6], [7.2, 3.6, 6.1, 2.5]]
COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
SPLIT = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": ROWS}})

MLMODEL = """\
flavors:
  python_function:
    code: code
    env:
      virtualenv: python_env.yaml
    loader_module: obedient
    python_version: 3.11.0
mlflow_version: {mlflow}
"""
OBEDIENT = '''\
"""A model that follows instructions in its rows."""
import os
import sys
import time


class Model:
    def predict(self, rows):
        row = rows.iloc[0]
        if row.get("sleep", 0):
            print("sleeping", file=sys.stderr, flush=True)
            time.sleep(float(row["sleep"]))
        if os.environ.get("BROKEN"):
            raise ValueError("This model is broken.")
        if row.get("die", 0):
            os._exit(3)
        return [os.environ.get(row.get("variable", ""), "") or str(os.getpid())]


def _load_pyfunc(path):
    {load}
    return Model()
'''


def requirements(*names: str) -> str:
    """A requirements file with the versions that the tests themselves use."""
    return "".join(f"{name}=={importlib.metadata.version(name)}\n" for name in names)


def save_iris(folder: Path) -> None:
    """Save a real scikit-learn model that classifies the three species of iris."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier

    rows, kind = load_iris(return_X_y=True, as_frame=True)
    model = DecisionTreeClassifier(random_state=0).fit(rows, kind)
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(rows, model.predict(rows)),
        pip_requirements=requirements(*LIBRARIES).splitlines(),
        serialization_format="cloudpickle",
    )


def save_obedient(folder: Path, *, load: str = "pass", libraries: tuple[str, ...] = LIBRARIES) -> None:
    """Save a model that follows its rows: `sleep` seconds, `die`, return a `variable`. `load` runs on loading."""
    (folder / "code").mkdir(parents=True)
    version = importlib.metadata.version("mlflow-skinny")
    (folder / "MLmodel").write_text(MLMODEL.format(mlflow=version))
    (folder / "code" / "obedient.py").write_text(OBEDIENT.format(load=load))
    (folder / "requirements.txt").write_text(requirements(*libraries))
    (folder / "python_env.yaml").write_text(PYTHON_ENV)


def pack(folder: Path, archive: Path) -> Path:
    """Write the model.tar.gz for SageMaker: the contents of the folder are at its top level."""
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    return archive
