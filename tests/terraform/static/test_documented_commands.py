"""A test runs each command in the code blocks of the documents, or the document says that none does.

`RUN` names the test of each kind of command: a command of make or a script. An operation of the AWS CLI is covered if
a test calls it with boto3, which sends the same request. What no test runs has the word "untested" in its comment, or
its block begins with a comment that has it. test_documented_options.py checks the options of scripts, and a test below
those of the AWS CLI.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from tests.terraform.planning import REPOSITORY
from tests.terraform.readmes import READMES
from tests.terraform.static.test_docs import name
from tests.terraform.static.test_documented_options import scripts_of_make

WORKFLOW, ENVIRONMENT = "tests/e2e/smoke/test_workflow.py", "tests/e2e/smoke/test_environment.py"
PIPELINE, UPGRADE = "tests/e2e/pipeline/test_pipeline.py", "tests/e2e/upgrade/test_upgrade_and_backup.py"
LOCKS, RUNBOOK = "tests/localaws/state/test_locks.py", "tests/localaws/services/test_runbook.py"
SNIPPETS = "tests/e2e/notebooks/test_snippets.py"
ADOPTED, NIGHTLY = "tests/terraform/test_apply_adopted.py", ".github/workflows/nightly.yml"
# The file that runs a command, and what stands there for it.
RUN = {
    "scripts/batch_predict.py": (WORKFLOW, '"batch_predict"'),
    "scripts/bootstrap.py": ("tests/localaws/state/conftest.py", "bootstrap"),
    "scripts/build_image.py": ("src/mlflow_platform/proving/checks.py", "build_image"),
    "scripts/clean_up.py": ("tests/e2e/apps/test_app.py", '"clean_up"'),
    "scripts/compare_runs.py": (PIPELINE, '"compare_runs"'),
    "scripts/cost.py": (ENVIRONMENT, '"cost"'),
    "scripts/demo.py": ("tests/policy/demo_calls.py", "demo"),
    "scripts/deploy_model.py": (WORKFLOW, '"deploy_model"'),
    "scripts/doctor.py": (ENVIRONMENT, '"doctor"'),
    "scripts/log_run.py": (WORKFLOW, '"log_run"'),
    "scripts/monitor.py": ("tests/e2e/smoke/test_monitoring.py", '"monitor"'),
    "scripts/plan_guard.py": ("tests/platform/plan_guard/test_plan_guard.py", "plan_guard"),
    "scripts/predict_async.py": (WORKFLOW, '"predict_async"'),
    "scripts/promote.py": (WORKFLOW, '"promote"'),
    "scripts/prove.py": (NIGHTLY, "make prove ENV=staging LOCAL=1"),
    "scripts/run_pipeline.py": (PIPELINE, '"run_pipeline"'),
    "scripts/server.py": ("tests/localaws/test_without_state.py", "server"),
    "scripts/sweep.py": (PIPELINE, '"sweep"'),
    "scripts/transfer.py": ("tests/transfer/test_on_localaws.py", "transfer"),
    "scripts/upgrade.py": (UPGRADE, '"upgrade"'),
    "scripts/validate_endpoint.py": (WORKFLOW, '"validate_endpoint"'),
    "make apply": ("tests/conftest.py", 'terraform("apply")'),
    "make destroy": ("tests/terraform/test_apply.py", "destroy"),
    "make init": ("tests/terraform/test_terraform_script.py", "init"),
    "make lint": ("scripts/check.sh", "lint"),
    "make local-down": (NIGHTLY, "make local-down"),
    "make local-env": ("tests/localaws/test_daemon.py", '"env"'),
    "make local-up": (NIGHTLY, "make local-up"),
    "make output": ("tests/support/deployed.py", '"output"'),
    "make plan": ("tests/terraform/test_terraform_script.py", '"plan"'),
    "make setup": (NIGHTLY, "make setup"),
    "make test": (".ci/run", "make test"),
    "make smoke": ("src/mlflow_platform/proving/checks.py", "smoke"),
    "aws s3 cp": (RUNBOOK, '"aws", "s3", "cp"'),
    "aws s3 ls": (ENVIRONMENT, '"aws", "s3", "ls"'),
    "aws s3 sync": (RUNBOOK, '"aws", "s3", "sync"'),
    "curl POST": ("tests/support/running.py", "/run"),
    "mlflow deployments": ("tests/localaws/endpoints/test_invoke.py", "list_deployments"),
    "gunzip logs/*.json.gz": (RUNBOOK, 'documented("gunzip --stdout")'),
    "python -c boto3": (RUNBOOK, 'documented("object_versions.delete()")'),
    "python -c mlflow": ("tests/e2e/apps/test_app.py", "restore_run"),
    "python render.py": (SNIPPETS, "render.py"),
    "git clone": (NIGHTLY, "repository: aws/sagemaker-mlflow"),
    "git /tmp/sagemaker-mlflow": (NIGHTLY, "ref: 0a5f7d839f4915350d01ae5bf186e0a59743f44c"),
    "terraform force-unlock": ("tests/localaws/state/test_locks.py", '"force-unlock"'),
    "terraform import": ("tests/terraform/test_apply_killed.py", 'terraform("import"'),
    "terraform plan": ("scripts/terraform.sh", "plan"),
    "terraform state list": (LOCKS, 'state("list")'),
    "terraform state mv": (LOCKS, 'state("mv"'),
    "terraform state push": (LOCKS, 'state("push", "-force"'),
    "terraform state rm": (LOCKS, 'state("rm"'),
    "terraform untaint": ("tests/terraform/test_apply_expired.py", 'terraform("untaint"'),
    "uv pip sync": (SNIPPETS, '"pip", "sync"'),
    "uv venv": (SNIPPETS, '"venv"'),
    "pytest": ("scripts/test.sh", "pytest"),
    "mlflow experiments": (ENVIRONMENT, '"mlflow", "experiments", "search"'),
    "mlflow run": ("tests/platform/factory/test_template.py", "mlflow"),
}
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SHELLS = ("", "console", "sh", "text")
CALL = re.compile(r"(?:\.|\")([a-z][a-z0-9_]+)(?=\(|\"\)\.paginate|\"\)\.wait)")
ASSIGNMENT = re.compile(r"[A-Z_]+=(\"[^\"]*\"|'[^']*'|[^\s\"']*)\s+")
INNER = re.compile(r"\$\((make [^)]*)\)")
OPTIONAL = re.compile(r"\$\{\w+:\+[^}]*\} ")
PROGRAMS = (
    "apt-get",
    "aws",
    "curl",
    "docker",
    "git",
    "gunzip",
    "make",
    "mlflow",
    "mmdebstrap",
    "python",
    "terraform",
    "uv",
)
# Commands that themselves have commands.
GROUPS = (["terraform", "state"], ["uv", "pip"])
# The AWS CLI's own commands, which are no operations of AWS's API, and its options for all operations.
CUSTOM = {"s3", "ecr get-login-password", "cloudformation wait"}
GLOBAL = {"--query", "--output", "--region", "--endpoint-url", "--profile", "--no-paginate"}


@dataclass(frozen=True)
class Command:
    """A command of a document, without its comment. `marked` says that the document calls it untested."""

    text: str
    marked: bool

    @property
    def key(self) -> str:
        """What kind of command it is, as in RUN."""
        if script := re.search(r"\bscripts/\w+\.(py|sh)", self.text):
            return script[0]
        words = [word for word in self.text.split() if not word.startswith("-")]
        program = words[0].rpartition("/")[2]
        if program == "make":
            script_of_verb = scripts_of_make().get(words[1])
            return f"scripts/{script_of_verb}.py" if script_of_verb else f"make {words[1]}"
        if code := re.search(r"python -c 'import (\w+)", self.text):
            return f"python -c {code[1]}"
        length = 3 if program == "aws" or [program, *words[1:2]] in GROUPS else 2
        return " ".join([program, *words[1:length]]) if program in PROGRAMS else program


def commands(file: Path) -> Iterator[Command]:
    """The commands in a document's blocks for a shell."""
    for language, block in BLOCK.findall(file.read_text()):
        if language not in SHELLS:
            continue
        lines = re.sub(r"\\\n\s*", " ", block).splitlines()
        untested = bool(lines) and lines[0].strip().startswith("#") and "untested" in lines[0]
        for line in lines:
            text, _, comment = line.strip().removeprefix("$ ").partition(" #")
            while found := ASSIGNMENT.match(text):
                text = text[found.end() :]
            for command in (text, *INNER.findall(text)):
                program = command.split(" ")[0].rpartition("/")[2]
                if program in (*PROGRAMS, "pytest"):
                    yield Command(OPTIONAL.sub("", command).strip(), untested or "untested" in comment)


