"""A whole localaws of the test's own: it starts once, and leaves no process behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from requests.utils import should_bypass_proxies

from localaws import daemon
from tests.localaws.endpoints.hosted import Hosted
from tests.serving.models import save_obedient
from tests.support.running import RunningLocalAws, free_port, start, tracking_server


def command(home: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localaws", *arguments],
        env={**os.environ, "LOCALAWS_HOME": str(home), "LOCALAWS_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie: in a container nobody may reap orphans."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(shown.stdout.strip()) and not shown.stdout.startswith("Z")


def until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def noted(notes: Path, name: str) -> int:
    """The process id in the note of a child, as soon as it is there and whole."""
    until(lambda: [note for note in notes.glob(f"{name}.json") if note.read_text().endswith("}")], seconds=30)
    (note,) = notes.glob(f"{name}.json")
    pid: int = json.loads(note.read_text())["pid"]
    return pid


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that never answers."""
    with socket.socket() as listening:
        listening.settimeout(60)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def test_a_second_start_is_refused_and_says_who_runs(localaws: RunningLocalAws) -> None:
    refused = command(localaws.settings.home, localaws.settings.port, "up")
    assert refused.returncode == 3
    assert refused.stderr.startswith("localaws is already running (process ")
    assert refused.stderr.count("\n") == 1


def test_a_taken_port_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = command(tmp_path, port, "up")
    assert refused.returncode == 3
    assert refused.stderr == (
        f"Port {port} is taken by another program: set LOCALAWS_PORT to a free port and try again.\n"
    )


def test_status_without_a_localaws_says_how_to_start_one(tmp_path: Path) -> None:
    told = command(tmp_path, free_port(), "status")
    assert (told.returncode, told.stderr) == (3, "localaws is not running: start it with `make local-up`.\n")


def test_the_variables_lead_clients_around_a_proxy_beside_what_the_shell_leads_there(
    localaws: RunningLocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ""
    for before in ("intranet.example", "intranet.example,127.0.0.1,localhost,.localhost"):
        monkeypatch.setenv("NO_PROXY", before)
        told = command(localaws.settings.home, localaws.settings.port, "env").stdout.splitlines()
        for name in ("NO_PROXY", "no_proxy"):
            [said] = [line.partition("=")[2] for line in told if line.startswith(f"export {name}=")]
            assert said == "intranet.example,127.0.0.1,localhost,.localhost"
    for url in (localaws.url, "http://t-1.localhost:4577", "http://intranet.example"):
        assert should_bypass_proxies(url, no_proxy=said)
    assert "127.0.0.1" in localaws.env["no_proxy"]


def test_a_version_that_is_not_offered_cannot_be_prepared(tmp_path: Path) -> None:
    told = command(tmp_path, free_port(), "prepare", "1.30")
    assert told.returncode == 2
    assert "2.13, 2.16, 3.0" in told.stderr


def test_sigterm_ends_localaws_and_every_process_that_it_started(
    tmp_path: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers and containers, those that serve, still load or are still built; and nobody starts them again."""
    save_obedient(tmp_path / "quick")
    save_obedient(tmp_path / "slow", load="time.sleep(60)")
    save_obedient(tmp_path / "unbuilt")
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/slow-1-py3-none-any.whl"
    (tmp_path / "unbuilt/requirements.txt").write_text(f"slow @ {url}\n")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    localaws = start(tmp_path / "home")
    notes = localaws.settings.run / "processes"
    pid = daemon.running_pid(localaws.settings)
    assert pid
    try:
        tracking_server(localaws, "ended")
        group = localaws.health()["tracking_servers"][0]["pid"]
        workers = subprocess.run(["ps", "-o", "pid=", "-g", str(group)], capture_output=True, text=True, check=True)
        children = [int(line) for line in workers.stdout.split()]
        assert len(children) >= 2
        hosted = Hosted(localaws, tmp_path)
        name = hosted.endpoint(tmp_path / "quick")
        children.append(int(hosted.predict(name, '{"dataframe_records": [{"x": 1}]}')[0]))
        config = hosted.config(hosted.model(tmp_path / "slow"))
        hosted.sagemaker.create_endpoint(EndpointName="loading", EndpointConfigName=config)
        children.append(noted(notes, "endpoint-loading-*"))
        config = hosted.config(hosted.model(tmp_path / "unbuilt"))
        hosted.sagemaker.create_endpoint(EndpointName="building", EndpointConfigName=config)
        silent.accept()  # Now uv waits for the answer.
        children.append(noted(notes, "build-*"))
        localaws.fault("localaws:StartTrackingServer", delay=0.5, resource="starting")
        tracking_server(localaws, "starting", wait=False)
        assert all(alive(child) for child in children)
        os.kill(pid, signal.SIGTERM)
        until(lambda: daemon.running_pid(localaws.settings) is None, seconds=15)
        assert [child for child in children if alive(child)] == []
        assert list(notes.glob("*.json")) == []
        assert list(localaws.settings.cache.glob(f"venvs/*.{pid}")) == []
        assert not localaws.settings.env_file.exists()
    finally:
        daemon.down(localaws.settings)


def test_down_ends_what_a_killed_localaws_left_behind(tmp_path: Path) -> None:
    localaws = start(tmp_path / "home")
    tracking_server(localaws, "orphan", wait=False)
    child = noted(localaws.settings.run / "processes", "mlflow-orphan-*")
    pid = daemon.running_pid(localaws.settings)
    assert pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.running_pid(localaws.settings) is None, seconds=5)
    assert alive(child)
    assert daemon.down(localaws.settings)
    assert not alive(child)
