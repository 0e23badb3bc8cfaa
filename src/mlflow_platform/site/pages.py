"""The pages of the site: the repository's Markdown files, with links that also work outside the repository."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from posixpath import normpath

# Folders whose Markdown files are pages, in addition to the files at the top.
FOLDERS = ("docs", "localaws", "mlflow", "serving", "terraform", "training")
_HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^(```+|~~~+).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*([^)\s#]+)(#[^)\s]*)?\s*\)")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def pages(repository: Path) -> list[str]:
    """The paths of all pages below the repository, sorted."""
    found = [path for path in repository.glob("*.md") if path.is_file()]
    for folder in FOLDERS:
        found += [path for path in (repository / folder).rglob("*.md") if not _hidden(path.relative_to(repository))]
    return sorted(path.relative_to(repository).as_posix() for path in found)


def title(text: str, default: str) -> str:
    """The first heading of a page."""
    heading = _HEADING.search(_FENCE.sub("", text))
    return heading[1].replace("`", "") if heading else default


def with_links(text: str, page: str, known: set[str], exists: Callable[[str], bool], source_url: str | None) -> str:
    """A page's text, in which every link to a file that is not a page leads to the repository.

    A link without a target stays as it is: the site's generator reports it.

    Args:
        text: the Markdown.
        page: the page's path below the repository.
        known: the paths of all pages.
        exists: whether the repository has a file or folder with that path.
        source_url: the address below which the repository's files can be read; without it such a link becomes its text.
    """

    def link(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        if _ADDRESS.match(target):
            return found[0]
        path = normpath((Path(page).parent / target).as_posix())
        if path in known or not exists(path):
            return found[0]
        # A folder's page is its README, as GitHub shows it.
        if normpath(f"{path}/README.md") in known:
            return f"[{label}]({target.rstrip('/')}/README.md{anchor})"
        return f"[{label}]({source_url.rstrip('/')}/{path}{anchor})" if source_url else label

    return "".join(part if code else _LINK.sub(link, part) for code, part in _parts(text))


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """The text in parts, each with whether it is a block of code."""
    end = 0
    for fence in _FENCE.finditer(text):
        yield False, text[end : fence.start()]
        yield True, fence[0]
        end = fence.end()
    yield False, text[end:]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
