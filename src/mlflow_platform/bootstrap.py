"""The bucket that Terraform's states lie in: made once, found again ever after, and told to every environment.

The bucket holds the state of its own root as well. Before there is a bucket that state lies in a draft, a copy of the
root with a state beside it; it is moved into the bucket as soon as there is one. Whatever interrupts this, running it
again goes on from there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlflow_common.errors import PlatformError, PreconditionError

ROOT = Path("terraform/bootstrap")
ENVIRONMENTS = Path("mlflow/terraform")
MODULE = Path("terraform/module/state")
DRAFT = Path(".cache/bootstrap")
_STATE_KEY = "mlflow/state/terraform.tfstate"
_OVERRIDE = 'terraform {\n  backend "local" {}\n}\n'
_CHANGES = 2

# Terraform in a folder, with these arguments; what it prints is captured, or else shown.
Runner = Callable[[Path, list[str], bool], "subprocess.CompletedProcess[str]"]
# Shows a person a saved plan and returns if it may be applied.
Approve = Callable[[Path], None]


@dataclass(frozen=True)
class Bucket:
    """Where the states lie, as the root's terraform.tfvars says."""

    name: str
    region: str
    kms_key: str | None

    @classmethod
    def read(cls, root: Path) -> Bucket:
        """Read terraform.tfvars.

        Raises:
            PreconditionError: it does not name a bucket and a region yet.
        """
        given = dict(re.findall(r'^(\w+)\s*=\s*"([^"]*)"', (root / "terraform.tfvars").read_text(), re.MULTILINE))
        if not given.get("bucket_name") or not given.get("region"):
            raise PreconditionError(
                f"nobody has said which bucket the states shall lie in: set bucket_name and allowed_account_ids in "
                f"{ROOT / 'terraform.tfvars'}"
            )
        return cls(given["bucket_name"], given["region"], given.get("kms_key_id"))

    @property
    def options(self) -> list[str]:
        """What `terraform init` needs to know to keep the root's own state in the bucket."""
        settings = {
            "bucket": self.name,
            "key": _STATE_KEY,
            "region": self.region,
            "encrypt": "true",
            "use_lockfile": "true",
            **({"kms_key_id": self.kms_key} if self.kms_key else {}),
        }
        return [f"-backend-config={name}={value}" for name, value in settings.items()]


class Bootstrap:
    """Makes or finds the bucket of one checkout."""

    def __init__(self, repository: Path, run: Runner, approve: Approve, progress: Callable[[str], None]) -> None:
        self._root = repository / ROOT
        self._draft = repository / DRAFT
        self._repository = repository
        self._run = run
        self._approve = approve
        self._progress = progress

    def __call__(self) -> dict[str, str]:
        """See that the bucket is there and as it should be, and write every environment's backend.hcl.

        Returns what became of each file: "written", "unchanged", or "kept" where it says something else.

        Raises:
            PreconditionError: no bucket is named, the account is another, or nobody approved.
            PlatformError: Terraform failed.
        """
        bucket = Bucket.read(self._root)
        if self._connected(bucket):
            self._move_in()
            self._apply(self._root)
        else:
            self._progress(f"bucket {bucket.name} is not there yet")
            self._apply(self._drafted())
            if not self._connected(bucket):
                raise PlatformError(f"bucket {bucket.name} was made but cannot be found: wait a minute and try again")
            self._move_in()
        shutil.rmtree(self._draft, ignore_errors=True)
        return self._tell()

    def _connected(self, bucket: Bucket) -> bool:
        """Whether the root's state can be kept in the bucket; if so, it is from now on."""
        done = self._run(
            self._root, ["init", "-input=false", "-reconfigure", "-lockfile=readonly", *bucket.options], True
        )
        if done.returncode == 0:
            return True
        if "does not exist" in done.stderr and "S3 bucket" in done.stderr:
            return False
        raise _failure("init", done.stderr)

    def _drafted(self) -> Path:
        """The draft's root, current and initialised; a state that is there stays."""
        target = self._draft / ROOT
        for part in (ROOT, MODULE):
            shutil.copytree(
                self._repository / part,
                self._draft / part,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(".terraform", "tests", "examples"),
            )
        (target / "draft_override.tf").write_text(_OVERRIDE)
        done = self._run(target, ["init", "-input=false", "-lockfile=readonly"], True)
        if done.returncode != 0:
            raise _failure("init", done.stderr)
        return target

    def _move_in(self) -> None:
        """Move the draft's state into the bucket, unless one is there already."""
        state = self._draft / ROOT / "terraform.tfstate"
        if not state.exists() or self._run(self._root, ["state", "list"], True).stdout.strip():
            return
        self._progress("moving the bucket's own state into it")
        done = self._run(self._root, ["state", "push", str(state.resolve())], True)
        if done.returncode != 0:
            raise _failure("state push", done.stderr)

    def _apply(self, folder: Path) -> None:
        plan = folder / "state.tfplan"
        done = self._run(folder, ["plan", "-input=false", "-detailed-exitcode", f"-out={plan.resolve()}"], True)
        try:
            if done.returncode not in {0, _CHANGES}:
                raise _failure("plan", done.stderr)
            if done.returncode == _CHANGES:
                self._approve(plan)
                self._progress("applying (S3 takes a minute to settle its lifecycle rules)")
                done = self._run(folder, ["apply", "-input=false", str(plan.resolve())], False)
                if done.returncode != 0:
                    raise PlatformError("the bucket was made only in part: see above, then run `make bootstrap` again")
        finally:
            plan.unlink(missing_ok=True)

    def _tell(self) -> dict[str, str]:
        done = self._run(self._root, ["output", "-json", "backend_hcl"], True)
        if done.returncode != 0:
            raise _failure("output", done.stderr)
        told = {}
        for name, text in json.loads(done.stdout).items():
            folder = self._repository / ENVIRONMENTS / name
            file = folder / "backend.hcl"
            if not (folder / "main.tf").exists():
                continue
            if not file.exists():
                file.write_text(text)
                told[name] = "written"
            else:
                told[name] = "unchanged" if file.read_text() == text else "kept"
        return told


def _failure(verb: str, errors: str) -> PlatformError:
    """Terraform's own words, and for what a person can mend at once, what to do."""
    lines = [line.strip("│╷╵ ") for line in errors.splitlines()]
    if "AWS account ID not allowed" in errors or "allowed_account_ids" in errors:
        return PreconditionError(
            f"these credentials are not for an account in allowed_account_ids: log in to the right one, or set it in "
            f"{ROOT / 'terraform.tfvars'}"
        )
    if re.search(r"No valid credential sources|ExpiredToken|InvalidClientTokenId|SSO session.*expired", errors):
        return PreconditionError(
            "AWS does not accept these credentials: log in (`aws sso login`) and check AWS_PROFILE"
        )
    if "StatusCode: 403" in errors:
        return PreconditionError(
            "the bucket is somebody else's, or these credentials may not read it: choose another bucket_name in "
            f"{ROOT / 'terraform.tfvars'}, or log in with other credentials"
        )
    problem = next((line for line in lines if line.startswith("Error: ")), "Error: no reason given")
    return PlatformError(
        f"terraform {verb} failed: {problem.removeprefix('Error: ')}", [line for line in lines if line]
    )
