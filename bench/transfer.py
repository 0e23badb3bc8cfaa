"""Measures scripts/transfer.py against mlflow-export-import on the same data and real MLflow 3.0 servers.

    python -m bench.transfer                   everything but the large run, at full size (some 15 minutes)
    python -m bench.transfer --quick           the same at a twentieth of the size
    python -m bench.transfer --large           one run of a million points and one file of 5 GiB

Servers are plain `mlflow.server` processes on this machine (SQLite, artifacts in a folder), with the default number of
workers of `mlflow server`.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.transfer_data import START, Size, fill, fill_large
from localaws.settings import Settings
from localaws.venvs import Venvs
from tests.support.running import free_port
from tests.transfer.servers import Server

REPOSITORY = Path(__file__).resolve().parents[1]
PEER = Path(__file__).with_name("transfer-peer.in")
RATE, LATENCY = 25.0, 0.02
AT_ONCE = 16


class Bench:
    """Servers below one folder, and the tools that copy between them."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self._workers = workers
        self._servers: list[Server] = []
        cache = Settings.from_environment(os.environ).cache
        self.peer = Venvs(cache / "venvs").python(PEER).parent

    def server(self, name: str) -> Server:
        """A new server that is not started yet."""
        found = Server("3.0", self.folder / name, workers=self._workers)
        self._servers.append(found)
        return found

    def close(self) -> None:
        """End all servers."""
        for server in self._servers:
            server.stop()

    @contextmanager
    def paced(self, server: Server, rate: float, latency: float) -> Iterator[str]:
        """A URL of a server behind a proxy that limits and counts its requests."""
        port = free_port()
        command = [sys.executable, "-m", "bench.pacing", str(port), server.url, str(rate), str(latency)]
        with subprocess.Popen(command, cwd=REPOSITORY) as process:
            url = f"http://127.0.0.1:{port}"
            while True:
                try:
                    httpx.get(f"{url}/_calls", trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            try:
                yield url
            finally:
                process.terminate()

    @property
    def trust(self) -> list[str]:
        """The option that names the servers' plain artifact folders."""
        return ["--trust-artifacts", str(self.folder)]

    def ours(self, source: str, target: str, *more: str) -> dict[str, Any]:
        """Copy with scripts/transfer.py. Return its output, its seconds and its peak memory (MiB)."""
        command = [
            "copy",
            source,
            target,
            "--accept-losses",
            "--json",
            "--checkpoint",
            f"{self.folder}/map.sqlite",
            *self.trust,
            *more,
        ]
        seconds, memory, out = measured([sys.executable, "scripts/transfer.py", *command])
        return {**json.loads(out.splitlines()[-1]), "seconds": seconds, "memory_mib": memory}

    def theirs(self, source: str, target: str) -> dict[str, Any]:
        """Export with mlflow-export-import, then import."""
        spool = self.folder / f"export-{time.monotonic_ns()}"
        out, out_memory, _ = measured([self.peer / "export-all", "--output-dir", spool], MLFLOW_TRACKING_URI=source)
        into, in_memory, _ = measured([self.peer / "import-all", "--input-dir", spool], MLFLOW_TRACKING_URI=target)
        return {"seconds": out + into, "export": out, "import": into, "memory_mib": max(out_memory, in_memory)}

    def verify(self, source: str, target: str, *more: str) -> dict[str, Any]:
        """The result of `transfer verify`."""
        command = [sys.executable, "scripts/transfer.py", "verify", source, target, "--json", *self.trust, *more]
        _, _, out = measured([*command, "--report", str(self.folder / "report")], check=False)
        report: dict[str, Any] = json.loads(out.splitlines()[-1])
        return report


def measured(command: list[Any], *, check: bool = True, **environment: str) -> tuple[float, float, str]:
    """Run a program. Return its seconds, its peak memory in MiB, and its output."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=REPOSITORY, stdout=out, stderr=err, env={**os.environ, **environment}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        if check and os.waitstatus_to_exitcode(status):
            raise SystemExit(f"{command[0]} failed:\n{err.read()[-3000:]}")
        return seconds, usage.ru_maxrss / 1024, out.read()


def replay(url: str, size: Size) -> float:
    """The seconds of only the minimum calls to the destination: create, log one batch and update, for every run."""

    async def go() -> float:
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(
            base_url=f"{url}/api/2.0/mlflow/", timeout=120, trust_env=False, limits=limits
        ) as http:
            experiment = (await http.post("experiments/create", json={"name": "replayed"})).json()["experiment_id"]
            slots = asyncio.Semaphore(AT_ONCE)

            async def post(path: str, body: dict[str, Any]) -> Any:
                answer = await http.post(path, json=body)
                answer.raise_for_status()
                return answer.json()

            async def one(index: int) -> None:
                tags = [{"key": f"tag-{n}", "value": str(index)} for n in range(size.tags + 2)]
                body = {"experiment_id": experiment, "start_time": START, "run_name": f"{index}", "tags": tags}
                run = (await post("runs/create", body))["run"]["info"]["run_id"]
                metrics = [
                    {"key": f"metric-{n}", "value": index + step / 7, "timestamp": START + step, "step": step}
                    for n in range(size.metrics)
                    for step in range(size.points)
                ]
                params = [{"key": f"param-{n}", "value": f"{index}"} for n in range(size.params)]
                await post("runs/log-batch", {"run_id": run, "metrics": metrics, "params": params, "tags": tags[:1]})
                await post("runs/update", {"run_id": run, "status": "FINISHED", "end_time": START + 1})

            async def limited(index: int) -> None:
                async with slots:
                    await one(index)

            start = time.monotonic()
            await asyncio.gather(*map(limited, range(size.runs)))
            return time.monotonic() - start

    return asyncio.run(go())


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--only", choices=["unlimited", "limited"], help="one of the two scenarios")
    parser.add_argument("--no-peer", action="store_true", help="skip mlflow-export-import in the limited scenario")
    parser.add_argument("--runs", type=int, help="number of runs without limits (default 1000, quick 50)")
    parser.add_argument(
        "--limited-runs", type=int, help="number of runs at 25 requests per second (default 100, quick 20)"
    )
    parser.add_argument("--workers", type=int, default=4, help="worker processes of each server")
    parser.add_argument("--points", type=int, default=1_000_000, help="points of the large run")
    parser.add_argument("--bytes", type=int, default=5 << 30, help="size of the large run's file")
    given = parser.parse_args()
    runs = given.runs or (50 if given.quick else 1000)
    with tempfile.TemporaryDirectory(prefix="bench-transfer-") as folder:
        bench = Bench(Path(folder), given.workers)
        try:
            if given.large:
                found = large(bench, given.points, given.bytes)
            else:
                share = runs / 1000
                size = Size(runs=runs, logged_models=max(1, round(50 * share)), registered=max(1, round(10 * share)))
                limited = given.limited_runs or (20 if given.quick else 100)
                found = {}
                if given.only != "limited":
                    found["unlimited"] = unlimited(bench, size)
                if given.only != "unlimited":
                    found["limited"] = at_the_limit(bench, limited, peer=not given.no_peer)
        finally:
            bench.close()
    print(json.dumps(found, indent=1))


def unlimited(bench: Bench, size: Size) -> dict[str, Any]:
    """Without limits: measure both tools and the bare calls, then compare what each tool lost."""
    source = bench.server("source")
    fill(source.database, source.folder / "artifacts", size)
    source.start().ready()
    ours, theirs, bare = (bench.server(name).start() for name in ("ours", "theirs", "bare"))
    bare_seconds = replay(bare.ready().url, size)
    bare.stop()
    first = bench.ours(source.url, ours.ready().url)
    again = bench.ours(source.url, ours.url)
    lost = bench.verify(source.url, ours.url)
    ours.stop()
    peer = bench.theirs(source.url, theirs.ready().url)
    peer_lost = bench.verify(source.url, theirs.url, "--by-name")
    database = bench.server("from-database").start().ready()
    direct = bench.ours(f"sqlite:///{source.database}", database.url)
    return {
        "size": vars(size),
        "replay_seconds": bare_seconds,
        "ours": {**first, "against_replay": first["seconds"] / bare_seconds, "lost": lost["found"]},
        "ours_again": again,
        "ours_from_database": direct,
        "theirs": {**peer, "lost": peer_lost["found"]},
        "times_faster": peer["seconds"] / first["seconds"],
    }


def at_the_limit(bench: Bench, runs: int, *, peer: bool) -> dict[str, Any]:
    """With 25 requests per second and 20 ms latency on both servers. Copies only runs, to count the calls per run."""
    size = Size(runs=runs, logged_models=0, registered=0)
    source = bench.server("slow-source")
    fill(source.database, source.folder / "artifacts", size)
    source.start().ready()
    found: dict[str, Any] = {"size": vars(size)}
    # The machine may be too slow to reach the limit. The time of the minimum calls through the proxy shows that.
    bare = bench.server("slow-bare").start().ready()
    with bench.paced(bare, RATE, LATENCY) as url:
        found["replay_seconds"] = replay(url, size)
    bare.stop()
    for name in ("ours", "theirs") if peer else ("ours",):
        target = bench.server(f"slow-{name}").start().ready()
        with bench.paced(source, RATE, LATENCY) as left, bench.paced(target, RATE, LATENCY) as right:
            result = bench.ours(left, right, "--rate", str(RATE)) if name == "ours" else bench.theirs(left, right)
            calls = {
                side: httpx.get(f"{url}/_calls", trust_env=False).json()
                for side, url in (("source", left), ("target", right))
            }
        totals = {side: sum(counts.values()) for side, counts in calls.items()}
        found[name] = {
            "seconds": result["seconds"],
            "runs_a_second": runs / result["seconds"],
            "calls": calls,
            "calls_a_run": {side: total / runs for side, total in totals.items()},
            "against_limit": result["seconds"] / (max(totals.values()) / RATE),
            "against_replay": result["seconds"] / found["replay_seconds"],
        }
        target.stop()
    if peer:
        found["times_faster"] = found["ours"]["runs_a_second"] / found["theirs"]["runs_a_second"]
    return found


def large(bench: Bench, points: int, size: int) -> dict[str, Any]:
    """With a very long metric and a very large file, with which memory must not grow."""
    source, target = bench.server("source"), bench.server("target")
    fill_large(source.database, source.folder / "artifacts", points, size)
    source.start()
    target.start().ready()
    result = bench.ours(source.ready().url, target.url)
    start = time.monotonic()
    command = [
        sys.executable,
        "scripts/transfer.py",
        "verify",
        source.url,
        target.url,
        "--json",
        *bench.trust,
        "--report",
    ]
    _, memory, out = measured([*command, str(bench.folder / "report")], check=False)
    verified = {"seconds": time.monotonic() - start, "memory_mib": memory, "found": json.loads(out)["found"]}
    return {"points": points, "bytes": size, "copy": result, "verify": verified}


if __name__ == "__main__":
    main()
