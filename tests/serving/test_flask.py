"""Models of MLflow versions whose scoring server is a Flask application (before 2.21)."""

import signal
import threading
from pathlib import Path

import httpx
import pytest

from localaws.tracking.releases import RELEASES
from localaws.venvs import Venvs
from tests.serving.models import save_obedient
from tests.serving.running import run, serve
from tests.support.running import settings_of


@pytest.fixture(scope="module")
def old_interpreter() -> Path:
    """An environment with MLflow 2.16. The tests reuse the one of localaws's tracking server."""
    release = RELEASES["2.16"]
    return Venvs(settings_of(Path("unused"), 1).cache / "venvs").python(release.requirements, release.python)


def test_predicts_and_completes_running_requests_after_sigterm(old_interpreter: Path, obedient: Path) -> None:
    with serve(old_interpreter, obedient) as serving:
        assert serving.invoke("{}").status_code == 400
        answers: list[httpx.Response] = []
        body = '{"dataframe_records": [{"sleep": 1}]}'
        slow = threading.Thread(target=lambda: answers.append(serving.invoke(body)))
        slow.start()
        serving.wait_for_line("sleeping")
        serving.process.send_signal(signal.SIGTERM)
        slow.join()
        assert serving.process.wait(60) == 0
    assert answers[0].status_code == 200


def test_the_last_line_gives_the_reason_if_the_model_cannot_be_loaded(old_interpreter: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    save_obedient(model, load="import nowhere")
    ended = run(old_interpreter, model)
    assert ended.returncode == 1
    assert "Traceback (most recent call last)" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("serve: The model needs the Python module 'nowhere'")
