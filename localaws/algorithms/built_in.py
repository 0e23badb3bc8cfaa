"""SageMaker's built-in algorithm XGBoost: which images are it, and the programs that do here what the images do.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html. The metrics:
https://github.com/aws/sagemaker-xgboost-container (algorithm_mode/metrics.py, constants/xgb_constants.py).
"""

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localaws.endpoints.program import Program
from localaws.references import ECR_URI

FOLDER = Path(__file__).resolve().parent
TRAIN, SERVE = FOLDER / "xgboost_train.py", FOLDER / "xgboost_serve.py"
_REPOSITORIES = frozenset({"sagemaker-xgboost", "xgboost"})
_VERSION = re.compile(r"(\d+)\.(\d+)-\d")
# Before this version, the image writes the model as a pickle: "Usage" in AWS's page.
_OWN_FORMAT = (1, 3)
_METRICS = (
    *("accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg", "precision"),
    *("precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro"),
    *("aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "interval-regression-accuracy"),
    *("logloss", "mae", "mape", "merror", "mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle"),
    "tweedie-nloglik",
)
METRIC_DEFINITIONS: list[dict[str, str]] = [
    {"Name": f"{data}:{name}", "Regex": rf"\[[0-9]+\].*#011{data}-{name}:([^#\s]+)"}
    for data in ("train", "validation")
    for name in _METRICS
]


def is_xgboost(image: str, account: str) -> bool:
    """Whether an image is SageMaker's XGBoost: an image of that name in the registry of another account."""
    found = ECR_URI.fullmatch(image)
    return bool(found and found["account"] != account and found["repository"] in _REPOSITORIES)


def metrics(algorithm: Mapping[str, Any], account: str) -> list[dict[str, str]]:
    """The metric definitions of an AlgorithmSpecification. The built-in algorithm brings its own."""
    given: list[dict[str, str]] = algorithm.get("MetricDefinitions") or []
    return [*given, *(METRIC_DEFINITIONS if is_xgboost(algorithm.get("TrainingImage", ""), account) else [])]


def training(image: str, folder: Path, inside: str) -> tuple[list[str], dict[str, str]]:
    """The command and the variables of a training job.

    Args:
        folder: where the program is copied to, which the job sees as `inside`.
    """
    shutil.copy(TRAIN, folder / TRAIN.name)
    found = ECR_URI.fullmatch(image)
    version = _VERSION.match((found and found["tag"]) or "")
    old = bool(found and found["repository"] == "xgboost") or bool(
        version and (int(version[1]), int(version[2])) < _OWN_FORMAT
    )
    return ["python3", f"{inside}/{TRAIN.name}"], {"XGBOOST_MODEL_FORMAT": "pickle" if old else "library"}


def serving(image: str, account: str, environment: Mapping[str, str], folder: Path) -> Program | None:
    """What serves the model in `folder`/model; None if the algorithm did not make it.

    An image of XGBoost with a script of one's own (SAGEMAKER_PROGRAM) is not the built-in algorithm.
    """
    if not is_xgboost(image, account) or environment.get("SAGEMAKER_PROGRAM"):
        return None
    return Program.of_script(Path(sys.executable), SERVE, folder)
