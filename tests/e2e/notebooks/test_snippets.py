"""The Python blocks of the guide about notebooks run in a Jupyter kernel, with the environment of a user's shell."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.deployed import REPOSITORY
from tests.support.running import RunningLocalAws, role, tracking_server

GUIDE = REPOSITORY / "docs/guides/studio.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The guide says to replace the first by one's own.
STAGING, OURS = "/mlflow/staging/", "/mlflow/notebooks/"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def environment(localaws: RunningLocalAws) -> RunningLocalAws:
    """A tracking server with a role for jobs, published as by the modules. Other tests stop the server of staging."""
    published = {
        "mlflow_tracking_uri": tracking_server(localaws, "notebooks", MlflowVersion="3.0"),
        "artifact_store_uri": "s3://notebooks-bucket/prefix",
        "pipeline_role_arn": role(localaws, "notebooks-jobs"),
    }
    for name in ("notebooks-jobs", "notebooks-role"):
        policy = json.dumps(EVERYTHING)
        localaws.client("iam").put_role_policy(RoleName=name, PolicyName="Everything", PolicyDocument=policy)
    for name, value in published.items():
        localaws.client("ssm").put_parameter(Name=f"{OURS}{name}", Value=value, Type="String", Overwrite=True)
    return localaws


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
