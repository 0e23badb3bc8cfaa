"""Which files of the Terraform mirror are saved, restored and deleted."""

from pathlib import Path

from localaws.state import files
from tests.support.running import settings_of


def test_a_folder_for_workspaces_does_not_prevent_saving_restoring_and_deleting(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, 4577)
    root = settings.terraform / "mlflow/terraform/staging"
    (root / "terraform.tfstate.d/mine").mkdir(parents=True)
    (root / "terraform.tfstate").write_text("{}")
    files._keep_terraform(settings)
    (root / "terraform.tfstate").unlink()
    files.restore_terraform(settings, 4577)
    assert (root / "terraform.tfstate").read_text() == "{}"
    files.delete(settings)
    assert [path.name for path in root.iterdir()] == ["terraform.tfstate.d"]
