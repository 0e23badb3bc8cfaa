"""`scripts/terraform.sh`: each thing that a person can get wrong is one line and the right exit status."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.running import RunningLocalAws, free_port
from tests.terraform.planning import LOCAL_STATE, REPOSITORY, copy_terraform

MISSING = "TF_PROVIDER_MIRROR={} does not hold the AWS provider: it should have a folder registry.terraform.io/"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with nothing but Terraform and its scripts in it."""
    copy_terraform(tmp_path / "copy")
    (tmp_path / "copy/scripts/lib").mkdir(parents=True)
    for name in ("terraform.sh", "lib/provider_mirror.sh", "plan_guard.py"):
        shutil.copy(REPOSITORY / "scripts" / name, tmp_path / "copy/scripts" / name)
    (tmp_path / "copy/.venv").symlink_to(REPOSITORY / ".venv")
    return tmp_path / "copy"


def run(checkout: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("LOCAL", "AUTO_APPROVE", "TF_PROVIDER_MIRROR")
    }
    return subprocess.run(
        [checkout / "scripts/terraform.sh", *arguments],
        env=kept | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def error(found: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """The exit status and the one line that the script must have said."""
    assert found.stdout == ""
    [line] = found.stderr.splitlines()
    assert line.startswith("error: ")
    return found.returncode, line.removeprefix("error: ")


def fake_terraform(folder: Path, version: str) -> str:
    folder.mkdir()
    (folder / "terraform").write_text(f"#!/bin/sh\necho 'Terraform v{version}'\n")
    (folder / "terraform").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_an_unknown_environment_is_answered_with_those_that_exist() -> None:
    status, line = error(run(REPOSITORY, "stagign", "plan"))
    assert status == 2
    assert line.startswith('"stagign" is not an environment: use one of ')
    assert "staging" in line


def test_an_environment_that_climbs_out_of_the_folder_is_none() -> None:
    assert error(run(REPOSITORY, "../../terraform/module/serving", "plan"))[0] == 2


def test_an_unknown_verb_is_answered_with_those_that_exist() -> None:
    assert error(run(REPOSITORY, "staging", "aply")) == (
        2,
        '"aply" is not a verb: use init, plan, apply, destroy or output',
    )


@pytest.mark.parametrize("local", ["yes", "0", "true", "11"])
def test_a_local_that_might_mean_either_is_refused(local: str) -> None:
    status, line = error(run(REPOSITORY, "staging", "apply", LOCAL=local, AUTO_APPROVE="1"))
    assert (status, line) == (2, f'LOCAL takes 1 for localaws or nothing for AWS, not "{local}"')


@pytest.mark.parametrize("verb", ["apply", "log-run", "smoke", "help"])
def test_make_refuses_it_for_every_verb(verb: str) -> None:
    # Nothing of a make around it, which hands its variables down.
    done = subprocess.run(
        ["make", "--dry-run", verb, "LOCAL=yes"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert 'LOCAL takes 1 for localaws or nothing for AWS, not "yes"' in line


def test_help_explains_and_no_arguments_are_wrong_usage() -> None:
    assert run(REPOSITORY, "--help").stdout.startswith("usage: scripts/terraform.sh ENV VERB")
    assert run(REPOSITORY, "staging").returncode == 2


def test_missing_terraform_is_said(tmp_path: Path) -> None:
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


def test_without_a_place_for_its_state_a_root_is_not_initialised(copy: Path) -> None:
    status, line = error(run(copy, "staging", "init"))
    assert status == 3
    assert "copy mlflow/terraform/staging/backend.hcl.example to backend.hcl beside it" in line


def test_a_provider_that_nobody_has_is_one_line(copy: Path) -> None:
    for lock in copy.glob("mlflow/terraform/*/.terraform.lock.hcl"):
        lock.write_text(lock.read_text().replace("5.100.0", "5.100.999"))
    (copy / "mlflow/terraform/staging/backend.hcl").touch()
    # The proxy is nobody's: a machine with internet must not ask the registry either.
    status, line = error(run(copy, "staging", "init", HTTPS_PROXY=f"http://127.0.0.1:{free_port()}"))
    assert status == 3
    assert line.startswith(
        "Terraform cannot get the AWS provider 5.100.999: it needs the internet for that once, or TF_PROVIDER_MIRROR"
    )
    assert (copy / ".cache/terraform-init.log").read_text() != ""


def test_without_localaws_local_work_is_refused(tmp_path: Path) -> None:
    expected = (3, "localaws is not running: start it with `make local-up`")
    assert error(run(REPOSITORY, "staging", "plan", LOCAL="1", LOCALAWS_HOME=str(tmp_path))) == expected
    (tmp_path / "env").write_text(f"AWS_ENDPOINT_URL=http://127.0.0.1:{free_port()}\n")
    assert error(run(REPOSITORY, "staging", "plan", LOCAL="1", LOCALAWS_HOME=str(tmp_path))) == expected


@pytest.mark.parametrize("verb", ["apply", "destroy"])
def test_where_nobody_can_approve_nothing_is_planned(verb: str) -> None:
    status, line = error(run(REPOSITORY, "staging", verb))
    assert status == 2
    assert line.endswith("approve it with AUTO_APPROVE=1")


def test_a_plan_is_saved_and_the_second_init_does_nothing(copy: Path, localaws: RunningLocalAws) -> None:
    root = copy / "mlflow/terraform/staging"
    (root / "backend.hcl").touch()
    assert run(copy, "staging", "init", **localaws.environ()).returncode == 0
    initialised = (root / ".terraform/modules/modules.json").stat().st_mtime_ns
    planned = run(copy, "staging", "plan", **localaws.environ())
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"Plan: \d+ to add, 0 to change, 0 to destroy\.", planned.stdout)
    assert (root / "staging.tfplan").exists()
    assert (root / ".terraform/modules/modules.json").stat().st_mtime_ns == initialised

    (root / "local_override.tf").write_text(LOCAL_STATE + "# changed\n")
    assert run(copy, "staging", "init", **localaws.environ()).returncode == 0
    assert (root / ".terraform/modules/modules.json").stat().st_mtime_ns > initialised
