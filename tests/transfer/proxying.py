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
        self.struck: list[str] = []
        self.authorizations: set[str] = set()
        self.calls = 0
        self._lock = threading.Lock()
        proxy = self
        tokens = [rate, time.monotonic()]

        def over_rate() -> bool:
            with proxy._lock:
                now = time.monotonic()
                tokens[0] = min(2 * rate, tokens[0] + (now - tokens[1]) * rate)
                tokens[1] = now
                if tokens[0] < 1:
                    return True
                tokens[0] -= 1
                return False

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Send headers and body together. Otherwise Nagle's algorithm delays each response by 40 ms.
            wbufsize = -1
            disable_nagle_algorithm = True

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = self.path.partition("?")[0]
                with proxy._lock:
                    proxy.calls += 1
                    proxy.authorizations.add(self.headers.get("authorization", ""))
                    fault = choose(self.command, path) if choose else None
                    if fault:
                        proxy.struck.append(f"{fault} {self.command} {path}")
                if latency:
                    time.sleep(latency)
                if rate and over_rate():
                    fault = "429"
                if fault == "drop before":
                    self.close_connection = True
                    self.connection.close()
                    return
                if fault in BEFORE:
                    self.answer(BEFORE[fault], b'{"message": "struck"}', {"Retry-After": "0"})
                    return
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                content = response.read()
                connection.close()
                if fault in AFTER:
                    self.answer(AFTER[fault], b"<html>bad</html>", {})
                elif fault == "drop after":
                    self.close_connection = True
                    self.connection.close()
                elif fault == "half body":
                    self.send_response(response.status)
                    self.send_header("Content-Length", str(len(content) + 10))
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.close()
                else:
                    kind = response.headers.get("Content-Type", "application/json")
                    self.answer(response.status, content, {"Content-Type": kind})

            def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one  # noqa: N815 http.server's names

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """Ignore dropped connections, because faults cause them."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        if tls:
            # The TLS handshake happens in the handler's thread, with its first read.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

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
