"""Errors of the scripts: each is one line, and the scripts change nothing else.

The environment is a Terraform state that names a tracking server of the tests, because an apply takes a minute.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.conftest import iris  # noqa: F401 Fixtures are found by their names.
from tests.serving.models import SPLIT, pack, save_obedient
from tests.support.deployed import Deployed, without_apply
from tests.support.running import RunningLocalAws, settled

SERVER = "apart-staging-3-0"
BUCKET = f"{SERVER}-bucket"
ENDPOINT = "apart-staging-iris"


@pytest.fixture(scope="module")
def apart(localaws: RunningLocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Staging, with a tracking server that is being created."""
    found = without_apply(localaws, tmp_path_factory.mktemp("apart"), "apart", wait=False)
    yield found
    sagemaker = found.client("sagemaker")
    if sagemaker.list_endpoints(NameContains=ENDPOINT)["Endpoints"]:
        sagemaker.delete_endpoint(EndpointName=ENDPOINT)


def test_a_model_that_cannot_be_loaded_is_reported_and_the_previous_one_serves(
    apart: Deployed,
    iris: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    save_obedient(tmp_path / "broken", load="import nowhere")
    good, broken = (_upload(apart, folder, tmp_path) for folder in (iris, tmp_path / "broken"))
    assert apart.result("deploy_model", good, "--endpoint", ENDPOINT)["change"] == "created"

    failed = apart.script("deploy_model", broken, "--endpoint", ENDPOINT, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    error, *log = failed.stderr[failed.stderr.index("error: ") :].splitlines()
    assert error.startswith(
        f"error: the model did not start on {ENDPOINT} (The model needs the Python module 'nowhere'"
    )
    assert error.endswith(". The previous model continues to serve.")
    assert log[0] == f"  log of /aws/sagemaker/Endpoints/{ENDPOINT}:"
    assert "  ModuleNotFoundError: No module named 'nowhere'" in log
    answer = apart.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=ENDPOINT, ContentType="application/json", Body=SPLIT
    )
    assert json.load(answer["Body"])["predictions"] == [0, 1, 2]

    (tmp_path / "rows.csv").write_text("sepal length (cm),kind\n5.1,0\n")
    rows = ("--data", str(tmp_path / "rows.csv"), "--target", "kind")
    refused = apart.script("validate_endpoint", "--endpoint", ENDPOINT, *rows, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    [line] = [line for line in refused.stderr.splitlines() if not line.startswith(("reading", "asking"))]
    assert line.startswith("error: rows.csv lacks columns that the model needs: ")
    assert "petal width (cm)" in line


def test_names_the_command_that_starts_a_stopped_server(apart: Deployed, localaws: RunningLocalAws) -> None:
    assert settled(localaws, SERVER) == "Created"
    apart.client("sagemaker").stop_mlflow_tracking_server(TrackingServerName=SERVER)
    assert settled(localaws, SERVER) == "Stopped"
    refused = apart.script("log_run", check=False)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.splitlines() == [
        "reading the outputs of staging",
        f"error: the tracking server {SERVER} is Stopped. "
        "Start it with `.venv/bin/python scripts/server.py start --env staging --local`.",
    ]


def _upload(apart: Deployed, model: Path, folder: Path) -> str:
    """The URI of a model's archive."""
    archive = pack(model, folder / f"{model.name}.tar.gz")
    apart.client("s3").upload_file(str(archive), BUCKET, f"given/{model.name}/model.tar.gz")
    return f"s3://{BUCKET}/given/{model.name}/model.tar.gz"
