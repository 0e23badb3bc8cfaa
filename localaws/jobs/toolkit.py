"""What SageMaker's framework images do for a training job without an entry point of its own ("script mode").

The toolkit in these images reads the hyperparameters sagemaker_program and sagemaker_submit_directory, unpacks the
source, sets SM_* variables and runs the script with the other hyperparameters as options.
Source: https://github.com/aws/sagemaker-training-toolkit (environment.py, mapping.py)
"""

import json
from pathlib import Path
from typing import Any

from localaws.endpoints.model_data import fetch
from localaws.endpoints.reasons import DeploymentError
from localaws.jobs import mount
from localaws.jobs.record import JobError
from localaws.jobs.storage import Storage


def command(given: dict[str, Any], storage: Storage, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command and the variables of a script-mode job; its source is unpacked into /opt/ml/code.

    Raises:
        JobError: the job names no script, or its source cannot be fetched.
    """
    parameters = {name: _plain(value) for name, value in (given.get("HyperParameters") or {}).items()}
    program = parameters.get("sagemaker_program")
    source = str(parameters.get("sagemaker_submit_directory") or "")
    if not program:
        raise JobError(
            "ClientError: localaws does not run the entry point of an image, except of SageMaker's XGBoost. Set "
            "AlgorithmSpecification.ContainerEntrypoint, or the hyperparameters sagemaker_program and "
            "sagemaker_submit_directory."
        )
    if source.startswith("s3://"):
        code = folder / "ml" / "code"
        code.rmdir()
        try:
            fetch(source, storage.s3, code)
        except DeploymentError as error:
            raise JobError(f"ClientError: {error}") from None
    own = {name: value for name, value in parameters.items() if not name.startswith(("sagemaker_", "_tuning_"))}
    options = [part for name in sorted(own) for part in (f"--{name}", _text(own[name]))]
    return ["python3", f"{mount.ML}/code/{program}", *options], _variables(given, own)


def _variables(given: dict[str, Any], parameters: dict[str, Any]) -> dict[str, str]:
    channels = [one["ChannelName"] for one in given.get("InputDataConfig") or []]
    variables: dict[str, Any] = {
        "SM_MODEL_DIR": f"{mount.ML}/model",
        "SM_INPUT_DIR": f"{mount.ML}/input",
        "SM_INPUT_CONFIG_DIR": f"{mount.ML}/input/config",
        "SM_OUTPUT_DIR": f"{mount.ML}/output",
        "SM_OUTPUT_DATA_DIR": f"{mount.ML}/output/data",
        "SM_CHANNELS": sorted(channels),
        "SM_HPS": parameters,
        "SM_HOSTS": ["algo-1"],
        "SM_CURRENT_HOST": "algo-1",
        "SM_NUM_GPUS": 0,
        "SM_MODULE_DIR": f"{mount.ML}/code",
        **{f"SM_CHANNEL_{name.upper()}": f"{mount.ML}/input/data/{name}" for name in channels},
        **{f"SM_HP_{name.upper()}": value for name, value in parameters.items()},
    }
    return {name: _text(value) for name, value in variables.items()}


def _plain(value: str) -> Any:
    """A hyperparameter's value: the SDK encodes it as JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
