"""The MLflow versions that the scripts accept."""

import json
from pathlib import Path

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.mlflow_versions import FILE, supported_versions
from mlflow_platform.upgrade.versions import check


def test_reads_the_modules_list_oldest_first(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"default": "3.0", "versions": {"2.16": {}, "3.0": {}, "4.1": {}}}))
    assert supported_versions(tmp_path) == ("2.16", "3.0", "4.1")


@pytest.mark.parametrize("version", supported_versions())
def test_an_upgrade_accepts_every_version_in_the_list(version: str) -> None:
    check(version, "TO=3.0")


def test_an_upgrade_rejects_a_version_that_is_not_in_the_list() -> None:
    with pytest.raises(InputError, match=", ".join(supported_versions())):
        check("1.0", "TO=3.0")
