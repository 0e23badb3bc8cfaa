"""Builds the site with zensical, which also checks each link between pages."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from mlflow_common.errors import PlatformError
from mlflow_platform.site.pages import pages, title, with_links

# Sections of the navigation, each with the prefixes of its pages' paths. The first prefix that fits decides.
SECTIONS = {
    "Guides": ("docs/README.md", "docs/guides/"),
    "Concepts": ("docs/architecture.md", "docs/concepts/", "docs/security.md"),
    "Reference": ("docs/reference/", "docs/performance.md", "docs/traps.md"),
    "Decisions": ("docs/adr/",),
    "Terraform": ("terraform/", "mlflow/"),
    "Project": ("",),
}
HOME = "README.md"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FINDING = re.compile(r"^Warning: (.+)\n.*?\[ (\S+) \]", re.MULTILINE)


def build(repository: Path, folder: Path, program: Path, source_url: str | None) -> Path:
    """Builds the site in a folder of its own, which is emptied first.

    Args:
        repository: the checkout.
        folder: where the site and its sources are written.
        program: zensical.
        source_url: the address below which the repository's files can be read, if it is known.

    Returns:
        The folder with the pages.

    Raises:
        PlatformError: a link between pages has no target.
    """
    shutil.rmtree(folder, ignore_errors=True)
    texts = {page: (repository / page).read_text() for page in pages(repository)}

    def exists(path: str) -> bool:
        return (repository / path).exists()

    for page, text in texts.items():
        file = folder / "pages" / page
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(with_links(text, page, set(texts), exists, source_url))
    # JSON is YAML.
    (folder / "mkdocs.yml").write_text(json.dumps(configuration(texts), indent=2))
    done = subprocess.run([program, "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        output = _COLOURS.sub("", done.stdout + done.stderr)
        found = "; ".join(f"{where}: {what}" for what, where in _FINDING.findall(output))
        raise PlatformError(f"the site could not be built: {found or output.strip()[-500:]}")
    return folder / "site"


def configuration(texts: dict[str, str]) -> dict[str, Any]:
    """The site's configuration, in the format of MkDocs, which zensical reads."""
    return {
        "site_name": title(texts[HOME], "Documentation"),
        "docs_dir": "pages",
        "site_dir": "site",
        "use_directory_urls": False,  # The pages can also be opened as files.
        # No font of a third party: a page that is read offline or in a closed network looks the same.
        "theme": {
            "name": "material",
            "font": False,
            "features": ["navigation.sections", "navigation.top", "content.code.copy"],
        },
        "markdown_extensions": [
            "attr_list",
            "tables",
            {"toc": {"permalink": True}},
            {"pymdownx.highlight": {"anchor_linenums": True}},
            {"pymdownx.superfences": {"custom_fences": [{"name": "mermaid", "class": "mermaid"}]}},
        ],
        "nav": navigation(texts),
    }


def navigation(texts: dict[str, str]) -> list[dict[str, Any]]:
    """The home page, and the sections with their pages by title. No page is missing from it."""
    sections: dict[str, dict[str, str]] = {name: {} for name in SECTIONS}
    for page, text in texts.items():
        if page != HOME:
            name = next(name for name, prefixes in SECTIONS.items() if page.startswith(prefixes))
            sections[name][page] = title(text, page)
    listed = [
        {name: [{title: page} for page, title in sorted(found.items(), key=lambda item: item[1].lower())]}
        for name, found in sections.items()
        if found
    ]
    return [{"Home": HOME}, *listed]
