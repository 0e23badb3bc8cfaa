"""The mirror of an environment's root: it removes the files that the root no longer has, and no others."""

from pathlib import Path

import pytest

from localaws.mirror import mirror
from localaws.settings import Settings
from tests.support.running import settings_of

ROOT = Path("mlflow/terraform/staging")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository with one environment."""
    (tmp_path / "source" / ROOT).mkdir(parents=True)
    (tmp_path / "source/terraform/module/mlflow").mkdir(parents=True)
    (tmp_path / "source/src").mkdir()
    for name in ("main.tf", "terraform.tfvars", "more.tf", "more.auto.tfvars", "versions.auto.tfvars.json"):
        (tmp_path / "source" / ROOT / name).write_text("# theirs")
    return tmp_path / "source"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "home", 1)


@pytest.mark.parametrize("name", ["more.tf", "more.auto.tfvars", "versions.auto.tfvars.json"])
def test_removes_files_that_the_root_no_longer_has(source: Path, settings: Settings, name: str) -> None:
    copied = mirror(settings, "staging", source) / name
    assert copied.read_text() == "# theirs"
    (source / ROOT / name).unlink()
    mirror(settings, "staging", source)
    assert not copied.exists()


@pytest.mark.parametrize(
    "name",
    [
        "terraform.tfstate",
        "terraform.tfstate.backup",
        ".terraform.lock.hcl",
        ".terraform/modules/other/main.tf",
        "staging.tfplan",
        "localaws_override.tf",
        "versions.localaws.auto.tfvars.json",
    ],
)
def test_keeps_terraforms_files_and_its_own_files(source: Path, settings: Settings, name: str) -> None:
    own = mirror(settings, "staging", source) / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.touch()
    mirror(settings, "staging", source)
    assert own.exists()
