"""The environments that the locks describe do not depend on the order in which their packages are installed."""

import subprocess
import sysconfig
from collections import defaultdict
from pathlib import Path

import pytest

from mlflow_platform.environment import REPOSITORY

# Three packages of one release, made from one source: their common files are equal.
MLFLOW = {"mlflow", "mlflow-skinny", "mlflow-tracing"}


def site_packages(name: str) -> Path:
    if name == "requirements":
        return Path(sysconfig.get_path("purelib"))
    found = subprocess.run(
        [REPOSITORY / "scripts/checks.sh", name], check=True, capture_output=True, text=True, timeout=300
    )
    [folder] = Path(found.stdout.strip()).parent.glob("lib/python*/site-packages")
    return folder


@pytest.mark.parametrize("name", ["requirements", "checks", "secrets"])
def test_no_two_packages_install_the_same_file(name: str) -> None:
    owners = defaultdict(set)
    for record in site_packages(name).glob("*.dist-info/RECORD"):
        package = record.parent.name.split("-")[0].replace("_", "-")
        for line in record.read_text().splitlines():
            file = line.split(",")[0]
            if file.endswith((".py", ".so")):
                owners[file].add(package)
    assert len(owners) > 100
    assert {names for names in map(frozenset, owners.values()) if len(names) > 1 and not names <= MLFLOW} == set()
