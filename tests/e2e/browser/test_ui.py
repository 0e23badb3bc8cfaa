"""MLflow's UI in a browser: through the presigned link to a run, its metric chart and its model."""

import os
import uuid
from typing import Any

import pytest

from tests.e2e.browser import Browser
from tests.support.deployed import Deployed
from tests.support.npm import REPOSITORY, UnavailableError

IMAGES = REPOSITORY / "docs/images"
SHOTS = {"run": "ui-run.png", "metrics": "ui-metrics.png", "model": "ui-model.png"}


@pytest.fixture(scope="module")
def browser() -> Browser:
    try:
        return Browser.installed()
    except UnavailableError as error:
        pytest.skip(f"there is no browser: {error}")


@pytest.fixture(scope="module")
def logged(staging: Deployed, browser: Browser) -> dict[str, Any]:
    name = f"seen-{uuid.uuid4().hex[:8]}"
    return staging.result("log_run", "--register", name, "--alias", "champion", "--experiment", name)


def test_the_presigned_link_leads_to_a_run_its_metric_chart_and_its_model(
    staging: Deployed, browser: Browser, logged: dict[str, Any]
) -> None:
    link, _, run = logged["ui_link"].partition("#")
    name = logged["registered_model"]
    pages = [
        {"path": run, "texts": [logged["run_id"], "accuracy"], "shot": SHOTS["run"]},
        {
            "path": f"{run}/model-metrics",
            "texts": ["accuracy"],
            "selector": ".js-plotly-plot, canvas",
            "shot": SHOTS["metrics"],
        },
        {"path": f"/models/{name}", "texts": [name, "champion"], "shot": SHOTS["model"]},
    ]
    # `UI_SCREENSHOTS=1 pytest tests/e2e/browser` renews the pictures of the documentation.
    if not os.environ.get("UI_SCREENSHOTS"):
        pages = [{**page, "shot": None} for page in pages]
    opened = browser.open(link, pages, IMAGES)
    assert opened[0]["status"] == 200
    assert [page["path"] for page in opened[1:4]] == [page["path"] for page in pages]
    assert opened[4]["again"] >= 400
    for shot in SHOTS.values():
        assert (IMAGES / shot).read_bytes().startswith(b"\x89PNG")
