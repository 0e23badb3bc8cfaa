"""The modules' own tests, the generated files, and the roots' lock files."""

import re
import subprocess
from pathlib import Path

import pytest

from mlflow_common.errors import PlatformError
from mlflow_platform.terraform_docs.blocks import blocks
from scripts import docs
from tests.terraform.planning import FOLDERS, REPOSITORY, Planner, copy_terraform

OFFICIAL = re.compile(r'"(h1|zh):[^"]+"')


@pytest.mark.parametrize(
    "module",
    [
        f"terraform/module/{name}"
        for name in ("github", "mlflow", "pipeline", "delivery", "studio", "serving", "private-access", "state")
    ],
)
def test_terraform_test_passes(planner: Planner, module: str) -> None:
    test = planner.initialised(module)
    found = subprocess.run(
        ["terraform", "test", "-no-color"],
        cwd=planner.folder(module),
        env=test.env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_new_input_reaches_the_readmes_and_the_roots(tmp_path: Path) -> None:
    copy_terraform(tmp_path)
    module = tmp_path / "terraform/module/serving"
    with (module / "variables.tf").open("a") as file:
        file.write(
            '\nvariable "new" {\n  description = "One | two."\n  type        = list(string)\n  default     = ["a"]\n}\n'
        )
    with pytest.raises(PlatformError, match=r"terraform/module/serving/README.md.* Run `make docs`"):
        docs.main(check=True, repository=tmp_path)
    docs.main(repository=tmp_path)
    assert '| `new` | One \\| two. | `list(string)` | `["a"]` |' in (module / "README.md").read_text()
    for root in ("staging", "prod"):
        folder = tmp_path / "mlflow/terraform" / root
        assert re.search(r"^  new +  ?= var.new$", (folder / "main.tf").read_text(), re.MULTILINE)
        assert 'variable "new" {' in (folder / "inputs.tf").read_text()
    docs.main(check=True, repository=tmp_path)


def test_every_input_of_the_modules_can_be_set_in_a_root() -> None:
    """Apart from those that connect the modules. Prod always creates its key and has no switch for deleting data."""
    modules = REPOSITORY / "terraform/module"
    deletions = ("artifacts", "homes", "images")
    passed_on = {f"dangerously_delete_{what}_on_destroy" for what in deletions}
    connected = {
        "create_deployment_policy",
        "deployment_policy_document",
        "artifact_store_uri",
        "kms_key_arn",
        "former_kms_key_arns",
        "notification_topic_arn",
        "can_train",
        "deployer_policy_arns",
        "notify",
        "reader_policy_arns",
        "runner_policy_arn",
        "tracking_policy_arn",
        "tracking_server",
        "writer_policy_arns",
    }
    mlflow, serving, pipeline, delivery, studio, staging, prod = (
        {block.name for block in blocks(folder, "variable")}
        for folder in (
            *(modules / name for name in ("mlflow", "serving", "pipeline", "delivery", "studio")),
            *(REPOSITORY / FOLDERS[root] for root in ("staging", "prod")),
        )
    )
    assert (mlflow - passed_on - {"create_deployment_policy", "deployment_policy_document"}) | (
        (serving | pipeline | delivery | studio) - passed_on - connected
    ) <= staging
    assert staging - prod == {"dangerously_delete_data_on_destroy"}


def test_every_output_of_the_modules_is_an_output_of_the_roots() -> None:
    modules = [
        REPOSITORY / "terraform/module" / name for name in ("mlflow", "serving", "pipeline", "delivery", "studio")
    ]
    given = {block.name for module in modules for block in blocks(module, "output")}
    internal = {"deployment_policy_document", "former_kms_key_arns"}
    for root in ("staging", "prod"):
        assert given - internal == {block.name for block in blocks(REPOSITORY / FOLDERS[root], "output")}


@pytest.mark.parametrize("root", ["staging", "prod"])
def test_a_root_locks_the_provider_for_every_platform_and_init_does_not_change_the_lock(
    planner: Planner, root: str
) -> None:
    lock = (REPOSITORY / FOLDERS[root] / ".terraform.lock.hcl").read_text()
    assert len(OFFICIAL.findall(lock)) == 29
    planner.initialised(root)
    assert (planner.folder(root) / ".terraform.lock.hcl").read_text() == lock