@cache
def called() -> set[str]:
    """The names of all methods that the tests call, and the sources, which the tests run."""
    files = [file for folder in ("tests", "src") for file in (REPOSITORY / folder).rglob("*.py")]
    return {one for file in files for one in CALL.findall(file.read_text())}


def is_run(command: Command) -> bool:
    """Whether a test runs such a command."""
    program, *words = command.key.split()
    return command.key in RUN or (program == "aws" and words[-1].replace("-", "_") in called())


@pytest.mark.parametrize("file", READMES, ids=name)
def test_every_command_is_run_by_a_test_or_called_untested(file: Path) -> None:
    assert [one.text for one in commands(file) if not (one.marked or is_run(one))] == []


def test_every_named_test_has_the_command() -> None:
    texts = {key: (REPOSITORY / file).read_text() for key, (file, _) in RUN.items()}
    assert [key for key, (_, words) in RUN.items() if words not in texts[key]] == []
    used = {one.key for file in READMES for one in commands(file)}
    assert [key for key in RUN if key not in used] == []


@cache
def operations(service: str) -> dict[str, Any]:
    """The operations of a service by their names in the AWS CLI."""
    model = botocore.session.get_session().get_service_model({"s3api": "s3"}.get(service, service))
    return {xform_name(one, "-"): model.operation_model(one) for one in model.operation_names}


def test_every_operation_and_option_of_the_aws_cli_exists() -> None:
    unknown, seen = [], 0
    for text in (one.text for file in READMES for one in commands(file) if one.text.startswith("aws ")):
        words = [word for word in shlex.split(text.split(" | ")[0].replace("'[{", "x")) if not word.startswith("$")]
        plain = [word for word in words[1:] if not word.startswith("-")]
        if plain[0] in CUSTOM or " ".join(plain[:2]) in CUSTOM:
            continue
        found = operations(plain[0]).get(plain[1])
        if found is None:
            unknown.append(text)
            continue
        given = {word for word in words if word.startswith("--")} - GLOBAL
        allowed = (
            {f"--{xform_name(member, '-')}" for member in found.input_shape.members} if found.input_shape else set()
        )
        unknown += [f"{text}: {option}" for option in given - allowed if option.replace("--no-", "--") not in allowed]
        seen += 1
    assert unknown == []
    assert seen > 25
