"""The Python blocks of the guide about notebooks run in a Jupyter kernel, with the environment of a user's shell.

The block of SageMaker's SDK runs with the SDK, in an environment of its own.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.e2e.notebooks.conftest import OURS
from tests.support.deployed import REPOSITORY
from tests.support.running import RunningLocalAws

GUIDE = REPOSITORY / "docs/guides/studio.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ESTIMATOR = re.compile(r"^```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The guide says to replace the first by one's own.
STAGING = "/mlflow/staging/"
SDK = REPOSITORY / "tests/platform/factory/sdk/requirements.lock"
# The SDK reports its use to AWS otherwise: https://sagemaker.readthedocs.io/en/stable/overview.html
NO_TELEMETRY = '{"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": true}}}}'


def shown(cell: nbformat.NotebookNode) -> str:
    """The text that a cell printed or displayed, without messages on standard error."""
    outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    return "\n".join(one.get("text") or one["data"]["text/plain"] for one in outputs)


def test_the_snippets_of_the_guide_track_a_notebook_and_a_training_job(
    environment: RunningLocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Jupyter writes below the user's home otherwise.
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    text = GUIDE.read_text()
    assert STAGING in text
    blocks = BLOCK.findall(text.replace(STAGING, OURS))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(block) for block in blocks])
    place = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place)
    client.execute(env=environment.environ(IPYTHONDIR=str(tmp_path / "ipython")))

    tracking, tracked, script, job = notebook.cells
    assert tracking.outputs == []
    assert "The first run of a notebook." in shown(tracked)
    assert "metrics.accuracy" in shown(tracked)
    assert script.outputs == []
    # The job logged its metric and its tag to the run that the notebook began.
    assert shown(job).splitlines()[-1] == f"{1 / 3} a training job"


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with SageMaker's SDK."""
    uv, folder = Path(sys.executable).with_name("uv"), tmp_path_factory.mktemp("sdk") / "venv"
    python = folder / "bin/python"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, folder],
        [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", SDK],
    ):
        subprocess.run(command, check=True, timeout=600)
    return python


def test_the_sdk_renders_the_pipeline_that_our_definition_is_compared_with(sdk: Path, tmp_path: Path) -> None:
    program = tmp_path / "render.py"
    shutil.copy(SDK.with_name("render.py"), program)
    given = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sdk, program], cwd=tmp_path, env=given, check=True, timeout=300)
    assert (tmp_path / "rendered.json").read_text() == SDK.with_name("rendered.json").read_text()


def test_the_estimator_of_the_guide_trains_in_the_run_that_the_notebook_began(
    environment: RunningLocalAws, sdk: Path, tmp_path: Path
) -> None:
    text = GUIDE.read_text().replace(STAGING, OURS)
    settings, _, script, _ = BLOCK.findall(text)
    [estimator] = ESTIMATOR.findall(text)
    (tmp_path / "config.yaml").write_text(NO_TELEMETRY)
    given = environment.environ(
        HOME=str(tmp_path), PATH=os.environ["PATH"], SAGEMAKER_USER_CONFIG_OVERRIDE=str(tmp_path / "config.yaml")
    )
    done = subprocess.run(
        [sdk, "-c", "\n".join([settings, script, estimator])],
        cwd=tmp_path,
        env=given,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{1 / 3} a training job"
