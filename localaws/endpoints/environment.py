"""The Python environment of a container, built from the model's own requirements."""

from pathlib import Path

import yaml

from localaws.venvs import BuildError, Venvs


def interpreter(model: Path, venvs: Venvs) -> Path:
    """Return the Python interpreter of the environment for `model`, an unpacked MLflow model folder.

    Its minor version is the one that the model was logged with: a pickle may not load in another one.

    Raises:
        BuildError: the model has no requirements, they cannot be installed, or this Python is not available.
    """
    requirements = model / "requirements.txt"
    if not requirements.is_file():
        raise BuildError("The model archive has no requirements.txt at its root. Archive an MLflow model folder.")
    return venvs.python(requirements, _python(model))


def _python(model: Path) -> str | None:
    file = model / "python_env.yaml"
    if not file.is_file():
        return None
    named = yaml.safe_load(file.read_text()).get("python")
    return ".".join(str(named).split(".")[:2]) if named else None
