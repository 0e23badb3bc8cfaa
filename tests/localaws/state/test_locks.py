"""The state and its lock in S3: one holder at a time, and the documents' commands on locks and states."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.policy import guards
from tests.support.running import RunningLocalAws
from tests.terraform.inventory import inventory

NAME = "locked-states"
# Needs no provider. Its creation lasts until a test creates the file "go on".
ROOT = """\
terraform {
  backend "s3" {}
}

resource "terraform_data" "slow" {
  provisioner "local-exec" {
    command = "while [ ! -e 'go on' ]; do sleep 0.1; done"
  }
}
"""


class Root:
    """A Terraform root that keeps its state in the bucket, as an environment does."""

    def __init__(self, folder: Path, key: str, backend: str, localaws: RunningLocalAws) -> None:
        self.folder = folder
        self.lock = f"{key}.tflock"
        self._localaws = localaws
        self._environ = localaws.environ(CHECKPOINT_DISABLE="1")
        (folder / "main.tf").write_text(ROOT)
        (folder / "backend.hcl").write_text(backend)
        self.run("init", "-input=false", "-backend-config=backend.hcl").check_returncode()

    def start(self, verb: str, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["terraform", *verb.split(), "-no-color", *arguments],
            cwd=self.folder,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(verb, *arguments)
        output, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(verb, process.returncode, output)

    def apply(self, *arguments: str) -> "subprocess.Popen[str]":
        return self.start("apply", "-auto-approve", "-input=false", *arguments)

    def go_on(self) -> None:
        (self.folder / "go on").touch()

    @property
    def locked(self) -> bool:
        try:
            self._localaws.client("s3").head_object(Bucket=NAME, Key=self.lock)
        except ClientError:
            return False
        return True

    @property
    def requested(self) -> dict[str, set[str]]:
        """The calls that the bucket's policy must allow, by the action names of tests/policy/guards.py."""
        names = {f"/{self.lock}": guards.LOCK, f"/{self.lock.removesuffix('.tflock')}": guards.STATE, "": guards.BUCKET}
        found: dict[str, set[str]] = {name: set() for name in names.values()}
        for call in self._localaws.calls(self.lock.partition("/")[0]):
            for need in call["iam"]:
                found[names[need["resource"].removeprefix(f"arn:aws:s3:::{NAME}")]].add(need["action"])
        return found

    def denied(self) -> int:
        """The number of refused attempts to acquire the lock."""
        return sum(
            call["operation"] == "PutObject" and call["resource"].endswith(self.lock) and call["status"] == 412
            for call in self._localaws.calls(self.lock)
        )


@pytest.fixture(scope="module")
def bucket(localaws: RunningLocalAws) -> str:
    s3 = localaws.client("s3")
    s3.create_bucket(Bucket=NAME)
    s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
    return NAME


@pytest.fixture
def root(tmp_path: Path, request: pytest.FixtureRequest, bucket: str, localaws: RunningLocalAws) -> Root:
    """A root whose backend.hcl is the output of the state module with other names."""
    key = f"{request.node.name}/terraform.tfstate"
    backend = inventory("state")["outputs"]["backend_hcl"]["staging"]
    backend = re.sub(r'(bucket +=) ".*"', rf'\1 "{bucket}"', re.sub(r'(key +=) ".*"', rf'\1 "{key}"', backend))
    return Root(tmp_path, key, backend, localaws)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_of_two_concurrent_applies_one_waits_and_both_succeed(root: Root) -> None:
    first = root.apply()
    wait_until(lambda: root.locked)
    second = root.apply("-lock-timeout=60s")
    wait_until(lambda: root.denied() > 0)
    assert first.poll() is None
    assert second.poll() is None
    root.go_on()
    assert "1 added" in first.communicate(timeout=300)[0]
    # It planned after it had acquired the lock, so its plan included the first one's resource.
    assert "0 added" in second.communicate(timeout=300)[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert not root.locked
    assert root.requested == guards.TERRAFORM


def test_a_killed_apply_leaves_a_lock_that_force_unlock_removes(root: Root) -> None:
    killed = root.apply()
    wait_until(lambda: root.locked)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=300)
    root.go_on()

    refused = root.run("apply", "-auto-approve", "-input=false")
    assert refused.returncode == 1
    assert "Error acquiring the state lock" in refused.stdout
    found = re.search(r"\bID: +([0-9a-f-]{36})", refused.stdout)  # not RequestID
    assert found

    done = root.run("force-unlock", "-force", found[1])
    assert done.returncode == 0, done.stdout
    applied = root.run("apply", "-auto-approve", "-input=false")
    assert applied.returncode == 0, applied.stdout
    assert not root.locked
    assert root.requested == guards.TERRAFORM


def test_a_state_is_listed_moved_and_brought_back(root: Root, localaws: RunningLocalAws) -> None:
    def state(verb: str, *arguments: str) -> list[str]:
        done = root.run(f"state {verb}", *arguments)
        assert done.returncode == 0, done.stdout
        lines: list[str] = done.stdout.splitlines()
        return lines

    root.go_on()
    assert root.apply().wait(300) == 0
    assert state("list") == ["terraform_data.slow"]
    # Former versions of the module have the resources at other addresses: docs/guides/upgrade-the-module.md.
    state("mv", "terraform_data.slow", "module.platform.module.mlflow.terraform_data.slow")
    state("mv", "module.platform.module.mlflow", "module.mlflow")
    assert state("list") == ["module.mlflow.terraform_data.slow"]
    state("rm", "module.mlflow.terraform_data.slow")
    assert state("list") == []

    s3, key = localaws.client("s3"), root.lock.removesuffix(".tflock")
    versions = s3.list_object_versions(Bucket=NAME, Prefix=key)["Versions"]
    applied = [one["VersionId"] for one in versions if one["Key"] == key][-1]
    earlier = s3.get_object(Bucket=NAME, Key=key, VersionId=applied)["Body"].read()
    (root.folder / "earlier.tfstate").write_bytes(earlier)
    state("push", "-force", "earlier.tfstate")
    assert state("list") == ["terraform_data.slow"]
