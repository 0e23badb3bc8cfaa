"""Measures the start of the serving container against MLflow's, for one model: from the entry point to a prediction.

The peer is what MLflow's container for SageMaker runs (`mlflow.models.container._serve`): it creates an environment for
the model, installs its requirements and MLflow, and starts the server. It runs here in a mount namespace with its own
/opt. The time in which pyenv builds Python is left out: `pyenv install` finds this machine's Python. nginx is off.
Ours has the environment in the image, so it starts the server only.

Needs `unshare` and an index for pip. Target: 10 times faster. Exit status 1: it is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # For tests.support.running, which finds free ports.

from bench.serving import Request, exchange, make_model  # noqa: E402
from bench.targets import exit_status  # noqa: E402
from tests.support.running import free_port  # noqa: E402

TIMES = 10.0
LONGEST = 1500.0
# Where MLflow's server listens; nginx would forward 8080 to it.
PEER_PORT = 8000
PEER = "import sys; from mlflow.models.container import _serve; _serve('virtualenv')"
# What MLflow calls of pyenv: `install VERSION` and `root`.
PYENV = '#!/bin/sh\n[ "$1" != root ] || echo "{root}"\n'


def main() -> int:
    """Measure, print and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=3, help="how often to start ours (default 3)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        requests = make_model(folder / "model")
        ours = min(_ours(folder / "model", requests[0]) for _ in range(given.times))
        print(f"serving/serve: {ours:.1f} s")
        peer = _peer(folder, requests[0])
    print(f"MLflow's container: {peer:.1f} s, {peer / ours:.1f} times as long")
    print(json.dumps({"ours": ours, "peer": peer}))
    return exit_status([f"{peer / ours:.1f} times faster (at least {TIMES})"] if peer < TIMES * ours else [])


def _ours(model: Path, request: Request) -> float:
    port = free_port()
    settings = {"SERVING_MODEL_DIR": str(model), "SERVING_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(port)}
    return _measured([sys.executable, str(REPOSITORY / "serving/serve"), "serve"], settings, port, request)


def _peer(folder: Path, request: Request) -> float:
    tools, pyenv, opt = folder / "tools", folder / "pyenv", folder / "opt"
    for one in (tools, opt / "ml", pyenv / "versions" / platform.python_version() / "bin"):
        one.mkdir(parents=True)
    (tools / "pyenv").write_text(PYENV.format(root=pyenv))
    (tools / "pyenv").chmod(0o755)
    (pyenv / "versions" / platform.python_version() / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    # A copy, because MLflow refuses links that lead out of the folder.
    shutil.copytree(folder / "model", opt / "ml" / "model")
    installed = [shutil.which("uv") or str(Path(sys.executable).with_name("uv")), "venv", "--quiet", str(folder / "v")]
    subprocess.run([*installed, "--python", sys.executable], check=True)
    python = str(folder / "v" / "bin" / "python")
    subprocess.run([*installed[:1], "pip", "install", "--quiet", "--python", python, "virtualenv"], check=True)
    (tools / "virtualenv").symlink_to(folder / "v" / "bin" / "virtualenv")
    script = 'mount --bind "$1" /opt && exec "$2" -c "$3"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    settings = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYENV_ROOT": str(pyenv),
        "MLFLOW_ENV_ROOT": str(folder / "environments"),
        "DISABLE_NGINX": "true",
        "MLFLOW_MODELS_WORKERS": "1",
    }
    return _measured([*command, str(opt), sys.executable, PEER], settings, PEER_PORT, request)


def _measured(command: list[str], settings: dict[str, str], port: int, request: Request) -> float:
    """The seconds until a started server answers a request with a prediction. It is ended afterwards."""
    log = Path(tempfile.gettempdir()) / f"serving-start-{port}.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        while not _answers(port, request):
            if process.poll() is not None or time.perf_counter() - began > LONGEST:
                raise SystemExit(f"{command[0]} did not answer:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
        return time.perf_counter() - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(60)


def _answers(port: int, request: Request) -> bool:
    try:
        status, _ = asyncio.run(exchange(port, request.raw(port)))
    except (OSError, asyncio.IncompleteReadError):
        return False
    return status == 200


if __name__ == "__main__":
    sys.exit(main())
