"""Writes the report of a verification: JSON for programs, and an HTML page for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlflow_common.errors import PlatformError
from mlflow_transfer.losses import loss_lines
from mlflow_transfer.verification.report import Report

_SHOWN = 20

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Transfer: {{ "passed" if report.passed else "failed" }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1f24 }
h1 small { font-weight: normal; color: #57606a } table { border-collapse: collapse; margin: 1rem 0; width: 100% }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid #d0d7de; padding: .3rem .6rem }
td { overflow-wrap: anywhere } .passed { color: #1a7f37 } .failed { color: #cf222e }
</style>
<h1 class="{{ 'passed' if report.passed else 'failed' }}">{{ "Passed" if report.passed else "Failed" }}
<small>{{ when }}</small></h1>
<p>{{ report.left }} &rarr; {{ report.right }}</p>
<table><tr><th>Compared<th>Count</tr>
{% for what, count in report.compared.items() %}<tr><td>{{ what }}<td>{{ "{:,}".format(count) }}</tr>
{% endfor %}</table>
{% if report.found %}<h2>{{ report.found.total() }} differences</h2>
<table><tr><th>What<th>How often</tr>
{% for what, count in report.found.most_common() %}<tr><td>{{ what }}<td>{{ count }}</tr>
{% endfor %}</table>
<table><tr><th>Place<th>What<th>Left<th>Right</tr>
{% for one in report.differences %}<tr><td>{{ one.place }}<td>{{ one.what }}<td>{{ one.left }}<td>{{ one.right }}</tr>
{% endfor %}</table>{% endif %}
{% for losses, what in ((report.unread, "could not be read"), (report.losses, "the right side cannot hold")) %}
{% if losses %}<h2>{{ losses | length }} things that {{ what }}</h2>
<table><tr><th>Place<th>Why</tr>
{% for one in losses %}<tr><td>{{ one.place }}<td>{{ one.reason }}</tr>
{% endfor %}</table>{% endif %}{% endfor %}
</html>
"""


def as_json(report: Report, when: str) -> dict[str, Any]:
    """The report as JSON objects."""
    return {
        "passed": report.passed,
        "when": when,
        "left": report.left,
        "right": report.right,
        "compared": dict(report.compared),
        "found": dict(report.found),
        "differences": [asdict(one) for one in report.differences],
        "losses": [asdict(one) for one in [*report.unread, *report.losses]],
    }


def as_lines(report: Report) -> dict[str, Any]:
    """The report as names and values, shortened for a terminal."""
    found: dict[str, Any] = {
        "passed": report.passed,
        "compared": dict(report.compared),
        "differences": dict(report.found),
    }
    if report.differences:
        found["places"] = [f"{one.place}: {one.what}: {one.left} / {one.right}" for one in report.differences[:_SHOWN]]
    if report.unread:
        found["could_not_be_read"] = loss_lines(report.unread)
    if report.losses:
        found["losses"] = loss_lines(report.losses)
    return found


def write(report: Report, folder: Path, when: str) -> tuple[Path, Path]:
    """Write `report.json` and `report.html` into a folder.

    Args:
        when: the time of the verification, as the report shows it.

    Returns:
        The paths of both files.

    Raises:
        PlatformError: they cannot be written.
    """
    # This import takes half a second, and only this function needs it.
    import jinja2

    environment = jinja2.Environment(autoescape=True)
    page = environment.from_string(_PAGE).render(report=report, when=when)
    text = json.dumps(as_json(report, when), indent=1, ensure_ascii=False)
    paths = folder / "report.json", folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, (text, page), strict=True):
            path.write_text(content, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise PlatformError(
            f"the report cannot be written into {folder} ({error.strerror}): choose another folder with --report"
        ) from None
    return paths
