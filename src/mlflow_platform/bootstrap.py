"""Creates the bucket for Terraform's states, or finds it, and tells every environment about it.

The bucket also stores the state of its own root. Before the bucket exists, that state is kept beside a copy of the root
(the draft). It is moved into the bucket as soon as that exists. After an interruption, run it again to resume.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform import tfvars

ROOT = Path("terraform/bootstrap")
ENVIRONMENTS = Path("mlflow/terraform")
MODULE = Path("terraform/module/state")
DRAFT = Path(".cache/bootstrap")
_STATE_KEY = "mlflow/state/terraform.tfstate"
_OVERRIDE = 'terraform {\n  backend "local" {}\n}\n'
_CHANGES = 2

# Runs Terraform in a folder with these arguments. Its output is captured or shown.
Runner = Callable[[Path, list[str], bool], "subprocess.CompletedProcess[str]"]
# Shows a saved plan to the user. Returns if it is approved, and raises otherwise.
Approve = Callable[[Path], None]


@dataclass(frozen=True)
class Bucket:
    """The bucket for the states, as the root's terraform.tfvars describes it."""

    name: str
    region: str
    kms_key: str | None

    @classmethod
    def read(cls, root: Path) -> Bucket:
        """Read terraform.tfvars.

        Raises:
            PreconditionError: it does not name a bucket and a region yet.
            InputError: it cannot be parsed.
        """
        given = tfvars.read(root)
        if not given.get("bucket_name") or not given.get("region"):
            raise PreconditionError(
                f"no bucket for Terraform's states is named. Set bucket_name and allowed_account_ids in "
                f"{ROOT / 'terraform.tfvars'}."
            )
        return cls(given["bucket_name"], given["region"], given.get("kms_key_id"))

    @property
    def options(self) -> list[str]:
        """The options of `terraform init` that keep the root's own state in the bucket."""
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
    """Creates or finds the bucket of one checkout."""

    def __init__(self, repository: Path, run: Runner, approve: Approve, progress: Callable[[str], None]) -> None:
        self._root = repository / ROOT
        self._draft = repository / DRAFT
        self._repository = repository
        self._run = run
        self._approve = approve
        self._progress = progress

    def __call__(self) -> dict[str, str]:
        """Create or update the bucket, and write every environment's backend.hcl.

        Returns the result for each environment: "written", "unchanged", or "kept" if the file names another backend.

        Raises:
            InputError: the folder is not a checkout.
            PreconditionError: no bucket is named, the account is another, or the plan was not approved.
            PlatformError: Terraform failed.
        """
        if not (self._root / "main.tf").is_file():
            raise InputError(f"{self._repository} is not a checkout of this repository: it has no {ROOT}/main.tf.")
        bucket = Bucket.read(self._root)
        if self._connect(bucket):
            self._move_state()
            self._apply(self._root)
        else:
            self._progress(f"bucket {bucket.name} does not exist yet")
            self._apply(self._prepare_draft())
            if not self._connect(bucket):
                raise PlatformError(
                    f"bucket {bucket.name} was created but cannot be found. Wait a minute and try again."
                )
            self._move_state()
        shutil.rmtree(self._draft, ignore_errors=True)
        return self._write_backends()

    def _connect(self, bucket: Bucket) -> bool:
        """Try to keep the root's state in the bucket from now on. Returns whether the bucket exists."""
        done = self._run(
            self._root, ["init", "-input=false", "-reconfigure", "-lockfile=readonly", *bucket.options], True
        )
        if done.returncode == 0:
            return True
        if "does not exist" in done.stderr and "S3 bucket" in done.stderr:
            return False
        raise _failure("init", done.stderr)

    def _prepare_draft(self) -> Path:
        """Update and initialise the draft. Its state, if there is one, is kept."""
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

    def _move_state(self) -> None:
        """Move the draft's state into the bucket, unless the bucket has a state already."""
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
                self._progress("applying (S3 takes a minute to activate lifecycle rules)")
                done = self._run(folder, ["apply", "-input=false", str(plan.resolve())], False)
                if done.returncode != 0:
                    raise PlatformError(
                        "the bucket is incomplete: see Terraform's error above, then run `make bootstrap` again."
                    )
        finally:
            plan.unlink(missing_ok=True)

    def _write_backends(self) -> dict[str, str]:
        done = self._run(self._root, ["output", "-json", "backend_hcl"], True)
        if done.returncode != 0:
            raise _failure("output", done.stderr)
        results = {}
        for name, text in json.loads(done.stdout).items():
            folder = self._repository / ENVIRONMENTS / name
            file = folder / "backend.hcl"
            if not (folder / "main.tf").exists():
                continue
            if not file.exists():
                file.write_text(text)
                results[name] = "written"
            else:
                results[name] = "unchanged" if file.read_text(errors="replace") == text else "kept"
        return results


def _failure(verb: str, errors: str) -> PlatformError:
    """Terraform's error, or what to do about it if the cause is known."""
    lines = [line.strip("│╷╵ ") for line in errors.splitlines()]
    if "AWS account ID not allowed" in errors or "allowed_account_ids" in errors:
        return PreconditionError(
            "these credentials are not for an account in allowed_account_ids. Log in to the right account, or add it "
            f"in {ROOT / 'terraform.tfvars'}."
        )
    if re.search(r"No valid credential sources|ExpiredToken|InvalidClientTokenId|SSO session.*expired", errors):
        return PreconditionError(
            "AWS does not accept these credentials. Log in (`aws sso login`) and check AWS_PROFILE."
        )
    if "StatusCode: 403" in errors:
        return PreconditionError(
            "the bucket belongs to another account, or these credentials may not read it. Choose another bucket_name "
            f"in {ROOT / 'terraform.tfvars'}, or log in with other credentials."
        )
    problem = next((line for line in lines if line.startswith("Error: ")), "Error: no reason given")
    return PlatformError(
        f"terraform {verb} failed: {problem.removeprefix('Error: ')}", [line for line in lines if line]
    )
