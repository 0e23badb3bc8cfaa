"""The copy of an environment that a proof applies."""

import json
import re
from pathlib import Path

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.proving.workspace import create_workspace
from tests.platform.proving.made_up import ACCOUNT, NOW


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with copies of the two roots."""
    for name in ("staging", "prod"):
        target = tmp_path / "mlflow/terraform" / name
        target.mkdir(parents=True)
        for file in (REPOSITORY / "mlflow/terraform" / name).iterdir():
            if file.is_file():
                (target / file.name).write_bytes(file.read_bytes())
    return tmp_path


# Inputs that a copy keeps: they change nothing outside of it, and do not prevent its removal.
KEPT = """
additional_role_policies allowed_instance_types artifact_transition async_topic_arns automatic_model_registration
cors_allowed_origins create_dashboard deleted_artifact_expiration_days endpoint_vpc exclusive_role_policies
global_name_prefix iam_path image_build image_pusher_principal_arns keep_images kms kms_key_id mlflow_image_repository
mlflow_version noncurrent_version_expiration_days permissions_boundary_arn project_name publish_parameters
readers_may_open_ui tags training_pipeline verify_client_roles
"""


def test_the_copied_root_keeps_no_input_that_reaches_outside_of_it(repository: Path) -> None:
    files = (repository / "mlflow/terraform/staging").glob("*.tf")
    inputs = {name for file in files for name in re.findall(r'^variable "(\w+)"', file.read_text(), re.MULTILINE)}
    made = create_workspace(repository, "staging", "ab12cd", account=ACCOUNT, region="eu-west-1", now=NOW)
    changed = json.loads((made.folder / "zz_prove.auto.tfvars.json").read_text()).keys()
    made.remove()
    # A new input has to be added to one of the two.
    assert inputs - changed == set(KEPT.split())


def test_the_copied_root_has_its_own_name_state_and_account(repository: Path) -> None:
    made = create_workspace(repository, "staging", "ab12cd", account=ACCOUNT, region="eu-west-1", now=NOW)
    settings = json.loads((made.folder / "zz_prove.auto.tfvars.json").read_text())
    assert made.name == settings["environment"] == "prove-ab12cd"
    assert (settings["allowed_account_ids"], settings["region"]) == ([ACCOUNT], "eu-west-1")
    assert settings["dangerously_delete_data_on_destroy"] is True
    assert (settings["backup"], settings["replication"], settings["writer_role_names"]) == (None, None, [])
    assert (settings["delivery"], settings["studio"], settings["backend"]) == (None, None, "server")
    # At half past midnight: the servers run from 23 o'clock to 22 o'clock.
    assert settings["schedule"]["start"] == "cron(0 23 * * ? *)"
    assert settings["schedule"]["stop"] == "cron(0 22 * * ? *)"
    assert 'backend "local"' in (made.folder / "prove_override.tf").read_text()
    assert (made.folder / ".terraform.lock.hcl").is_file()
    assert not list(made.folder.glob("*.tfstate"))
    made.remove()
    assert sorted(path.name for path in made.folder.parent.iterdir()) == ["prod", "staging"]


def test_the_copied_root_has_the_automatic_variable_files_but_not_those_of_localaws(repository: Path) -> None:
    root = repository / "mlflow/terraform/staging"
    for name in ("versions.auto.tfvars.json", "versions.localaws.auto.tfvars.json", "more.auto.tfvars"):
        (root / name).write_text("{}")
    made = create_workspace(repository, "staging", "ab12cd", account=ACCOUNT, region="eu-west-1", now=NOW)
    found = sorted(file.name for file in made.folder.glob("*.auto.tfvars*"))
    # Terraform reads them in this order, and the last value wins.
    assert found == ["more.auto.tfvars", "versions.auto.tfvars.json", "zz_prove.auto.tfvars.json"]


def test_an_environment_that_may_not_lose_data_is_not_copied(repository: Path) -> None:
    with pytest.raises(InputError, match="does not let Terraform delete data"):
        create_workspace(repository, "prod", "ab12cd", account=ACCOUNT, region="eu-west-1", now=NOW)
    assert not (repository / "mlflow/terraform/prove-ab12cd").exists()
