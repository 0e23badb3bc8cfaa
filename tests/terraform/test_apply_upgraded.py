"""Applies prod with the revision before the platform module, and plans with this one: nothing of value changes."""

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws import daemon
from tests.support import provider
from tests.support.attached import REATTACH, attachment
from tests.support.mirrored import quick_mirror
from tests.support.provider import REPOSITORY
from tests.support.running import RunningLocalAws, start

# The last revision whose roots called the mlflow and the serving module themselves.
PREVIOUS = "3ae3befaafe6c8acdfd48567687017bb9557a4f9"
# The provider watches the queue's policy for half a minute.
SLOW = {"aws_sqs_queue_policy": {"schedule_failures": {"count": 0}}}
INPUTS: dict[str, Any] = {
    "schedule": {"start": "cron(0 8 ? * MON-FRI *)", "stop": "cron(0 20 ? * MON-FRI *)"},
    # While the server runs: this revision refuses other times.
    "weekly_maintenance_window_start": "Mon:12:00",
    "backup": {"keep": 7, "schedule_expression": "cron(30 12 ? * MON-FRI *)"},
}
KEPT = {"aws_sagemaker_mlflow_tracking_server", "aws_s3_bucket", "aws_kms_key", "aws_iam_role", "aws_ecr_repository"}
# Arguments that only Terraform uses, when it deletes a role. A change of them sends nothing to AWS.
TERRAFORM_ONLY = {"force_detach_policies"}


def previous(folder: Path) -> Path:
    """The repository's Terraform and scripts at the previous revision."""
    archive = subprocess.run(
        ["git", "archive", PREVIOUS, "terraform", "mlflow", "scripts"], cwd=REPOSITORY, capture_output=True, timeout=300
    )
    if archive.returncode != 0:
        pytest.skip(f"the checkout has no revision {PREVIOUS[:7]}: run `git fetch --unshallow`")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        # Python 3.11.2 has no filters. git itself wrote this archive.
        tar.extractall(folder)  # noqa: S202
    (folder / "src").mkdir()
    return folder


class Root:
    """Prod on a localaws of its own; Terraform itself, without scripts/terraform.sh, which would copy this revision."""

    def __init__(self, localaws: RunningLocalAws) -> None:
        self._localaws = localaws
        self._environ = localaws.environ(CHECKPOINT_DISABLE="1")

    def use(self, source: Path, **variables: Any) -> None:
        """Copies a revision; the state stays."""
        self.folder = quick_mirror(self._localaws.settings, "prod", SLOW, source, **variables)
        plugins = [f"-plugin-dir={folder}"] if (folder := provider.mirror()) else []
        self._environ.pop(REATTACH, None)
        self("init", "-reconfigure", *plugins)
        if source == REPOSITORY:  # The previous revision uploads files by relative paths.
            self._environ |= attachment(self._environ)

    def __call__(self, verb: str, *arguments: str) -> str:
        done = subprocess.run(
            ["terraform", verb, "-no-color", *arguments],
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def changes(self, *options: str) -> dict[str, dict[str, Any]]:
        """What a plan would do to each resource that is there already, by its address."""
        self("plan", "-input=false", "-out=plan", *options)
        plan = json.loads(self("show", "-json", "plan"))
        return {
            one["address"]: one["change"] | {"type": one["type"]}
            for one in plan["resource_changes"]
            if one["mode"] == "managed" and one["change"]["actions"] not in (["no-op"], ["create"])
        }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    source = previous(tmp_path_factory.mktemp("previous"))
    localaws = start(tmp_path_factory.mktemp("upgraded") / "home")
    try:
        found = Root(localaws)
        # Its nightly backup uploads the scripts, which the mirror of this revision does not copy.
        shutil.copytree(source / "scripts", localaws.settings.terraform / "scripts")
        found.use(source, **INPUTS)
        found("apply", "-auto-approve", "-input=false")
        yield found
    finally:
        daemon.down(localaws.settings)


def test_the_upgrade_keeps_servers_buckets_keys_and_roles_and_is_complete_after_one_apply(root: Root) -> None:
    root.use(REPOSITORY, **INPUTS, harden_server_role=True)
    changes = root.changes("-refresh=false")  # Nothing but Terraform changes this account.
    lost = {address: one for address, one in changes.items() if "delete" in one["actions"] and one["type"] in KEPT}
    assert lost == {}
    changed = {
        address: sorted(name for name, value in one["after"].items() if one["before"].get(name) != value)
        for address, one in changes.items()
        if one["type"] in KEPT
    }
    assert {address: names for address, names in changed.items() if set(names) - TERRAFORM_ONLY} == {}

    server = json.loads(root("output", "-json", "tracking_server_arn"))
    root("apply", "-input=false", "plan")
    assert root.changes() == {}
    assert json.loads(root("output", "-json", "tracking_server_arn")) == server


def test_by_default_only_the_trust_of_the_servers_role_changes(root: Root) -> None:
    root.use(REPOSITORY, **INPUTS)
    changed = {
        address: sorted(name for name, value in one["after"].items() if one["before"].get(name) != value)
        # Nothing but Terraform changes this account, so its state is current.
        for address, one in root.changes("-refresh=false").items()
        if one["type"] in KEPT
    }
    role = "module.platform.module.mlflow.aws_iam_role.server[0]"
    # The other attributes change once only, so they are unchanged if a test before this one has applied the upgrade.
    visible = {address: set(names) - TERRAFORM_ONLY for address, names in changed.items()}
    assert {address: names for address, names in visible.items() if names} == {role: {"assume_role_policy"}}
