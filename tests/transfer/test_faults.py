"""After any fault, the next copy completes the work, without differences and duplicates."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import httpx
import pytest
from botocore.credentials import Credentials

from mlflow_common.errors import PlatformError
from mlflow_transfer import rate
from mlflow_transfer.access import Access
from mlflow_transfer.archive import Archive
from mlflow_transfer.auth import SigV4
from mlflow_transfer.client import Client
from mlflow_transfer.options import Options
from mlflow_transfer.rate import Rate
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.stores import Folder
from tests.support.running import free_port
from tests.transfer.conftest import Servers
from tests.transfer.moving import RETRY, TRUST, back_up, behind, copy, held_alike, places, same
from tests.transfer.proxying import FaultyProxy, first_of_each
from tests.transfer.seeding import Seeder, folder, write
from tests.transfer.servers import Forks, Server

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "faults",
    [["429", "503", "500 before", "drop before", "500 after"], ["drop after"], ["half body"]],
    ids=str,
)
def test_every_kind_of_call_survives_faults_on_either_side(
    servers: Servers, faults: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One throttled call of each kind would slow the rate down to two calls per second.
    monkeypatch.setattr(rate, "_SLOWEST", 100.0)
    with (
        FaultyProxy(servers.new.port, first_of_each(*faults)) as source,
        FaultyProxy(servers.target.port, first_of_each(*faults)) as target,
    ):
        copy(source.url, target.url)
    for fault in faults:
        assert target.struck_by(fault) >= {
            "experiments/create", "runs/create", "runs/log-batch", "runs/log-inputs", "runs/outputs", "runs/update",
            "runs/delete", "logged-models", "model-versions/create", "model-versions/transition-stage",
            "registered-models/create", "registered-models/alias", "traces", "experiments/delete",
        }  # fmt: skip
        assert source.struck_by(fault) >= {
            "experiments/search", "runs/search", "runs/get", "metrics/get-history", "metrics/get-history-bulk",
            "logged-models/search", "registered-models/search", "model-versions/search", "traces",
        }  # fmt: skip
    held_alike(servers.new, servers.target)


def test_twenty_kills_leave_no_difference_and_no_duplicate(servers: Servers, tmp_path: Path) -> None:
    seed = int(os.environ.get("TRANSFER_KILL_SEED", "7"))
    killed = 0
    # The copy is slowed down, so that it is running when it is killed. A finished one starts again with an empty
    # destination.
    with FaultyProxy(servers.target.port, latency=0.03) as proxy:
        while killed < 20:
            servers.target.empty()
            command = [sys.executable, "-m", "tests.transfer.killed", servers.new.database, proxy.url, tmp_path / "map"]
            done = subprocess.run(
                [*command, str(20 - killed), str(seed + killed)],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            killed += int(done.stdout)
    copy(servers.new.url, servers.target.url, checkpoint=tmp_path / "map")
    held_alike(servers.new, servers.target)


def test_waits_for_a_destination_that_is_restarted(all_servers: Servers, forks: Forks, tmp_path: Path) -> None:
    server = Server("3.0", tmp_path / "restarted", forks).start().ready()

    def restart() -> None:
        time.sleep(0.4)
        server.stop()
        time.sleep(0.5)
        server.start()

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        copy(all_servers.old.url, server.url)
        thread.join()
        held_alike(all_servers.old, server)
    finally:
        thread.join()
        server.stop()


def test_an_unavailable_server_causes_a_one_line_error() -> None:
    async def go() -> None:
        client = Client("gone", f"http://127.0.0.1:{free_port()}", retry=RETRY.__class__(patience=0.5, longest=0.1))
        await client.get("experiments/get")

    with pytest.raises(
        PlatformError, match=r"^gone cannot be reached \(.*\): check that it is running, then try again$"
    ):
        asyncio.run(go())


def test_the_next_backup_completes_one_that_filled_the_disk(servers: Servers, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    command = [sys.executable, "scripts/transfer.py", "backup", servers.new.url, archive, *TRUST]

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    failed = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, preexec_fn=full, timeout=300, check=False
    )
    assert failed.returncode == 1
    assert "cannot be written (File too large): make room there and try again" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert Archive(Folder(archive)).snapshots() == []
    assert not list(archive.rglob("*transfer-partial*"))

    back_up(servers.new.url, archive, "next", options=Options())
    same(behind(servers.new), ArchiveSource(Archive(Folder(archive))), options=Options())


def test_expired_credentials_are_renewed_and_the_request_is_signed_again() -> None:
    keys = iter(["old", "old", "new", "new"])
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        key = request.headers["authorization"].split("Credential=")[1].split("/")[0]
        seen.append(key)
        assert request.headers["x-mlflow-sm-tracking-server-arn"] == "arn:x"
        return httpx.Response(200, json={"ok": True}) if key == "new" else httpx.Response(403, json={})

    auth = SigV4(
        lambda: Credentials(next(keys), "secret"),
        "us-east-1",
        "sagemaker-mlflow",
        "x-mlflow-sm-tracking-server-arn",
        "arn:x",
    )
    next(keys)
    client = Client("server", "https://server", auth=auth, transport=httpx.MockTransport(answer))
    assert asyncio.run(client.get("experiments/get")) == {"ok": True}
    assert seen == ["old", "new"]


@pytest.mark.parametrize(
    ("access", "header"),
    [(Access(username="ana", password="secret"), "Basic YW5hOnNlY3JldA=="), (Access(token="secret"), "Bearer secret")],
)
def test_only_the_server_receives_its_password_or_token(servers: Servers, access: Access, header: str) -> None:
    async def go() -> None:
        with FaultyProxy(servers.new.port) as proxy:
            source = await places().server(proxy.url, access)
            assert "Default" in {experiment.name async for experiment in source.experiments()}
            await source.close()
            assert proxy.authorizations == {header}
            assert "secret" not in source.name + source.identity + repr(access)

    asyncio.run(go())


def test_a_throttled_call_reduces_the_rate_which_recovers_with_time() -> None:
    now = [0.0]
    slowed = Rate(25, 50, clock=lambda: now[0])
    slowed.throttled()
    assert slowed.current == 12.5
    # Simultaneous calls that are throttled reduce the rate only once.
    slowed.throttled()
    assert slowed.current == 12.5
    now[0] = 1.0
    slowed.throttled()
    assert slowed.current == 6.25
    now[0] = 5.0
    asyncio.run(slowed.wait())
    assert slowed.current == pytest.approx(14.25)
    now[0] = 100.0
    asyncio.run(slowed.wait())
    assert slowed.current == 25


def test_a_rate_allows_a_burst_and_then_the_limit() -> None:
    async def go() -> float:
        limited = Rate(100, 10)
        start = time.monotonic()
        for _ in range(40):
            await limited.wait()
        return time.monotonic() - start

    assert 0.29 <= asyncio.run(go()) < 1.5


def test_an_interrupted_copy_stops_within_a_large_file_and_leaves_no_partial_file(
    servers: Servers, tmp_path: Path
) -> None:
    source = Seeder(servers.new.url)
    experiment = source.experiment("huge")
    run = source.run(experiment, "huge")
    write(run["artifact_uri"], "huge.bin", b"begin")
    huge = folder(run["artifact_uri"]) / "huge.bin"
    os.truncate(huge, 200 << 30)
    source.end(run["run_id"])
    command = [
        sys.executable,
        "scripts/transfer.py",
        "copy",
        servers.new.url,
        servers.target.url,
        "--experiment",
        "huge",
    ]
    process = subprocess.Popen(
        [*command, "--checkpoint", tmp_path / "map", *TRUST],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        # A background job of a shell ignores Ctrl-C, and its child processes inherit that, so reset the signal.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while not list(servers.target.folder.glob("artifacts/**/huge.bin.transfer-partial")):
            assert process.poll() is None, str(process.communicate())
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
        huge.unlink()
    assert process.returncode == 130
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert not list(servers.target.folder.glob("artifacts/**/huge.bin*"))
