"""Measures the serving container's entry point against `mlflow models serve`, with one worker each and the same model.

The model is a random forest on the iris data. Both servers run at the same time. Each cell measures them in turn, so
that other load on the machine affects both equally. The responses are compared before the measurements.

Targets: with one row and one client, at least 1.5 times the requests per second, and at most 1.5 times the time of
`model.predict` itself; with 8 and 32 clients, at least 4 times; 1,000 rows faster; p99 not higher in any cell; not
more memory.
Exit status 1: a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # For tests.support, which finds free ports.

from bench.targets import exit_status  # noqa: E402
from tests.support.running import free_port  # noqa: E402

TREES = 100
START_SECONDS = 120
WARM_UP_SECONDS = 0.5
BODIES = ("1 row JSON", "1 row CSV", "1,000 rows JSON", "1,000 rows CSV")
CLIENTS = (1, 8, 32)


@dataclass(frozen=True)
class Request:
    """One kind of request."""

    name: str
    body: bytes
    content_type: str

    def raw(self, port: int) -> bytes:
        """The bytes of the HTTP request."""
        head = f"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {self.content_type}\r\n"
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body


@dataclass(frozen=True)
class Cell:
    """The results of one server for one kind of request. Times are in milliseconds."""

    server: str
    request: str
    clients: int
    requests_per_second: float
    p50: float
    p99: float


@dataclass
class Server:
    """A running server."""

    name: str
    port: int
    pid: int
    seconds_to_start: float

    def memory(self) -> float:
        """Resident memory of the process and its children, in MiB."""
        kib = 0
        for pid in [self.pid, *_children(self.pid)]:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    kib += int(line.split()[1])
        return kib / 1024


def main() -> int:
    """Measure, print and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure each cell (default 3)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        model = Path(folder) / "model"
        requests = make_model(model)
        servers = [stack.enter_context(ours(model)), stack.enter_context(peer(model))]
        for server in servers:
            print(f"{server.name}: started in {server.seconds_to_start:.1f} s")
        compare(servers, requests)
        baseline = InProcessBaseline(model)
        baseline.measure(given.seconds)
        cells = []
        for number, (request, clients) in enumerate(itertools.product(requests, CLIENTS)):
            cells += [asyncio.run(measure(server, request, clients, given.seconds)) for server in servers]
            if number == 0:
                baseline.measure(given.seconds)
        memory = {server.name: server.memory() for server in servers}
    predict_ms, pyfunc_ms = baseline.medians()
    missed = judge(cells, predict_ms, memory)
    report = {
        "predict_ms": predict_ms,
        "pyfunc_predict_ms": pyfunc_ms,
        "memory_mib": memory,
        "cells": [asdict(cell) for cell in cells],
        "missed": missed,
    }
    print(f"one row without a server: model.predict {predict_ms:.1f} ms, pyfunc's predict {pyfunc_ms:.1f} ms")
    print_table(cells, memory)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")
    return exit_status(missed)


