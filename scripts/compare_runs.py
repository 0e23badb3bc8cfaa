"""Compare the runs of an experiment: rank them by a metric, and write a table and charts."""

from __future__ import annotations

import os
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, printable, run
from mlflow_common.errors import InputError
from mlflow_common.output_paths import check_output_folder
from mlflow_platform import tracking, tracking_server
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from mlflow_platform.comparison.table import Table

app = make_app()

# Rows of the table in a terminal, and characters of a cell and of a line. The id of a run has 32.
_SHOWN, _WIDEST, _LINE = 20, 40, 160
# The columns that are always there: rank, run, run_id, status, and the metric that ranks.
_FIXED = 5

Experiment = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The name of the experiment.")]
Metric = Annotated[str, typer.Option(metavar="NAME", help="The metric to rank by.")]
Maximize = Annotated[
    bool | None,
    typer.Option("--maximize/--minimize", help="Whether larger is better. Default: decided by the metric's name."),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write runs.csv, runs.html and the charts into this folder.")
]


@app.command()
def compare_runs(
    experiment: Experiment,
    metric: Metric,
    env: Env = "staging",
    local: Local = False,
    where: Annotated[str, typer.Option("--filter", help="An MLflow filter: \"params.max_depth = '3'\".")] = "",
    maximize: Maximize = None,
    out: Out = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Rank the runs of an experiment by a metric, and show the parameters that differ between them.

    Runs whose metric is missing, NaN or infinite come last, without a rank. --out FOLDER also writes a CSV
    table, and a page with charts that needs no network.
    """
    if out:
        check_output_folder(out, "--out")
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        tracking_server.require_running(session.client("sagemaker"), environment.server)
        console.progress("loading MLflow")
        tracking.prepare(os.environ)
        client = tracking.connect(environment.server, session, ["experiments", "runs"])
        from mlflow_platform.comparison import reading, table

        console.progress(f"reading the runs of {experiment}")
        rows = list(reading.runs(client, reading.experiment_id(client, experiment), where))
        if where and not rows:
            raise InputError(f"no run of {experiment!r} matches the --filter {where!r}.")
        compared = table.make(rows, metric, maximize=maximize)
        if out:
            from mlflow_platform.comparison import page

            console.progress(f"writing {out}")
            page.write(compared, f"Runs of {experiment}", out)
        best = compared.rows[0]
        result = {
            "experiment": experiment,
            "runs": len(compared.rows),
            "metric": metric,
            "better": "larger" if compared.maximize else "smaller",
            "best": best.metrics[metric],
            "best_run": best.run_id,
            "report": str(out / "runs.html") if out else None,
        }
        if as_json:
            cells = [dict(zip(compared.columns, row, strict=True)) for row in compared.cells()]
            console.result({**result, "table": cells})
            return
        console.result(result)
        lines, omitted = _lines(compared)
        console.table(lines)
        complete = f"{out / 'runs.csv'} has" if out else "--out FOLDER writes"
        more = [f"{max(len(rows) - _SHOWN, 0)} more runs", f"{omitted} more columns"]
        if left := " and ".join(part for part in more if not part.startswith("0 ")):
            console.table([(f"… and {left}. {complete} all of them.", "")])


def _lines(compared: Table) -> tuple[list[tuple[str, str]], int]:
    """The runs as aligned lines, with the best in green, and how many columns do not fit on them. Long cells are cut.

    The parameters that differ come before the other metrics.
    """
    rows = [compared.columns, *compared.cells()[:_SHOWN]]
    params = _FIXED - 1 + len(compared.metrics)
    order = [*range(_FIXED), *range(params, len(rows[0])), *range(_FIXED, params)]
    cells = [[_cut(printable(row[place])) for place in order] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(order))]
    ends = [end - 2 for end in accumulate(width + 2 for width in widths)]
    fitting = max(_FIXED, sum(end <= _LINE for end in ends))
    texts = ["  ".join(map(str.ljust, row[:fitting], widths)).rstrip() for row in cells]
    lines = [(text, "green" if place == 1 else "") for place, text in enumerate(texts)]
    return lines, len(order) - fitting


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


if __name__ == "__main__":
    run(app)
