"""Real plans of the folder `root`, created by Terraform and the AWS provider without AWS.

The state to change or destroy is built from the values of the plan that creates it, with made-up ids where only AWS
would know them. Terraform does not refresh it.
"""

import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from tests.support import provider
from tests.support.attached import attachment
from tests.support.commands import output

ROOT = Path(__file__).with_name("root")
SERVER = "aws_sagemaker_mlflow_tracking_server"
KEY_ID = "11111111-2222-3333-4444-555555555555"
MADE_UP: dict[str, dict[str, Any]] = {
    "aws_s3_bucket": {"arn": "arn:aws:s3:::mlflow-unit-artifacts", "id": "mlflow-unit-artifacts"},
    "aws_kms_key": {"arn": f"arn:aws:kms:us-east-1:123456789012:key/{KEY_ID}", "key_id": KEY_ID, "id": KEY_ID},
    "aws_kms_alias": {"target_key_id": KEY_ID, "id": "alias/mlflow-unit-key"},
}


# All resources, and a schedule for the server a.
CREATE = ("-var", 'schedule={start="cron(0 8 ? * MON-FRI *)",stop="cron(0 20 ? * MON-FRI *)"}')


class Guarded:
    """A copy of the root. Each plan is created once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT, folder, dirs_exist_ok=True)
        self._environ = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": provider.config()}
        self._environ["AWS_ENDPOINT_URL"] = ""
        if not provider.config():  # If Terraform uses the unpacked provider directly, no init is needed.
            self._terraform("init", "-input=false")
        self._environ |= attachment(self._environ)
        self.plan = cache(self._plan)

    def file(self, name: str, *arguments: str, tainted: str | None = None, deployed: bool = False) -> Path:
        """A saved plan of the root with these arguments, from an empty state or from a deployed environment."""
        saved = self.folder / f"{name}.tfplan"
        state = self.folder / f"{name}.tfstate"
        if deployed:
            state.write_text(json.dumps(self._state(tainted or "")))
        options = ["-input=false", "-refresh=false", f"-state={state}", f"-out={saved}"]
        self._terraform("plan", *options, *arguments)
        return saved

    def _plan(self, name: str, *arguments: str, tainted: str | None = None, deployed: bool = False) -> str:
        """The result of `terraform show -json` for such a plan."""
        saved = self.file(name, *arguments, tainted=tainted, deployed=deployed)
        return self._terraform("show", "-json", saved.name)

    def _state(self, tainted: str) -> dict[str, Any]:
        """The state after the plan "create" was applied. `tainted` is the address of a tainted resource."""
        created = json.loads(self.plan("create", *CREATE))
        unknown = {change["address"]: change["change"]["after_unknown"] for change in created["resource_changes"]}
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for resource in created["planned_values"]["root_module"]["resources"]:
            values = {
                **resource["values"],
                **{name: None for name, it in unknown[resource["address"]].items() if it is True},
                **({"tags_all": {}} if "tags_all" in unknown[resource["address"]] else {}),
                **MADE_UP.get(resource["type"], {"id": "unit"}),
            }
            if resource["type"] == SERVER:
                values["id"] = values["tracking_server_name"]
                values["arn"] = f"arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/{values['id']}"
            found.setdefault((resource["type"], resource["name"]), []).append(
                {
                    **({"index_key": resource["index"]} if "index" in resource else {}),
                    **({"status": "tainted"} if resource["address"] == tainted else {}),
                    "schema_version": resource["schema_version"],
                    "attributes": values,
                }
            )
        return {
            "version": 4,
            "terraform_version": created["terraform_version"],
            "serial": 1,
            "lineage": "unit",
            "resources": [
                {
                    "mode": "managed",
                    "type": kind,
                    "name": name,
                    "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
                    "instances": instances,
                }
                for (kind, name), instances in found.items()
            ],
        }

    def _terraform(self, *arguments: str) -> str:
        return output(["terraform", arguments[0], "-no-color", *arguments[1:]], self.folder, self._environ)
