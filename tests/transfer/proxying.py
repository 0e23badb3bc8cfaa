"""A proxy on a loopback port that injects faults between a client and a real server."""

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

# The faults: statuses without forwarding the call, statuses instead of the server's response, and lost connections.
BEFORE = {"429": 429, "503": 503, "500 before": 500}
AFTER = {"500 after": 500, "502 after": 502}
DROPS = {"drop before", "drop after", "half body"}

Choose = Callable[[str, str], str | None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Ignore dropped connections, because faults cause them."""


class _Handler(BaseHTTPRequestHandler):
    """Handles the requests of one proxy, which a subclass names."""

    protocol_version = "HTTP/1.1"
    # Send headers and body together. Otherwise Nagle's algorithm delays each response by 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    proxy: "FaultyProxy"

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.proxy.fault_of(self.command, self.path, self.headers.get("authorization", ""))
        if fault == "drop before":
            self.drop()
        elif fault in BEFORE:
            self.answer(BEFORE[fault], b'{"message": "struck"}', {"Retry-After": "0"})
        else:
            self.forward(body, fault)

    def forward(self, body: bytes, fault: str | None) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=120)
        headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
        connection.request(self.command, self.path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if fault in AFTER:
            self.answer(AFTER[fault], b"<html>bad</html>", {})
        elif fault == "drop after":
            self.drop()
        elif fault == "half body":
            self.send_response(response.status)
            self.send_header("Content-Length", str(len(content) + 10))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.drop()
        else:
            kind = response.headers.get("Content-Type", "application/json")
            self.answer(response.status, content, {"Content-Type": kind})

    def drop(self) -> None:
        self.close_connection = True
        self.connection.close()

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one  # noqa: N815 http.server's names

    def log_message(self, *_: object) -> None:
        pass


class FaultyProxy:
    """Forwards to a server. `choose` returns the fault for each call (method, path), or None.

    Args:
        latency: seconds added to each call.
        rate: calls per second that are forwarded; further ones get status 429.
        tls: the context of a TLS server; None for plain HTTP.
    """

    def __init__(
        self,
        port: int,
        choose: Choose | None = None,
        *,
        latency: float = 0.0,
        rate: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port
        self.struck: list[str] = []
        self.authorizations: set[str] = set()
        self.calls = 0
        self._choose, self._latency, self._rate = choose, latency, rate
        self._lock = threading.Lock()
        self._tokens, self._counted = rate, time.monotonic()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        if tls:
            # The TLS handshake happens in the handler's thread, with its first read.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def fault_of(self, method: str, path: str, authorization: str) -> str | None:
        """Count a call, wait for the latency, and return its fault."""
        plain = path.partition("?")[0]
        with self._lock:
            self.calls += 1
            self.authorizations.add(authorization)
            fault = self._choose(method, plain) if self._choose else None
            if fault:
                self.struck.append(f"{fault} {method} {plain}")
        if self._latency:
            time.sleep(self._latency)
        return "429" if self._rate and self._is_over_rate() else fault

    def _is_over_rate(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self._tokens = min(2 * self._rate, self._tokens + (now - self._counted) * self._rate)
            self._counted = now
            if self._tokens < 1:
                return True
            self._tokens -= 1
            return False

    def struck_by(self, fault: str) -> set[str]:
        """The calls that had this fault, without /api/2.0/mlflow/."""
        return {call.rpartition("/mlflow/")[2] for call in self.struck if call.startswith(f"{fault} ")}

    def __enter__(self) -> "FaultyProxy":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def first_of_each(*faults: str) -> Choose:
    """Apply each fault, one after the other, to the first calls of each kind, so that each kind gets all faults."""
    left: dict[str, list[str]] = {}

    def choose(method: str, path: str) -> str | None:
        kind = f"{method} " + "/".join("*" if len(part) > 30 else part for part in path.split("/"))
        waiting = left.setdefault(kind, list(faults))
        return waiting.pop(0) if waiting else None

    return choose
