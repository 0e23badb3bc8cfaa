"""The pages of the documentation site: which there are, their links, their navigation."""

from pathlib import Path

import pytest

from mlflow_platform.environment import REPOSITORY
from mlflow_platform.site.building import navigation
from mlflow_platform.site.pages import pages, title, with_links

KNOWN = {"README.md", "docs/guides/deploy.md", "terraform/module/mlflow/README.md"}
SOURCE = "https://git.example/team/platform/blob/main"


def exists(path: str) -> bool:
    return path in KNOWN or path in {"terraform/module/mlflow", "tests/test_a.py"}


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[deploy](deploy.md)", "[deploy](deploy.md)"),
        ("[deploy](deploy.md#canary)", "[deploy](deploy.md#canary)"),
        ("[home](../../README.md)", "[home](../../README.md)"),
        ("[AWS](https://aws.amazon.com/a_(b))", "[AWS](https://aws.amazon.com/a_(b))"),
        ("[mail](mailto:team@example.com)", "[mail](mailto:team@example.com)"),
        ("[here](#top)", "[here](#top)"),
        ("[module](../../terraform/module/mlflow/)", "[module](../../terraform/module/mlflow/README.md)"),
        ("[module](../../terraform/module/mlflow)", "[module](../../terraform/module/mlflow/README.md)"),
        ("[a [b] test](../../tests/test_a.py#L3)", f"[a [b] test]({SOURCE}/tests/test_a.py#L3)"),
        ("a\n[test](\n../../tests/test_a.py)", f"a\n[test]({SOURCE}/tests/test_a.py)"),
        ("```md\n[test](../../tests/test_a.py)\n```", "```md\n[test](../../tests/test_a.py)\n```"),
        # It has no target, so zensical has to report it.
        ("[gone](gone.md)", "[gone](gone.md)"),
    ],
)
def test_links_to_files_that_are_no_pages_lead_to_the_repository(link: str, expected: str) -> None:
    assert with_links(link, "docs/guides/deploy.md", KNOWN, exists, f"{SOURCE}/") == expected


def test_links_to_files_become_text_where_the_repository_has_no_address() -> None:
    link = "see [a test](../../tests/test_a.py)."
    assert with_links(link, "docs/guides/deploy.md", KNOWN, exists, None) == "see a test."


def test_a_page_has_the_title_of_its_first_heading_outside_of_code() -> None:
    assert title("```sh\n# a comment\n```\n\n# The `mlflow` module\n\n# Second\n", "x.md") == "The mlflow module"
    assert title("no heading", "x.md") == "x.md"


def test_hidden_folders_have_no_pages(tmp_path: Path) -> None:
    for name in (
        "README.md",
        "docs/a.md",
        "terraform/m/.terraform/modules/x/README.md",
        ".github/pull.md",
        "tests/b.md",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# Title\n")
    assert pages(tmp_path) == ["README.md", "docs/a.md"]


def test_every_document_is_a_page_in_the_navigation() -> None:
    found = pages(REPOSITORY)
    listed = navigation(dict.fromkeys(found, "# Title\n"))
    in_sections = [next(iter(item.values())) for entry in listed[1:] for section in entry.values() for item in section]
    assert sorted(["README.md", *in_sections]) == found
    assert {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md")} <= set(found)