class InProcessBaseline:
    """The time of a prediction of one row without a server, measured beside the servers' time for it."""

    def __init__(self, model: Path) -> None:
        import mlflow.pyfunc
        from sklearn.datasets import load_iris

        self._pyfunc = mlflow.pyfunc.load_model(str(model))
        self._model = self._pyfunc.get_raw_model()
        self._row = load_iris(return_X_y=True, as_frame=True)[0].head(1)
        self._seconds: list[tuple[float, float]] = []

    def measure(self, seconds: float) -> None:
        """Predict with the model itself and with `mlflow.pyfunc` in turn."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            self._model.predict(self._row)
            between = time.perf_counter()
            self._pyfunc.predict(self._row)
            self._seconds.append((between - began, time.perf_counter() - between))

    def medians(self) -> tuple[float, float]:
        """The milliseconds of `model.predict`, and of `predict` of the pyfunc model."""
        own, pyfunc = zip(*self._seconds, strict=True)
        return 1000 * statistics.median(own), 1000 * statistics.median(pyfunc)


def make_model(folder: Path) -> list[Request]:
    """Save the model, and return the requests."""
    import mlflow.sklearn
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    rows, kinds = load_iris(return_X_y=True, as_frame=True)
    model = RandomForestClassifier(TREES, random_state=0).fit(rows, kinds)
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(rows, model.predict(rows)),
        pip_requirements=["mlflow", "scikit-learn"],
        serialization_format="cloudpickle",
    )
    one, many = rows.head(1), pd.concat([rows] * 7).head(1000)
    requests = []
    for frame, size in ((one, "1 row"), (many, "1,000 rows")):
        split = {"dataframe_split": {"columns": list(frame.columns), "data": frame.to_numpy().tolist()}}
        requests.append(Request(f"{size} JSON", json.dumps(split).encode(), "application/json"))
        requests.append(Request(f"{size} CSV", frame.to_csv(index=False).encode(), "text/csv"))
    return requests


@contextmanager
def ours(model: Path) -> Iterator[Server]:
    """The serving container's entry point."""
    port = free_port()
    env = {
        **os.environ,
        "SERVING_MODEL_DIR": str(model),
        "SERVING_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }
    with started("serving/serve", [sys.executable, str(REPOSITORY / "serving/serve"), "serve"], env, port) as server:
        yield server


@contextmanager
def peer(model: Path) -> Iterator[Server]:
    """MLflow's own server, in this environment."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "--model-uri", str(model)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # `mlflow models serve` starts uvicorn by its name.
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with started("mlflow models serve", command, env, port) as server:
        yield server


@contextmanager
def started(name: str, command: list[str], env: dict[str, str], port: int) -> Iterator[Server]:
    """Start a server, wait until /ping answers, and end its process group afterwards."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while not asyncio.run(_pings(port)):
            if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                raise SystemExit(f"{name} did not start")
            time.sleep(0.05)
        yield Server(name, port, process.pid, time.perf_counter() - began)
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


async def _pings(port: int) -> bool:
    try:
        status, _ = await exchange(port, b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    except OSError:
        return False
    return status == 200


async def exchange(port: int, request: bytes) -> tuple[int, bytes]:
    """Send the bytes of a request, and return the status and the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await _answer(reader)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


def compare(servers: list[Server], requests: list[Request]) -> None:
    """Check that both servers return the same responses."""
    bad = Request("malformed JSON", b'{"dataframe_split": {"columns": ["a"], "data": [[1]]}}', "application/json")
    for request in [*requests, bad]:
        answers = [asyncio.run(exchange(server.port, request.raw(server.port))) for server in servers]
        if answers[0] != answers[1]:
            raise SystemExit(f"{request.name}: the answers differ")


async def measure(server: Server, request: Request, clients: int, seconds: float) -> Cell:
    """Send requests from several clients. Each client sends its next request after it has received a response."""
    await _load(server.port, request, clients, WARM_UP_SECONDS)
    began = time.perf_counter()
    times = await _load(server.port, request, clients, seconds)
    elapsed = time.perf_counter() - began
    times.sort()
    return Cell(
        server=server.name,
        request=request.name,
        clients=clients,
        requests_per_second=len(times) / elapsed,
        p50=1000 * times[len(times) // 2],
        p99=1000 * times[min(len(times) - 1, len(times) * 99 // 100)],
    )


async def _load(port: int, request: Request, clients: int, seconds: float) -> list[float]:
    raw = request.raw(port)
    end = time.perf_counter() + seconds
    times: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < end:
            writer.write(raw)
            status, _ = await _answer(reader)
            if status != 200:
                raise SystemExit(f"{request.name}: status {status}")
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


def judge(cells: list[Cell], predict_ms: float, memory: dict[str, float]) -> list[str]:
    """The targets that were missed."""
    missed = []
    for mine, other in zip(cells[::2], cells[1::2], strict=True):
        where = f"{mine.request}, {mine.clients} clients"
        ratio = mine.requests_per_second / other.requests_per_second
        target = 1.0 if mine.request.startswith("1,000") else (1.5 if mine.clients == 1 else 4.0)
        if ratio < target:
            missed.append(f"{where}: {ratio:.2f} times the requests a second, not {target}")
        if mine.p99 > other.p99:
            missed.append(f"{where}: p99 {mine.p99:.1f} ms, the peer's {other.p99:.1f} ms")
    one_row = next(cell for cell in cells if cell.request == BODIES[0] and cell.clients == 1)
    if one_row.p50 > 1.5 * predict_ms:
        missed.append(f"one row takes {one_row.p50:.1f} ms, model.predict alone {predict_ms:.1f} ms")
    mine_mib, other_mib = memory.values()
    if mine_mib > other_mib:
        missed.append(f"{mine_mib:.0f} MiB of memory, the peer {other_mib:.0f} MiB")
    return missed


def print_table(cells: list[Cell], memory: dict[str, float]) -> None:
    """Print the figures side by side."""
    for name, mib in memory.items():
        print(f"{name}: {mib:.0f} MiB after the run")
    print(f"{'request':18}{'clients':>8}{'ours/s':>10}{'peer/s':>10}{'ratio':>8}{'p50 ms':>16}{'p99 ms':>18}")
    for mine, other in zip(cells[::2], cells[1::2], strict=True):
        ratio = mine.requests_per_second / other.requests_per_second
        print(
            f"{mine.request:18}{mine.clients:8}{mine.requests_per_second:10.0f}{other.requests_per_second:10.0f}"
            f"{ratio:8.1f}{mine.p50:8.1f}{other.p50:8.1f}{mine.p99:9.1f}{other.p99:9.1f}"
        )


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found


if __name__ == "__main__":
    sys.exit(main())
