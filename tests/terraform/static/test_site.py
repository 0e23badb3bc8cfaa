"""The documentation site is built by zensical, which refuses links without a target."""

from pathlib import Path

import pytest

from mlflow_common.errors import PlatformError
from mlflow_platform.site.building import build


def test_builds_a_page_for_each_document(tmp_path: Path, checks: Path) -> None:
    repository = write(tmp_path, **{"README.md": "# Home\n[a guide](docs/a.md#first)", "docs/a.md": "# A\n## First\n"})
    site = build(repository, tmp_path / "site", checks / "zensical", None)
    assert '<a href="docs/a.html#first">a guide</a>' in (site / "index.html").read_text()
    assert (site / "docs/a.html").exists()


@pytest.mark.parametrize("link", ["gone.md", "docs/a.md#gone"])
def test_a_link_without_a_target_is_named(tmp_path: Path, checks: Path, link: str) -> None:
    repository = write(tmp_path, **{"README.md": f"# Home\n[gone]({link})", "docs/a.md": "# A\n"})
    with pytest.raises(PlatformError, match=r"README\.md:2:\d+: (page|anchor) does not exist"):
        build(repository, tmp_path / "site", checks / "zensical", None)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        file = folder / "repository" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "repository"
