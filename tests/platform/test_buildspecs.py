"""The buildspecs: CodeBuild can read them, and their commands are commands of this repository."""

import importlib
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from localaws.builds.buildspec import PHASES, Buildspec
from localaws.builds.script import script

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
    "undo": "--rollback",
}
# Instead of Python and the scripts: notes the arguments, and ends as the test says.
PYTHON = """#!/bin/bash
case "$*" in
  -c*) exec "$REAL_PYTHON" "$@" ;;
  *validate_endpoint*) echo "accuracy 0.5 is below 0.9" >&2; echo validate >>"$CALLS"; exit "$VALIDATED" ;;
  *--json*) echo deploy >>"$CALLS"; echo "{\\"change\\": \\"$CHANGE\\"}"; exit "$DEPLOYED" ;;
  *) echo "${*: -1}" >>"$CALLS"; exit "$UNDONE" ;;
esac
"""


def spec(name: str) -> Buildspec:
    return Buildspec.parse((REPOSITORY / name).read_text())


@pytest.mark.parametrize("name", ["buildspec.yml", "buildspec-deploy.yml"])
def test_each_script_accepts_the_options_that_the_buildspec_gives(name: str) -> None:
    found = 0
    for command in re.findall(r"python scripts/[^>|;\n]*", "\n".join(spec(name).commands["build"])):
        filled = re.sub(r"\$(\w+)", lambda variable: VALUES[variable.group(1)], command)
        _, file, *arguments = shlex.split(filled)
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        app: typer.Typer = module.app
        get_command(app).make_context(file, arguments)  # Raises UsageError.
        found += 1
    assert found == (1 if name == "buildspec.yml" else 3)


@pytest.mark.parametrize(
    ("change", "deployed", "validated", "undone", "calls", "said"),
    [
        ("updated", 0, 0, 0, "deploy validate", ""),
        ("updated", 1, 0, 0, "deploy", ""),
        ("updated", 0, 1, 0, "deploy validate --rollback", "no longer serves at"),
        ("created", 0, 3, 0, "deploy validate --delete", "no longer serves at"),
        ("updated", 0, 1, 3, "deploy validate --rollback", "--rollback failed: mlflow-staging-iris still serves"),
        ("none: the endpoint serves this model already", 0, 1, 0, "deploy validate", "it undoes nothing"),
    ],
)
def test_a_model_that_fails_the_validation_does_not_stay(
    tmp_path: Path, change: str, deployed: int, validated: int, undone: int, calls: str, said: str
) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(PYTHON)
    python.chmod(0o755)
    ends = {"CHANGE": change, "DEPLOYED": str(deployed), "VALIDATED": str(validated), "UNDONE": str(undone)}
    reports = {"LOCALAWS_PHASES": str(tmp_path / "phases"), "LOCALAWS_EXPORTED": str(tmp_path / "exported")}
    done = subprocess.run(
        ["bash", "-c", script(replace(spec("buildspec-deploy.yml"), commands=only_build("buildspec-deploy.yml")))],
        cwd=tmp_path,
        env=VALUES
        | ends
        | reports
        | {
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "CALLS": str(tmp_path / "calls"),
            "REAL_PYTHON": sys.executable,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "calls").read_text().split() == calls.split()
    phases = dict(line.split("\t")[:2] for line in (tmp_path / "phases").read_text().splitlines())
    assert phases["BUILD"] == str(deployed or validated), done.stderr
    assert said in done.stderr
    assert (done.returncode == 0) == (phases["BUILD"] == "0")
    if validated:
        assert f"The validation ended with {validated}" in done.stderr


def only_build(name: str) -> dict[str, list[str]]:
    return {phase: list(spec(name).commands["build"]) if phase == "build" else [] for phase in PHASES}


def test_training_exports_the_version_that_the_deployment_gets() -> None:
    assert spec("buildspec.yml").exported == ["MODEL_URI"]
    assert '"$MODEL_URI"' in spec("buildspec-deploy.yml").commands["build"][0]


def test_the_module_sets_the_variables_that_the_buildspecs_use() -> None:
    text = "".join((REPOSITORY / name).read_text() for name in ("buildspec.yml", "buildspec-deploy.yml"))
    used = set(re.findall(r"\$([A-Z_]+)", text)) - {"MODEL_URI"}
    given = set(re.findall(r"^ +([A-Z_]+) += ", MODULE.read_text(), re.MULTILINE))
    assert used <= given
