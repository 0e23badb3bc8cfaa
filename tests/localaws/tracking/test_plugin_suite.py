"""The integration tests of sagemaker-mlflow pass against an App. A checkout of the plugin's repository is needed.

CONTRIBUTING.md says how to run them, and .github/workflows/nightly.yml runs them every night.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import RunningLocalAws

CHECKOUT = os.environ.get("SAGEMAKER_MLFLOW_CHECKOUT", "")
# The suite asks whether there is an endpoint for presigned uploads with a run that does not exist, and takes MLflow's
# 404 for a no: https://github.com/aws/sagemaker-mlflow/blob/main/test/integration/utils/presigned_utils.py
PROBE = """
from utils import presigned_utils

presigned_utils.presigned_upload_supported = lambda arn: True
"""


@pytest.mark.skipif(not CHECKOUT, reason="SAGEMAKER_MLFLOW_CHECKOUT names no checkout of aws/sagemaker-mlflow")
def test_the_plugins_own_integration_tests_pass_against_an_app(
    localaws: RunningLocalAws, app: str, tmp_path: Path
) -> None:
    (tmp_path / "presigned_uploads.py").write_text(PROBE)
    suite = Path(CHECKOUT).resolve() / "test" / "integration"
    given = localaws.environ(
        MLFLOW_TRACKING_SERVER_URI=app,
        MLFLOW_DISABLE_TELEMETRY="true",
        PYTHONPATH=f"{suite}{os.pathsep}{tmp_path}",
        REGION="us-east-1",
    )
    options = ["-p", "presigned_uploads", "-p", "no:cacheprovider", "-p", "no:randomly", "-q", "-rs"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(suite)],
        cwd=tmp_path,
        env=given,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1:]
    assert done.returncode == 0, done.stdout
    assert "skipped" not in "".join(last), done.stdout
    # 19 tests in the commit that nightly.yml names.
    assert int("".join(last).split()[0]) >= 19
