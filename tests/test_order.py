"""The lists of conftest.py name tests that exist, so that none is forgotten under a former name."""

from pathlib import Path

import pytest

from tests.conftest import FIRST, NIGHTLY, SYSTEM_FILES

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("entry", [*FIRST, *NIGHTLY, *SYSTEM_FILES])
def test_an_entry_names_a_test(entry: str) -> None:
    path, _, name = entry.partition("::")
    # As with nodeids, the beginning of a name is enough.
    files = [file for file in REPOSITORY.glob(f"{path}*") if file.is_dir() or file.suffix == ".py"]
    assert files
    assert not name or f"def {name}" in files[0].read_text()
