"""Runs the entry point as a container would, without a container."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from localaws.settings import REPOSITORY
from tests.support.http import HTTP
from tests.support.running import free_port

ENTRY_POINT = REPOSITORY / "serving" / "serve"


@dataclass
class Serving:
    """A running entry point."""

    process: subprocess.Popen[str]
    url: str
    errors: list[str] = field(default_factory=list)

    def ping(self) -> int | None:
        """The status of /ping; None if nothing listens."""
        try:
            return HTTP.get(f"{self.url}/ping", timeout=60).status_code
        except httpx.ConnectError:
            return None

    def wait(self, seconds: float = 180) -> None:
        """Wait until /ping returns status 200."""
        deadline = time.monotonic() + seconds
        while self.ping() != 200:
            assert self.process.poll() is None, "".join(self.errors)
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def wait_for_line(self, text: str) -> None:
        """Wait until the process has written a line with `text` to its standard error."""
        deadline = time.monotonic() + 60
        while not any(text in line for line in list(self.errors)):
            assert self.process.poll() is None, "".join(self.errors)
            assert time.monotonic() < deadline, f"no line with {text!r}"
            time.sleep(0.01)

    def invoke(self, body: str, content_type: str = "application/json") -> httpx.Response:
        """POST /invocations."""
        return HTTP.post(f"{self.url}/invocations", content=body, headers={"content-type": content_type}, timeout=60)


def command(interpreter: Path, model: Path, **variables: str) -> dict[str, object]:
    """The command and environment of a container, as arguments of `subprocess`."""
    return {
        "args": [str(interpreter), str(ENTRY_POINT), "serve"],
        "env": {
            "PATH": os.environ["PATH"],
            "SERVING_MODEL_DIR": str(model),
            "SERVING_HOST": "127.0.0.1",
            **variables,
        },
        "text": True,
    }


def run(interpreter: Path, model: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run an entry point that ends by itself."""
    given = command(interpreter, model, **variables)
    given["args"] = [*given["args"][:2], *(arguments or ["serve"])]  # type: ignore[index]
    return subprocess.run(**given, capture_output=True, timeout=300, check=False)  # type: ignore[call-overload, no-any-return]


@contextmanager
def start(interpreter: Path, model: Path, **variables: str) -> Iterator[Serving]:
    """Start an entry point without waiting for /ping, and end it afterwards."""
    port = free_port()
    given = command(interpreter, model, SAGEMAKER_BIND_TO_PORT=str(port), **variables)
    process = subprocess.Popen(**given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # type: ignore[call-overload]
    serving = Serving(process, f"http://127.0.0.1:{port}")
    reader = threading.Thread(target=lambda: serving.errors.extend(process.stderr))
    reader.start()
    try:
        yield serving
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        process.stderr.close()


@contextmanager
def serve(interpreter: Path, model: Path, **variables: str) -> Iterator[Serving]:
    """Start an entry point, and wait for /ping."""
    with start(interpreter, model, **variables) as serving:
        serving.wait()
        yield serving
