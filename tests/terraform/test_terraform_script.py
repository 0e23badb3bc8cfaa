"""`scripts/terraform.sh`: each mistake of a user gives one line and the right exit status."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_platform.ci import report
from tests.support.running import RunningLocalAws, free_port
from tests.terraform.planning import LOCAL_STATE, REPOSITORY, copy_terraform

# A root with a module, so that init writes a list of modules.
SMALL = """\
terraform {
  backend "s3" {}
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

module "bucket" {
  source = "./bucket"
}
"""
BUCKET = 'resource "aws_s3_bucket" "this" {\n  bucket = "small"\n}\n'
MISSING = "TF_PROVIDER_MIRROR={} does not hold the AWS provider: it should have a folder registry.terraform.io/"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout that holds only the Terraform code and its scripts."""
    copy_terraform(tmp_path / "copy")
    (tmp_path / "copy/scripts/lib").mkdir(parents=True)
    for name in ("terraform.sh", "ci_plan.sh", "lib/provider_mirror.sh", "plan_guard.py"):
        shutil.copy(REPOSITORY / "scripts" / name, tmp_path / "copy/scripts" / name)
    (tmp_path / "copy/.venv").symlink_to(REPOSITORY / ".venv")
    return tmp_path / "copy"


def run(checkout: Path, *arguments: str, script: str = "terraform.sh", **env: str) -> subprocess.CompletedProcess[str]:
    given = (
        "LOCAL",
        "AUTO_APPROVE",
        "TF_PROVIDER_MIRROR",
        "STATE_BUCKET",
        "STATE_KEY",
        "GITHUB_OUTPUT",
        "GITHUB_ACTIONS",
        "TF_WORKSPACE",
    )
    kept = {name: value for name, value in os.environ.items() if name not in given}
    return subprocess.run(
        [checkout / "scripts" / script, *arguments],
        env=kept | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def error(found: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """The exit status and the one line that the script must have printed."""
    assert found.stdout == ""
    [line] = found.stderr.splitlines()
    assert line.startswith("error: ")
    return found.returncode, line.removeprefix("error: ")


def fake_terraform(folder: Path, version: str) -> str:
    folder.mkdir()
    (folder / "terraform").write_text(f"#!/bin/sh\necho 'Terraform v{version}'\n")
    (folder / "terraform").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    status, line = error(run(REPOSITORY, "stagign", "plan"))
    assert status == 2
    assert line.startswith('"stagign" is not an environment: use one of ')
    assert "staging" in line


def test_an_environment_outside_the_folder_is_refused() -> None:
    assert error(run(REPOSITORY, "../../terraform/module/serving", "plan"))[0] == 2


def test_an_unknown_verb_is_refused_with_the_known_ones() -> None:
    assert error(run(REPOSITORY, "staging", "aply")) == (
        2,
        '"aply" is not a verb: use init, plan, apply, apply-saved, destroy or output',
    )


@pytest.mark.parametrize("local", ["yes", "0", "true", "11"])
def test_an_ambiguous_local_is_refused(local: str) -> None:
    status, line = error(run(REPOSITORY, "staging", "apply", LOCAL=local, AUTO_APPROVE="1"))
    assert (status, line) == (2, f'LOCAL takes 1 for localaws or nothing for AWS, not "{local}"')


@pytest.mark.parametrize("value", ["yes", "0", "true", "11"])
def test_an_ambiguous_approval_is_refused(value: str) -> None:
    assert error(run(REPOSITORY, "staging", "apply", AUTO_APPROVE=value)) == (
        2,
        f'AUTO_APPROVE takes 1 or nothing, not "{value}"',
    )


@pytest.mark.parametrize("verb", ["apply", "log-run", "smoke", "help"])
def test_make_refuses_an_ambiguous_local_for_every_verb(verb: str) -> None:
    # Without the variables that a make around the tests hands down.
    done = subprocess.run(
        ["make", "--dry-run", verb, "LOCAL=yes"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert 'LOCAL takes 1 for localaws or nothing for AWS, not "yes"' in line


def test_help_prints_usage_and_missing_arguments_are_an_error() -> None:
    assert run(REPOSITORY, "--help").stdout.startswith("usage: scripts/terraform.sh ENV VERB")
    assert run(REPOSITORY, "staging").returncode == 2


def test_missing_terraform_is_reported(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "dirname", "sed", "env"):
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    status, line = error(run(REPOSITORY, "staging", "plan", PATH=str(tmp_path / "bin")))
    assert status == 3
    assert line.startswith("Terraform is not installed: install version 1.11 or later")


@pytest.mark.parametrize(
    ("version", "accepted"), [("0.15.5", False), ("1.10.5", False), ("1.11.0", True), ("2.0.0-beta1", True)]
)
def test_terraform_before_1_11_is_refused(tmp_path: Path, version: str, accepted: bool) -> None:
    found = run(REPOSITORY, "mirror", PATH=fake_terraform(tmp_path / "bin", version))
    assert (found.returncode == 0) is accepted
    if not accepted:
        assert error(found)[1].startswith(f"Terraform {version} is too old: install version 1.11 or later")


def test_a_mirror_without_the_provider_is_refused(tmp_path: Path) -> None:
    status, line = error(run(REPOSITORY, "staging", "init", TF_PROVIDER_MIRROR=str(tmp_path)))
    assert status == 3
    assert line.startswith(MISSING.format(tmp_path))


def test_a_packed_mirror_is_found(tmp_path: Path) -> None:
    packed = tmp_path / "registry.terraform.io/hashicorp/aws"
    packed.mkdir(parents=True)
    (packed / "terraform-provider-aws_5.100.0_linux_amd64.zip").touch()
    assert run(REPOSITORY, "mirror", TF_PROVIDER_MIRROR=str(tmp_path)).stdout == f"{tmp_path}\n"


def test_init_without_a_backend_configuration_is_refused(copy: Path) -> None:
    status, line = error(run(copy, "staging", "init"))
    assert status == 3
    assert "copy mlflow/terraform/staging/backend.hcl.example to backend.hcl beside it" in line


def test_an_unavailable_provider_is_reported_in_one_line(copy: Path) -> None:
    for lock in copy.glob("mlflow/terraform/*/.terraform.lock.hcl"):
        lock.write_text(lock.read_text().replace("5.100.0", "5.100.999"))
    (copy / "mlflow/terraform/staging/backend.hcl").touch()
    # A proxy that does not exist: a machine with internet must not ask the registry either.
    status, line = error(run(copy, "staging", "init", HTTPS_PROXY=f"http://127.0.0.1:{free_port()}"))
    assert status == 3
    assert line.startswith(
        "Terraform cannot get the AWS provider 5.100.999: connect to the internet for the first run, or set TF_"
    )
    assert (copy / ".cache/terraform-init.log").read_text() != ""


def test_local_is_refused_while_localaws_is_not_running(tmp_path: Path) -> None:
    expected = (3, "localaws is not running: start it with `make local-up`")
    assert error(run(REPOSITORY, "staging", "plan", LOCAL="1", LOCALAWS_HOME=str(tmp_path))) == expected
    (tmp_path / "env").write_text(f"AWS_ENDPOINT_URL=http://127.0.0.1:{free_port()}\n")
    assert error(run(REPOSITORY, "staging", "plan", LOCAL="1", LOCALAWS_HOME=str(tmp_path))) == expected


@pytest.mark.parametrize("verb", ["apply", "destroy"])
def test_nothing_is_planned_without_a_terminal_or_an_approval(verb: str) -> None:
    status, line = error(run(REPOSITORY, "staging", verb))
    assert status == 2
    assert line.endswith("approve it with AUTO_APPROVE=1")


def test_github_executes_nothing_that_terraform_prints(copy: Path, tmp_path: Path) -> None:
    path = fake_terraform(tmp_path / "bin", "1.11.4")
    with (tmp_path / "bin/terraform").open("a") as program:
        program.write(
            'case "$2" in\n  init) mkdir -p "${1#-chdir=}/.terraform" ;;\n'
            "  plan) echo '    ::set-output name=changes::true'; echo '##[add-mask]e' >&2; exit 1 ;;\nesac\n"
        )
    (copy / "mlflow/terraform/staging/backend.hcl").touch()
    found = run(copy, "staging", "plan", PATH=path, GITHUB_ACTIONS="true")
    first, *hostile, last = found.stdout.splitlines()
    marker = first.removeprefix("::stop-commands::")
    assert (found.returncode, found.stderr, len(marker), last) == (1, "", 32, f"::{marker}::")
    assert hostile[-2:] == ["    ::set-output name=changes::true", "##[add-mask]e"]
    assert "::" not in run(copy, "staging", "plan", PATH=path).stdout.replace(hostile[-2], "")


@pytest.mark.parametrize("option", ["-out=mine.tfplan", "--out=mine.tfplan", "-out"])
def test_a_plan_is_saved_nowhere_else(option: str) -> None:
    # The review would show the plan that an earlier command saved.
    status, line = error(run(REPOSITORY, "staging", "plan", option, "mine.tfplan"))
    assert status == 2
    assert line.startswith(f"{option} cannot be used here: `plan` saves the plan as mlflow/terraform/staging/staging.")


def test_another_workspace_is_refused(tmp_path: Path) -> None:
    status, line = error(run(REPOSITORY, "staging", "plan", TF_WORKSPACE="mine"))
    assert (status, line.startswith('TF_WORKSPACE is "mine", but an environment is a folder')) == (2, True)
    (tmp_path / "environment").write_text("mine")
    status, line = error(run(REPOSITORY, "staging", "plan", TF_DATA_DIR=str(tmp_path)))
    assert (status, "mlflow/terraform/staging' workspace select default`" in line) == (3, True)


def test_terraforms_data_can_be_elsewhere_and_an_old_plan_is_not_shown(copy: Path, tmp_path: Path) -> None:
    path = fake_terraform(tmp_path / "bin", "1.11.4")
    with (tmp_path / "bin/terraform").open("a") as program:
        program.write('[ "$2" != init ] || mkdir -p "${1#-chdir=}/$TF_DATA_DIR"\n[ "$2" != plan ] || echo "$@"\n')
    root = copy / "mlflow/terraform/staging"
    for name in ("backend.hcl", "staging.tfplan"):
        (root / name).touch()
    # terraform plan -help saves no plan.
    found = run(copy, "staging", "plan", "-help", "-detailed-exitcode=false", PATH=path, TF_DATA_DIR=".data")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.splitlines()[1].endswith(
        f"-input=false -detailed-exitcode -out={root.resolve()}/staging.tfplan"
    )
    assert (root / ".data/initialised").is_file()
    assert not (root / "staging.tfplan").exists()


def test_the_mirror_is_found_without_a_home() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "HOME"}
    script = REPOSITORY / "scripts/terraform.sh"
    found = subprocess.run([script, "mirror"], env=environ, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_plan_is_saved_and_the_second_init_does_nothing(copy: Path, localaws: RunningLocalAws) -> None:
    root = copy / "mlflow/terraform/small"
    (root / "bucket").mkdir(parents=True)
    shutil.copy(copy / "mlflow/terraform/staging/.terraform.lock.hcl", root)
    for name, text in (
        ("main.tf", SMALL),
        ("bucket/main.tf", BUCKET),
        ("local_override.tf", LOCAL_STATE),
        ("backend.hcl", ""),
    ):
        (root / name).write_text(text)
    assert run(copy, "small", "init", **localaws.environ()).returncode == 0
    initialised = (root / ".terraform/modules/modules.json").stat().st_mtime_ns
    # As the workflows plan.
    review, output = copy / "review", copy / "output"
    planned = run(copy, "small", str(review), script="ci_plan.sh", **localaws.environ(GITHUB_OUTPUT=str(output)))
    assert planned.returncode == 0, planned.stderr
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in planned.stdout
    assert (root / "small.tfplan").exists()
    assert (root / ".terraform/modules/modules.json").stat().st_mtime_ns == initialised
    assert (review / "small.tfplan").read_bytes() == (root / "small.tfplan").read_bytes()
    assert output.read_text() == "changes=true\n"
    verdict, text = json.loads((review / "review.json").read_text()), (review / "plan.txt").read_text()
    comment = report.plan_comment("small", verdict, text)
    assert comment.splitlines()[1] == "### Plan of `small`: 1 to create"
    assert "The plan guard allows this plan" in comment

    (root / "local_override.tf").write_text(LOCAL_STATE + "# changed\n")
    assert run(copy, "small", "init", **localaws.environ()).returncode == 0
    assert (root / ".terraform/modules/modules.json").stat().st_mtime_ns > initialised


def test_ci_writes_the_backend_of_an_environment_that_has_none(copy: Path) -> None:
    file = copy / "mlflow/terraform/staging/backend.hcl"
    given = {"STATE_BUCKET": "acme-states", "AWS_REGION": "eu-central-1"}
    assert run(copy, "--backend-only", "staging", script="ci_plan.sh", **given).returncode == 0
    assert dict(re.findall(r"(\w+) += (.+)", file.read_text())) == {
        "bucket": '"acme-states"',
        "key": '"mlflow/staging/terraform.tfstate"',
        "region": '"eu-central-1"',
        "encrypt": "true",
        "use_lockfile": "true",
    }
    before = file.read_text()
    assert run(copy, "--backend-only", "staging", script="ci_plan.sh", STATE_BUCKET="another").returncode == 0
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"STATE_BUCKET": "s3://acme"}, 'STATE_BUCKET is the name of a bucket, not "s3://acme"'),
        ({"STATE_BUCKET": "acme", "AWS_REGION": ""}, "AWS_REGION is missing: set it to the region of the bucket acme"),
        ({"STATE_BUCKET": "acme", "STATE_KEY": "x"}, 'STATE_KEY is a key that ends in .tfstate, not "x"'),
        ({"STATE_BUCKET": "acme", "STATE_KMS_KEY": "k"}, 'STATE_KMS_KEY is the ARN of a key, not "k"'),
    ],
)
def test_ci_refuses_a_backend_that_cannot_be(given: dict[str, str], message: str, copy: Path) -> None:
    environ = {"AWS_REGION": "eu-central-1", **given}
    assert error(run(copy, "--backend-only", "staging", script="ci_plan.sh", **environ)) == (2, message)
    assert not (copy / "mlflow/terraform/staging/backend.hcl").exists()


def test_ci_refuses_wrong_usage(copy: Path) -> None:
    message = '"moon" is not an environment: a folder of mlflow/terraform'
    assert error(run(copy, "moon", "review", script="ci_plan.sh")) == (2, message)
    alone = run(copy, "staging", script="ci_plan.sh")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert alone.stderr.startswith("usage: scripts/ci_plan.sh ENV FOLDER")
