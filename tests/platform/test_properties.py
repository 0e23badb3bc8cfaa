"""Property tests try the same examples in each run, so that no test run fails by chance."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import properties

TESTS = Path(__file__).parents[1]


def drawn() -> list[str | int]:
    found: list[str | int] = []

    @properties.examples(200)
    @given(st.text() | st.integers())
    def collect(value: str | int) -> None:
        found.append(value)

    collect()
    return found


@pytest.mark.skipif(properties.TIMES > 0, reason="random examples are requested")
def test_examples_do_not_depend_on_the_modules_that_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = drawn()
    file = tmp_path / "constants_of_a_module.py"
    file.write_text(f"NAMES = {[f'name-{number}' for number in range(200)]}\nNUMBERS = {list(range(1000, 1200))}\n")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    monkeypatch.setitem(sys.modules, file.stem, importlib.util.module_from_spec(spec))
    assert drawn() == before


def test_each_property_test_uses_these_settings() -> None:
    texts = {file: file.read_text(encoding="utf-8") for file in TESTS.rglob("test_*.py")}
    property_tests = {file: text for file, text in texts.items() if "\nfrom hypothesis import" in text}
    assert len(property_tests) > 6
    for file, text in property_tests.items():
        assert "from tests.support.properties import" in text or "from tests.support import properties" in text, file
        assert not re.search(r"^from hypothesis import .*\bsettings\b", text, re.MULTILINE), file
