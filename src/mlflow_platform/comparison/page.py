"""A comparison as one HTML file that needs nothing else: the table, which sorts by a click, and the charts."""

from __future__ import annotations

import base64
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow_platform.comparison import charts
from mlflow_platform.comparison.table import Table

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #22303c; margin: 2rem auto; max-width: 1200px; padding: 0 1rem }
  img { max-width: 100%; height: auto }
  .wide { overflow-x: auto }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }
  th, td { padding: .3rem .7rem; border-bottom: 1px solid #dde3e8; text-align: left }
  th button { all: unset; cursor: pointer; font-weight: 600 }
  th button:focus-visible { outline: 2px solid #2a6fb0 }
  tbody tr:first-child { background: #eef5fb }
</style>
<h1>{{ title }}</h1>
<p>{{ table.rows|length }} runs, the best by <b>{{ table.metric }}</b>
({{ "larger" if table.maximize else "smaller" }} is better) first. Select a heading to sort.
Parameters that are the same in all runs are left out.</p>
<h2>{{ table.metric }} of each run</h2>
<img alt="{{ table.metric }} of each run, and the best so far" src="data:image/png;base64,{{ metric }}">
<h2>Parameters and {{ table.metric }}</h2>
<img alt="Parallel coordinates of parameters and {{ table.metric }}" src="data:image/png;base64,{{ parallel }}">
{% if left_out > 0 %}<p>The chart leaves out the last {{ left_out }} parameters. The table has them.</p>
{% endif %}<h2>Runs</h2>
<div class="wide"><table>
<thead><tr>{% for name in table.columns %}<th><button>{{ name }}</button></th>{% endfor %}</tr></thead>
<tbody>
{% for cells in table.cells() %}<tr>{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
<script>
document.querySelectorAll("th button").forEach((button, column) => {
  let direction = 1;
  button.onclick = () => {
    const body = document.querySelector("tbody");
    const text = row => row.cells[column].textContent;
    const special = new Map([["", NaN], ["nan", NaN], ["inf", Infinity], ["-inf", -Infinity]]);
    const number = row => special.has(text(row)) ? special.get(text(row)) : Number(text(row));
    const rows = [...body.rows];
    const numeric = rows.every(row => special.has(text(row)) || !isNaN(text(row)));
    const missing = row => numeric ? isNaN(number(row)) : text(row) === "";
    const compare = (a, b) => numeric ? (number(a) < number(b) ? -1 : number(a) > number(b) ? 1 : 0)
      : text(a).localeCompare(text(b), "en", {numeric: true});
    // What is missing is last in both directions.
    rows.sort((a, b) => missing(a) - missing(b) || (missing(a) ? 0 : direction * compare(a, b)));
    body.append(...rows);
    direction = -direction;
  };
});
</script>
</html>
"""


def render(table: Table, title: str) -> str:
    """The comparison as HTML. Texts from the tracking server are escaped."""
    from jinja2 import Environment

    with TemporaryDirectory() as folder:
        metric, parallel = Path(folder, "metric.png"), Path(folder, "parallel.png")
        charts.metric(table, metric)
        charts.parallel_coordinates(table, parallel)
        images = [base64.b64encode(path.read_bytes()).decode() for path in (metric, parallel)]
    page = Environment(autoescape=True).from_string(_PAGE)
    left_out = len(table.differing) - charts.MOST_AXES
    return page.render(table=table, title=title, metric=images[0], parallel=images[1], left_out=left_out)


def write(table: Table, title: str, folder: Path) -> None:
    """Write `runs.csv`, `runs.html`, `metric.png` and `parallel_coordinates.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    charts.metric(table, folder / "metric.png")
    charts.parallel_coordinates(table, folder / "parallel_coordinates.png")
    (folder / "runs.csv").write_text(table.as_csv(), encoding="utf-8", newline="")
    (folder / "runs.html").write_text(render(table, title), encoding="utf-8")
