"""Runs Terraform on copies of the repository's Terraform, and shares what that costs among the tests."""

import hashlib
import json
import re
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import tftest
from filelock import FileLock

from tests import provider
from tests.running import LocalAws

REPOSITORY = Path(__file__).resolve().parents[2]

FOLDERS = {
    "staging": "mlflow/terraform/staging",
    "prod": "mlflow/terraform/prod",
    "basic": "terraform/module/mlflow/examples/basic",
    "existing-bucket": "terraform/module/mlflow/examples/existing-bucket",
    "enhanced-security": "terraform/module/mlflow/examples/enhanced-security",
    "private-access": "terraform/module/private-access/examples/staging",
    "state": "mlflow/terraform/state",
    "any": "any",
}
LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'
UNWANTED = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan", "backend.hcl")


def copy_terraform(target: Path) -> None:
    """Copies the modules and roots, as they lie to each other and to the scripts, which the nightly backup uploads."""
    for part in ("terraform", "mlflow/terraform"):
        shutil.copytree(REPOSITORY / part, target / part, ignore=UNWANTED)
    shutil.copytree(Path(__file__).parent / "roots", target, dirs_exist_ok=True)
    (target / "scripts").symlink_to(REPOSITORY / "scripts")
    for root in (target / "mlflow/terraform").iterdir():
        (root / "local_override.tf").write_text(LOCAL_STATE)


class Planner:
    """Plans roots and examples; the workers of a session share its copy and its plans."""

    def __init__(self, shared: Path, localaws: LocalAws) -> None:
        self._shared = shared
        self._localaws = localaws

    @cached_property
    def tree(self) -> Path:
        """The copy of the repository's Terraform."""
        target = self._shared / "plans"
        with FileLock(self._shared / "plans.lock"):
            if not target.exists():
                copy_terraform(self._shared / "plans.part")
                (self._shared / "plans.part").rename(target)
        return target

    def folder(self, name: str) -> Path:
        """The copied folder of a root, an example or a module."""
        return self.tree / FOLDERS.get(name, name)

    def env(self, **more: str) -> dict[str, str]:
        """What Terraform needs to know; an empty value counts as unset to the AWS provider."""
        return {**self._localaws.env, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": provider.config(), **more}

    def initialised(self, name: str, **env: str) -> tftest.TerraformTest:
        """A root, example or module's folder in which `terraform init` has been run."""
        test = tftest.TerraformTest(FOLDERS.get(name, name), str(self.tree), env=self.env(**env))
        with FileLock(self._shared / f"{name.replace('/', '-')}.init.lock"):
            if not (self.folder(name) / ".terraform").exists():
                test.init(plugin_dir=provider.mirror())
        return test

    def plan(self, name: str, **variables: Any) -> tftest.TerraformPlanOutput:
        """The plan of a root or example; made once for the same variables."""
        given = hashlib.sha256(json.dumps(variables, sort_keys=True).encode()).hexdigest()[:8]
        stored = self._shared / f"{name}-{given}.plan.json"
        with FileLock(f"{stored}.lock"):
            if not stored.exists():
                made = self.initialised(name).plan(output=True, tf_vars=variables, lock=False)
                stored.write_text(json.dumps(dict(made)))
        return tftest.TerraformPlanOutput(json.loads(stored.read_text()))

    def refused(self, name: str, variables: dict[str, Any], **env: str) -> list[str]:
        """The errors of a plan that must fail, each as one line of text."""
        with pytest.raises(tftest.TerraformTestError) as caught:
            self.initialised(name, **env).plan(tf_vars=variables, lock=False)
        _, *errors = re.split(r"^Error: ", caught.value.cmd_error, flags=re.MULTILINE)
        return [" ".join(error.split()) for error in errors]
