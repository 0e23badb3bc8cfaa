"""Compare the runs of an experiment: rank them by a metric, and write a table and charts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, printable, run
from mlflow_common.errors import InputError
from mlflow_common.output_paths import check_output_folder
from mlflow_platform import tracking, tracking_server
from mlflow_platform.session import open_environment

app = make_app()

# Rows of the table in a terminal, and characters of a cell. The id of a run has 32.
_SHOWN, _WIDEST = 20, 40

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
        console.table(_lines([compared.columns, *compared.cells()[:_SHOWN]]))
        if len(rows) > _SHOWN:
            console.table([(f"… and {len(rows) - _SHOWN} more. --out FOLDER writes all of them.", "")])


def _lines(cells: list[list[str]]) -> list[tuple[str, str]]:
    """The cells as aligned lines, with the best run in green. Long cells are cut."""
    cells = [[_cut(printable(cell)) for cell in row] for row in cells]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [(text, "green" if place == 1 else "") for place, text in enumerate(texts)]


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


if __name__ == "__main__":
    run(app)
