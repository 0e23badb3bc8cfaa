"""A tracking server on a loopback port that returns the responses of a test."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

RUN = "a" * 32
API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
# A response: status, headers, body.
Answer = tuple[int, dict[str, str], bytes]


def as_json(content: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


def attachment(content: bytes) -> Answer:
    return 200, {"Content-Type": "text/plain", "Content-Disposition": "attachment; filename=x"}, content


LOGIN_PAGE: Answer = (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>{[Log in]}</html>")
REDIRECT: Answer = (302, {"Location": "https://login.example/"}, b"")


class HostileServer:
    """Contains one experiment with one run. `answers` override this: by path, a response or a function of the query."""

    def __init__(self, answers: dict[str, Any] | None = None, *, run: dict[str, Any] | None = None) -> None:
        info = {
            "run_id": RUN, "experiment_id": "1", "run_name": "r", "status": "FINISHED", "start_time": 1, "end_time": 2,
            "lifecycle_stage": "active", "artifact_uri": f"mlflow-artifacts:/1/{RUN}/artifacts",
        }  # fmt: skip
        self.info = info | (run or {})
        experiment = {"experiment_id": "1", "name": "one", "artifact_location": "mlflow-artifacts:/1"}
        self.answers: dict[str, Any] = {
            "/version": (200, {"Content-Type": "text/html"}, b"2.13.2"),
            f"{API}experiments/search": as_json({"experiments": [experiment]}),
            f"{API}runs/search": as_json({"runs": [{"info": self.info, "data": {}}]}),
            f"{API}runs/get": as_json({"run": {"info": self.info, "data": {}}}),
            f"{API}registered-models/search": as_json({}),
            f"{API}model-versions/search": as_json({}),
            ARTIFACTS: as_json({}),
        } | (answers or {})
        self.requested: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "HostileServer":
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _answer(self, target: str, body: bytes) -> Answer:
        parts = urlsplit(target)
        path = unquote(parts.path)
        self.requested.append(path)
        found: Any = self.answers.get(path, as_json({"error_code": "ENDPOINT_NOT_FOUND"}, 404))
        if isinstance(found, Callable):  # type: ignore[arg-type]
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            found = found(query | (json.loads(body) if body else {}))
        answer: Answer = found
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                status, headers, body = server._answer(self.path, self.rfile.read(length))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_GET  # noqa: N815 the base class's names

            def log_message(self, *_: Any) -> None:
                """Prints nothing."""

        return Handler
