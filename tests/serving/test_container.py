"""How a serving container starts and ends, and what it reports if it cannot serve."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import venv
from pathlib import Path

import httpx
import pytest

from localaws.venvs import Venvs
from tests.serving.models import requirements, save_obedient
from tests.serving.running import run, serve, start
from tests.support.running import settings_of

SLEEPING = '{"dataframe_records": [{"sleep": %s}]}'
WHO = '{"dataframe_records": [{}]}'


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    return ended.stderr.splitlines()[-1]


def test_ping_succeeds_only_once_the_model_is_loaded_and_sigterm_completes_running_requests(
    interpreter: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    save_obedient(model, load="time.sleep(1)")
    with start(interpreter, model) as serving:
        seen = []
        while 200 not in seen:
            assert serving.process.poll() is None
            seen.append(serving.ping())
            time.sleep(0.1)
        assert set(seen) == {None, 200}

        answers: list[httpx.Response] = []
        slow = threading.Thread(target=lambda: answers.append(serving.invoke(SLEEPING % 2)))
        slow.start()
        serving.wait_for_line("sleeping")
        assert serving.ping() == 200
        assert answers == [], "/ping must answer during a prediction"
        serving.process.send_signal(signal.SIGTERM)
        slow.join()
        assert answers[0].status_code == 200
        assert serving.process.wait(60) == 0


def test_sigterm_ends_the_process_while_the_model_loads(interpreter: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    save_obedient(model, load="print('loading', flush=True, file=__import__('sys').stderr); time.sleep(300)")
    with start(interpreter, model) as serving:
        serving.wait_for_line("loading")
        serving.process.send_signal(signal.SIGTERM)
        assert serving.process.wait(60) == 0


def test_two_workers_share_the_port_and_end_together(interpreter: Path, obedient: Path) -> None:
    with serve(interpreter, obedient, SERVING_WORKERS="2") as serving:
        workers: set[str] = set()
        deadline = time.monotonic() + 60
        while len(workers) < 2 and time.monotonic() < deadline:
            workers.add(serving.invoke(WHO).json()["predictions"][0])
        assert len(workers) == 2
        os.kill(int(min(workers)), signal.SIGKILL)
        assert serving.process.wait(60) != 0
        assert serving.ping() is None


def test_the_last_line_names_the_folder_of_a_missing_model(interpreter: Path, tmp_path: Path) -> None:
    ended = run(interpreter, tmp_path / "nowhere")
    assert ended.returncode == 1
    assert _last_line(ended) == (
        f"serve: There is no MLflow model in {tmp_path}/nowhere: "
        "ModelDataUrl must be a tar.gz file with MLmodel at its top."
    )


def test_an_archive_with_a_top_level_folder_is_not_a_model(interpreter: Path, obedient: Path) -> None:
    ended = run(interpreter, obedient.parent)
    assert ended.returncode == 1
    assert "There is no MLflow model in" in _last_line(ended)


def test_the_last_line_names_a_missing_module(iris: Path, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(requirements("mlflow-skinny", "pandas"))
    interpreter = Venvs(settings_of(Path("unused"), 1).cache / "venvs").python(file, "3.11")
    ended = run(interpreter, iris)
    assert ended.returncode == 1
    assert "Traceback (most recent call last)" in ended.stderr
    assert _last_line(ended) == (
        "serve: The model needs the Python module 'sklearn', which its requirements.txt does not install: "
        "log the model again with pip_requirements that include it."
    )


def test_the_last_line_names_mlflow_if_it_is_missing(obedient: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    ended = run(tmp_path / "bare/bin/python", obedient)
    assert ended.returncode == 1
    assert "needs the Python module 'mlflow'" in _last_line(ended)


def test_the_last_line_gives_the_reason_if_the_model_cannot_be_loaded(
    interpreter: Path, iris: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(iris, broken)
    (broken / "model.pkl").write_bytes(b"not a pickle")
    ended = run(interpreter, broken)
    assert ended.returncode == 1
    assert _last_line(ended).startswith(f"serve: The model in {broken} cannot be loaded: UnpicklingError: ")


def test_the_last_line_names_a_port_in_use(interpreter: Path, obedient: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run(interpreter, obedient, SAGEMAKER_BIND_TO_PORT=port)
    assert ended.returncode == 1
    assert _last_line(ended) == f"serve: Cannot listen on 127.0.0.1:{port}: Address already in use."


def test_a_request_that_takes_too_long_is_answered_with_504(interpreter: Path, obedient: Path) -> None:
    with serve(interpreter, obedient, SERVING_TIMEOUT_SECONDS="1") as serving:
        assert serving.invoke(SLEEPING % 4).status_code == 504


@pytest.mark.parametrize(
    "given",
    [
        {"SAGEMAKER_BIND_TO_PORT": "http"},
        {"SERVING_WORKERS": "0"},
        {"SERVING_TIMEOUT_SECONDS": "1.5"},
        {"SERVING_BATCHING": "yes"},
        {"SERVING_LOG_LEVEL": "loud"},
        {"SERVING_ACCESS_LOG": "1"},
    ],
)
def test_an_invalid_variable_exits_with_status_2(interpreter: Path, obedient: Path, given: dict[str, str]) -> None:
    ended = run(interpreter, obedient, **given)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"serve: {next(iter(given))}=")


def test_an_unknown_argument_exits_with_status_2(interpreter: Path, obedient: Path) -> None:
    ended = run(interpreter, obedient, "train")
    assert ended.returncode == 2
    assert ended.stderr == "serve: Run it as `serve`, without train.\n"
