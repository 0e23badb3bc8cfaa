"""The buildspecs: CodeBuild can read them, and their commands are commands of this repository."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from localaws.builds.buildspec import Buildspec

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "terraform/module/delivery/projects.tf"
# What the shell would put in, with an argument of each kind.
VALUES = {
    "MLFLOW_ENVIRONMENT": "staging",
    "ENDPOINT_NAME": "mlflow-staging-iris",
    "MODEL_NAME": "iris",
    "MODEL_URI": "models:/iris/1",
    "IMAGE_URI": "training:1",
    "TRAINING_ARGUMENTS": "--threshold=0.9 --set=tune.trials=2",
    "DEPLOY_ARGUMENTS": "--instance-type=ml.m5.large",
    "VALIDATION_ARGUMENTS": "--threshold=accuracy=0.9",
}


def spec(name: str) -> Buildspec:
    return Buildspec.parse((REPOSITORY / name).read_text())


@pytest.mark.parametrize("name", ["buildspec.yml", "buildspec-deploy.yml"])
def test_each_script_accepts_the_options_that_the_buildspec_gives(name: str) -> None:
    found = 0
    for command in spec(name).commands["build"]:
        if "scripts/" not in command:
            continue
        filled = re.sub(r"\$(\w+)", lambda variable: VALUES[variable.group(1)], command.partition(" >")[0])
        _, script, *arguments = shlex.split(filled)
        module = importlib.import_module(script.removesuffix(".py").replace("/", "."))
        app: typer.Typer = module.app
        get_command(app).make_context(script, arguments)  # Raises UsageError.
        found += 1
    assert found == (1 if name == "buildspec.yml" else 2)


def test_training_exports_the_version_that_the_deployment_gets() -> None:
    assert spec("buildspec.yml").exported == ["MODEL_URI"]
    assert '"$MODEL_URI"' in spec("buildspec-deploy.yml").commands["build"][0]


def test_the_module_sets_the_variables_that_the_buildspecs_use() -> None:
    text = "".join((REPOSITORY / name).read_text() for name in ("buildspec.yml", "buildspec-deploy.yml"))
    used = set(re.findall(r"\$([A-Z_]+)", text)) - {"MODEL_URI"}
    given = set(re.findall(r"^ +([A-Z_]+) += ", MODULE.read_text(), re.MULTILINE))
    assert used <= given
