"""The life cycle of a localaws: only one starts for a home, and no process is left after it stops."""

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from requests.utils import should_bypass_proxies

from localaws import daemon
from localaws.__main__ import main
from localaws.home import HomeError, write_env
from localaws.serve import _serve
from localaws.settings import REPOSITORY, Settings
from mlflow_platform.mlflow_versions import supported_versions
from tests.localaws.endpoints.hosted import Hosted
from tests.localaws.tracking.calls import track
from tests.serving.models import save_obedient
from tests.support.running import RunningLocalAws, free_port, settings_of, start, tracking_server


def command(home: Path, port: int, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localaws", *arguments],
        env={**os.environ, "LOCALAWS_HOME": str(home), "LOCALAWS_PORT": str(port), **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie: some containers reap no orphans."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(shown.stdout.strip()) and not shown.stdout.startswith("Z")


def until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def noted(notes: Path, name: str) -> int:
    """The process id in the note of a child. Waits until the note is complete."""
    until(lambda: [note for note in notes.glob(f"{name}.json") if note.read_text().endswith("}")], seconds=120)
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


def test_a_second_start_is_refused_and_names_the_running_process(localaws: RunningLocalAws) -> None:
    refused = command(localaws.settings.home, localaws.settings.port, "up")
    assert refused.returncode == 3
    assert refused.stderr.startswith("localaws is already running (process ")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["up", "reset", "mirror staging"])
def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, verb: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("x")
    tmp_path.chmod(0o755)
    done = command(tmp_path, free_port(), *verb.split())
    message = f"{tmp_path} holds other files: set LOCALAWS_HOME to a new or empty folder.\n"
    assert (done.returncode, done.stderr) == (3, message)
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "train.csv"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (("run/run.sh", "env/bin/python", "data/train.csv", "src/a.py"), ""),
        (("run/command", "env/bin/python", "data/state.json"), ""),
        (("run/command", "data/train.csv"), "/data"),
        (("terraform/main.tf",), ""),
        (("data/state.json",), ""),
        (("logs/a.log",), ""),
        (("saved/photo.jpg",), ""),
    ],
)
def test_a_project_with_folders_of_the_same_names_is_left_alone(
    tmp_path: Path, names: tuple[str, ...], refused: str
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    tmp_path.chmod(0o755)
    for act in (daemon.down, daemon.reset):
        with pytest.raises(HomeError, match=rf"{refused} holds other files: set LOCALAWS_HOME to"):
            act(settings_of(tmp_path, 1))
    assert [name for name in names if not (tmp_path / name).exists()] == []
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "names",
    [
        ("run/", "logs/"),
        ("run/command", "run/unsaved", "data/tracking/x.db"),
        ("run/command", "data/calls.jsonl"),
        ("saved/one/state.json",),
    ],
)
def test_a_home_whose_localaws_was_killed_can_be_reset(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    daemon.reset(settings_of(tmp_path, 1))
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_refused_with_a_solution(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = command(tmp_path, port, "up")
    assert refused.returncode == 3
    assert refused.stderr == (
        f"Port {port} is taken by another program: set LOCALAWS_PORT to a free port and try again.\n"
    )


def test_concurrent_starts_report_that_it_is_running(tmp_path: Path) -> None:
    port = free_port()
    try:
        with ThreadPoolExecutor() as pool:
            done = list(pool.map(lambda _: command(tmp_path, port, "up"), range(3)))
        assert sorted(one.returncode for one in done) == [0, 3, 3]
        refused = [one.stderr for one in done if one.returncode == 3]
        assert all(text.startswith("localaws is already running (process ") for text in refused), refused
    finally:
        daemon.reset(settings_of(tmp_path, port))


def test_a_proxy_in_the_environment_is_not_used(tmp_path: Path, silent: socket.socket) -> None:
    port = free_port()
    proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
    proxied = {"HTTP_PROXY": proxy, "http_proxy": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "", "no_proxy": ""}
    try:
        for verb in ("up", "status", "down"):
            done = command(tmp_path, port, verb, **proxied)
            assert (done.returncode, done.stderr) == (0, ""), verb
            if verb == "status" and sys.platform == "linux":
                # Its own AWS clients, such as the one that downloads models, do not use the proxy either.
                pid = daemon.running_pid(settings_of(tmp_path, port))
                assert b"\0NO_PROXY=127.0.0.1," in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        daemon.reset(settings_of(tmp_path, port))


def test_a_home_with_spaces_and_umlauts_works_with_256_open_files(tmp_path: Path) -> None:
    home, port = tmp_path / "Prüf stand", free_port()
    limited = f'ulimit -n 256; exec "{sys.executable}" -m localaws up'
    environ = {**os.environ, "LOCALAWS_HOME": str(home), "LOCALAWS_PORT": str(port)}
    try:
        done = subprocess.run(["bash", "-c", limited], env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        localaws = RunningLocalAws(settings_of(home, port))
        arn = tracking_server(localaws, "umlaut")
        s3 = localaws.client("s3")
        body = b"x" * 5 * 1024 * 1024
        for number in range(300):
            s3.put_object(Bucket="umlaut-bucket", Key=f"{number}", Body=body if number < 20 else b"small")
        with ThreadPoolExecutor(32) as pool:
            found = list(pool.map(lambda number: s3.head_object(Bucket="umlaut-bucket", Key=str(number)), range(300)))
        assert len(found) == 300
        assert track(localaws, arn, "GET", "experiments/get?experiment_id=0").status_code == 200
    finally:
        daemon.reset(settings_of(home, port))


@pytest.mark.parametrize(
    ("variables", "status", "message"),
    [
        ({"LOCALAWS_PORT": "inf"}, 2, "LOCALAWS_PORT=inf is not a port: use 1 to 65535.\n"),
        ({"LOCALAWS_PORT": "nan"}, 2, "LOCALAWS_PORT=nan is not a positive number.\n"),
        ({"LOCALAWS_PORT": "80.5"}, 2, "LOCALAWS_PORT=80.5 is not a port: use 1 to 65535.\n"),
        ({"LOCALAWS_PORT": "1e400"}, 2, "LOCALAWS_PORT=1e400 is not a port: use 1 to 65535.\n"),
        ({"LOCALAWS_IDLE_MINUTES": "nan"}, 2, "LOCALAWS_IDLE_MINUTES=nan is not a positive number.\n"),
        (
            {"LOCALAWS_HOME": "/etc/hostname"},
            2,
            "/etc/hostname cannot be the folder for localaws's data (Not a directory): set LOCALAWS_HOME.\n",
        ),
        (
            {"LOCALAWS_HOME": "/etc/hostname/below"},
            2,
            "/etc/hostname/below cannot be the folder for localaws's data (Not a directory): set LOCALAWS_HOME.\n",
        ),
    ],
)
def test_rejects_invalid_settings_in_one_line(
    tmp_path: Path, variables: dict[str, str], status: int, message: str
) -> None:
    done = command(tmp_path, free_port(), "up", **variables)
    assert (done.returncode, done.stderr) == (status, message)


# After a failure, `eval "$(python -m localaws env)"` must fail too: the commands after it would work on AWS.
REFUSAL = {"env": "false\n"}
VERBS = ("up", "down", "status", "env", "logs", "reset", "save one", "restore one", "mirror staging", "serve")


@pytest.fixture
def verb_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a verb for a home in this process; returns the exit status and what it printed."""

    def run(home: Path, verb: str) -> tuple[int, str, str]:
        monkeypatch.setenv("LOCALAWS_HOME", str(home))
        status = main(verb.split())
        return (status, *capsys.readouterr())

    return run


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_a_home_that_cannot_be_a_folder(
    tmp_path: Path, verb: str, verb_of: Callable[..., tuple[int, str, str]]
) -> None:
    file, loop = tmp_path / "file", tmp_path / "loop"
    file.write_text("mine")
    loop.symlink_to(loop)
    for home in (file, file / "below", tmp_path / ("long" * 100), loop):
        status, out, error = verb_of(home, verb)
        assert (status, out) == (2, REFUSAL.get(verb, "")), home
        assert str(home) in error
        assert "LOCALAWS_HOME" in error
        assert error.count("\n") == 1
    assert file.read_text() == "mine"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_leaves_a_folder_of_the_user_alone(
    tmp_path: Path, verb: str, verb_of: Callable[..., tuple[int, str, str]]
) -> None:
    names = ("env", "run/run.sh", "run/processes/1.json", "logs/localaws.log", "data/train.csv", "saved/one/photo.jpg")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    message = f"{tmp_path} holds other files: set LOCALAWS_HOME to a new or empty folder.\n"
    assert verb_of(tmp_path, verb) == (3, REFUSAL.get(verb, ""), message)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(names)


@pytest.mark.parametrize(
    ("verb", "status", "answer"),
    [
        ("down", 0, "localaws was not running.\n"),
        ("reset", 0, "localaws is stopped, and its state is deleted.\n"),
        ("status", 3, "localaws is not running: start it with `make local-up`.\n"),
        ("env", 3, "false\nlocalaws is not running: start it with `make local-up`.\n"),
        ("logs", 3, "There is no log yet in "),
        ("save one", 2, "There is no saved state: start localaws, and stop it with `python -m localaws down`.\n"),
        ("restore one", 2, "There is no saved state named one. Saved: none.\n"),
        ("mirror nowhere", 2, "There is no environment named nowhere: choose one of mlflow/terraform/.\n"),
    ],
)
def test_a_home_that_does_not_exist_holds_nothing_and_is_not_made(
    tmp_path: Path, verb: str, status: int, answer: str, verb_of: Callable[..., tuple[int, str, str]]
) -> None:
    found, out, error = verb_of(tmp_path / "home", verb)
    assert (found, (out + error).startswith(answer), error.count("\n") + (not error)) == (status, True, 1)
    assert not (tmp_path / "home").exists()


def test_a_file_that_cannot_be_deleted_is_one_line(
    tmp_path: Path, verb_of: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/command").touch()
    (tmp_path / "data").symlink_to(tmp_path / "run")
    (tmp_path / "run/state.json").touch()
    status, out, error = verb_of(tmp_path, "reset")
    assert (status, out, error.count("\n")) == (1, "", 1)
    assert error.startswith("localaws cannot use its files or its output: ")


def test_output_that_cannot_be_written_is_one_line(localaws: RunningLocalAws) -> None:
    environ = {**os.environ, "LOCALAWS_HOME": str(localaws.settings.home), "LOCALAWS_PORT": "1"}
    environ.pop("PYTHONUNBUFFERED", None)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "localaws", "env"], cwd=REPOSITORY, env=environ, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("localaws cannot use its files or its output: ")


def test_another_port_in_the_shell_does_not_hide_what_runs(localaws: RunningLocalAws) -> None:
    home, url = localaws.settings.home, localaws.settings.url
    shown, refused = command(home, free_port(), "status"), command(home, free_port(), "up")
    assert (shown.returncode, url in shown.stdout) == (0, True)
    assert (refused.returncode, url in refused.stderr) == (3, True)


def test_an_interruption_has_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb_of: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setattr(daemon, "up", Mock(side_effect=KeyboardInterrupt))
    status, out, error = verb_of(tmp_path, "up")
    assert (status, out, error.startswith("Interrupted. ")) == (130, "", True)


def test_env_without_valid_settings_fails_in_the_shell_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb_of: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setenv("LOCALAWS_PORT", "inf")
    assert verb_of(tmp_path, "env")[:2] == (2, "false\n")


def test_a_failed_start_serves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk, localaws answered, and its file of variables was empty: clients would have reached AWS."""

    class Broken:
        def __init__(self, _settings: Settings) -> None:
            self.application, self.last_request = self, time.monotonic()

        async def __call__(self, _scope: Any, _receive: Any, _send: Any) -> None:
            raise OSError(28, "No space left on device")

        def resume(self) -> None:
            raise AssertionError("it serves")

    monkeypatch.setattr("localaws.local_aws.LocalAws", Broken)
    for name in ("freeze", "set_threshold"):  # Of this process, too.
        monkeypatch.setattr(gc, name, lambda *_: None)
    for name in ("TEST_SERVER_MODE", "MOTO_PORT"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    with pytest.raises(SystemExit) as ended:
        asyncio.run(asyncio.wait_for(_serve(settings_of(tmp_path, free_port())), 20))
    assert ended.value.code != 0


def test_the_variables_are_written_in_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path, 1)
    file = settings.env_file
    file.write_text("AWS_ENDPOINT_URL=old\n")

    def full(_path: Path, _text: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_env(settings, {"AWS_ENDPOINT_URL": "new"})
    monkeypatch.undo()
    assert file.read_text() == "AWS_ENDPOINT_URL=old\n"
    write_env(settings, {"AWS_ENDPOINT_URL": "new", "AWS_PROFILE": ""})
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("AWS_ENDPOINT_URL=new\nAWS_PROFILE=\n", 0o600)


DAMAGED_NOTES = ("", "{", "[]", '{"pid": 1}', '{"pid": "x", "started": ""}')


def test_damaged_process_notes_do_not_prevent_a_start(tmp_path: Path) -> None:
    port, notes = free_port(), tmp_path / "run/processes"
    notes.mkdir(parents=True)
    (tmp_path / "run/command").touch()

    def damage(name: str) -> None:
        for number, note in enumerate(DAMAGED_NOTES):
            (notes / f"{name}-{number}.json").write_text(note)

    damage("mlflow-x")
    try:
        assert command(tmp_path, port, "up").returncode == 0
        damage("mlflow-y")
        assert command(tmp_path, port, "down").returncode == 0
        assert not list(notes.iterdir())
    finally:
        daemon.reset(settings_of(tmp_path, port))


def test_status_explains_how_to_start_localaws(tmp_path: Path) -> None:
    result = command(tmp_path, free_port(), "status")
    assert (result.returncode, result.stderr) == (3, "localaws is not running: start it with `make local-up`.\n")


def test_no_proxy_contains_localaws_and_the_entries_of_the_shell(
    localaws: RunningLocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = ""
    for before in ("intranet.example", "intranet.example,127.0.0.1,localhost,.localhost"):
        monkeypatch.setenv("NO_PROXY", before)
        result = command(localaws.settings.home, localaws.settings.port, "env").stdout.splitlines()
        for name in ("NO_PROXY", "no_proxy"):
            [value] = [line.partition("=")[2] for line in result if line.startswith(f"export {name}=")]
            assert value == "intranet.example,127.0.0.1,localhost,.localhost"
    for url in (localaws.url, "http://t-1.localhost:4577", "http://intranet.example"):
        assert should_bypass_proxies(url, no_proxy=value)
    assert "127.0.0.1" in localaws.env["no_proxy"]


def test_prepare_rejects_an_unsupported_version(tmp_path: Path) -> None:
    result = command(tmp_path, free_port(), "prepare", "1.30")
    assert result.returncode == 2
    assert ", ".join(supported_versions()) in result.stderr


def test_sigterm_ends_localaws_and_every_process_that_it_started(
    tmp_path: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Includes servers and containers that serve, load or are being built. None of them is started again."""
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
        silent.accept()  # uv waits for the response now.
        children.append(noted(notes, "build-*"))
        localaws.fault("localaws:StartTrackingServer", delay=0.5, resource="starting")
        tracking_server(localaws, "starting", wait=False)
        assert all(alive(child) for child in children)
        os.kill(pid, signal.SIGTERM)
        until(lambda: daemon.running_pid(localaws.settings) is None, seconds=120)
        assert [child for child in children if alive(child)] == []
        assert list(notes.glob("*.json")) == []
        assert list(localaws.settings.cache.glob(f"venvs/*.{pid}")) == []
        assert not localaws.settings.env_file.exists()
    finally:
        daemon.down(localaws.settings)


def test_down_ends_the_processes_of_a_killed_localaws(tmp_path: Path) -> None:
    localaws = start(tmp_path / "home")
    tracking_server(localaws, "orphan", wait=False)
    child = noted(localaws.settings.run / "processes", "mlflow-orphan-*")
    pid = daemon.running_pid(localaws.settings)
    assert pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.running_pid(localaws.settings) is None, seconds=60)
    assert alive(child)
    assert daemon.down(localaws.settings)
    assert not alive(child)
