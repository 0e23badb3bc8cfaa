"""The Python environment of a container: made from the requirements that the model itself names."""

from pathlib import Path

import yaml

from localaws.venvs import BuildError, Venvs


def interpreter(model: Path, venvs: Venvs) -> Path:
    """The Python of the environment that `model`, an unpacked MLflow model folder, asks for.

    The minor version is the one that the model was logged with: a pickle may not load in another.

    Raises:
        BuildError: the model names no requirements, they cannot be installed, or there is no such Python here.
    """
    requirements = model / "requirements.txt"
    if not requirements.is_file():
        raise BuildError("The model has no requirements.txt at its top: is the archive an MLflow model folder?")
    return venvs.python(requirements, _python(model))


def _python(model: Path) -> str | None:
    file = model / "python_env.yaml"
    if not file.is_file():
        return None
    named = yaml.safe_load(file.read_text()).get("python")
    return ".".join(str(named).split(".")[:2]) if named else None
