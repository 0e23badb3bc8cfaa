"""Runs Terraform on a copy of the repository's Terraform, once for all tests."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import tftest
from filelock import FileLock

from tests.support import provider
from tests.support.attached import REATTACH, attachment
from tests.support.running import RunningLocalAws
from tests.terraform import readmes, roots
from tests.terraform.variations import ACCOUNT, Variation, call, calls_of_roots, given_to_roots, group, group_of, part
from tests.terraform.variations import ROOTS as OWN_ROOTS

REPOSITORY = Path(__file__).resolve().parents[2]

FOLDERS = {
    "staging": "mlflow/terraform/staging",
    "prod": "mlflow/terraform/prod",
    "basic": "terraform/module/mlflow/examples/basic",
    "existing-bucket": "terraform/module/mlflow/examples/existing-bucket",
    "enhanced-security": "terraform/module/mlflow/examples/enhanced-security",
    "many-teams": "terraform/module/mlflow/examples/many-teams",
    "private-access": "terraform/module/private-access/examples/staging",
    "state": "terraform/bootstrap",
    "github": "github",
    "any": "any",
}
LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'
UNWANTED = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan", "backend.hcl")


def copy_terraform(target: Path) -> None:
    """Copies the modules and roots with the scripts that the nightly backup uploads, at the same relative paths."""
    for folder in ("terraform", "mlflow/terraform"):
        shutil.copytree(REPOSITORY / folder, target / folder, ignore=UNWANTED)
    roots.write(target)
    # One of each folder: each of the fifty would be planned for each of the variations with a backup.
    monitoring = ("scripts/monitor.py", "src/mlflow_platform/monitoring/report.html.j2")
    for file in ("src/mlflow_common/errors.py", "src/mlflow_transfer/cli.py", *monitoring):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, target / file)
    for root in (*(target / "mlflow/terraform").iterdir(), target / "terraform/bootstrap"):
        (root / "local_override.tf").write_text(LOCAL_STATE)


class Planner:
    """Plans roots and examples. The workers of a session share one copy and its plans."""

    def __init__(self, shared: Path, localaws: RunningLocalAws) -> None:
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

    def env(self) -> dict[str, str]:
        """The environment of Terraform. The AWS provider treats an empty value as unset."""
        return {**self._localaws.env, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": provider.config()}

    def initialised(self, name: str) -> tftest.TerraformTest:
        """The folder of a root, example or module, initialised with a provider that is attached for what follows."""
        test = tftest.TerraformTest(FOLDERS.get(name, name), str(self.tree), env=self.env())
        folder = self.folder(name)
        with FileLock(self._shared / f"{name.replace('/', '-')}.init.lock"):
            if not (folder / ".terraform").exists():
                # With the unpacked provider, only a backend needs more than the list of modules.
                if provider.config() and not (folder / "local_override.tf").exists():
                    test.execute_command("get")
                else:
                    test.init(plugin_dir=provider.mirror())
        test.env.update(attachment(test.env))
        return test

    def plan(self, name: str) -> tftest.TerraformPlanOutput:
        """One variation's part of its group's plan, which is made once."""
        root_name = group_of(name)
        variations = group(root_name)
        stored = {variation: self._shared / f"variation-{variation}.json" for variation in variations}
        with FileLock(self._shared / f"{root_name}.lock"):
            if not all(file.exists() for file in stored.values()):
                if "readmes" in variations:
                    self._write_readmes()
                root = self._calling(root_name, variations, self._imports(variations))
                if root_name != "variations":
                    root.env.pop(REATTACH, None)  # The roots' configurations of the provider differ in tags.
                made = dict(root.plan(output=True, lock=False))
                for variation, file in stored.items():
                    file.write_text(json.dumps(part(made, variation)))
        return tftest.TerraformPlanOutput(json.loads(stored[name].read_text()))

    def refused(self, name: str, variations: Mapping[str, Variation]) -> list[str]:
        """The errors of one plan of all these variations, which must fail. Each error is one line of text."""
        root = self._calling(name, variations)
        done = subprocess.run(
            ["terraform", "plan", "-no-color", "-input=false", "-lock=false"],
            cwd=self.folder(name),
            env=root.env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        _, *errors = re.split(r"^Error: ", done.stderr, flags=re.MULTILINE)
        return [" ".join(error.split()) for error in errors]

    def _write_readmes(self) -> None:
        """Writes the root of all blocks in READMEs and docs, with an existing VPC and subnets."""
        ec2 = self._localaws.client("ec2")
        vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        folder = self.folder("readmes")
        folder.mkdir(exist_ok=True)
        (folder / "main.tf").write_text(
            readmes.with_network(
                readmes.root()[0].replace("111122223333", ACCOUNT), vpc, [subnet["SubnetId"] for subnet in subnets]
            )
        )

    def _imports(self, group: Mapping[str, Variation]) -> list[str]:
        """Blocks that import existing keys."""
        blocks = []
        for name, variation in group.items():
            if variation.key:
                # moto does not set the default key usage that AWS sets.
                key = self._localaws.client("kms").create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
                blocks.append(f'import {{\nto = module.{name}.{variation.key}\nid = "{key}"\n}}\n')
        return blocks

    def _calling(
        self, name: str, variations: Mapping[str, Variation], more: Sequence[str] = ()
    ) -> tftest.TerraformTest:
        """A root with this name that calls all these roots as modules."""
        folder = self.folder(name)
        shutil.rmtree(folder / ".terraform", ignore_errors=True)
        folder.mkdir(exist_ok=True)
        others = {key: one for key, one in variations.items() if one.root not in OWN_ROOTS}
        calls = [call(key, self.tree, FOLDERS.get(one.root, one.root), one.variables) for key, one in others.items()]
        calls.append(calls_of_roots(variations))
        (folder / "main.tf").write_text("\n".join(['variable "given" {\ntype = any\n}\n', *calls, *more]))
        given = {"given": {key: one.variables for key, one in others.items()} | given_to_roots(variations)}
        (folder / "given.auto.tfvars.json").write_text(json.dumps(given))
        return self.initialised(name)
