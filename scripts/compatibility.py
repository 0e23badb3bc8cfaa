"""Measure on localaws which MLflow clients work with which servers, and write the data and the page."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from mlflow_common.console import Console, Debug, Json, make_app, run
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.localaws_client import localaws_home, use_localaws

app = make_app()


@app.command()
def compatibility(
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Try each operation with an MLflow client of each supported version and the one installed, and with each server.

    Uses the localaws that runs. Writes the data that the scripts read, and docs/reference/compatibility.md.
    """
    with Console(as_json=as_json) as console:
        use_localaws(localaws_home(os.environ), os.environ)
        import boto3

        from mlflow_common.waiting import SystemClock
        from mlflow_platform.compatibility.matrix import DATA
        from mlflow_platform.compatibility.measuring import Measuring, measure
        from mlflow_platform.compatibility.page import PAGE, page

        create: Any = boto3.Session(region_name=os.environ.get("AWS_REGION")).client
        given = Measuring(
            REPOSITORY, dict(os.environ), lambda service: create(service), SystemClock(), console.progress,
            secrets.token_hex(3), version("sagemaker-mlflow"),
        )  # fmt: skip
        found = measure(given, datetime.now(UTC).date())
        DATA.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
        (REPOSITORY / PAGE).write_text(page(found), encoding="utf-8")
        works = [text == "works" for rows in found.results.values() for row in rows.values() for text in row.values()]
        console.result({"clients": ", ".join(found.clients), "works": f"{sum(works)} of {len(works)}", "page": PAGE})


if __name__ == "__main__":
    run(app)
