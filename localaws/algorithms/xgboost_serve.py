"""Serves a model of SageMaker's built-in algorithm XGBoost: /ping and /invocations.

Source: https://github.com/aws/sagemaker-xgboost-container (algorithm_mode/serve.py, serve_utils.py).
"""

import hmac
import json
import os
import pickle
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xgboost

TOKEN_HEADER = "x-serving-token"  # noqa: S105 a name
CSV, JSON = "text/csv", "application/json"
LIBSVM = ("text/libsvm", "text/x-libsvm")


def load(folder: Path) -> xgboost.Booster:
    """The model, which is a pickle or a file of the library.

    Raises:
        ValueError: the folder contains no model.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise ValueError("The model archive has no file at its root.")
    content = files[0].read_bytes()
    try:
        found: xgboost.Booster = pickle.loads(content)  # noqa: S301 the user's own model, as in the image
    except Exception:
        found = xgboost.Booster()
        found.load_model(bytearray(content))
    return found


def matrix(body: bytes, kind: str) -> Any:
    """The rows of a request.

    Raises:
        ValueError: they cannot be read, or their type is not supported.
    """
    lines = body.strip().decode("utf-8").split("\n")
    if kind in ("csv", CSV):
        return np.array([[part.strip() or "nan" for part in line.split(",")] for line in lines]).astype(float)
    if kind not in ("libsvm", *LIBSVM):
        raise ValueError(f"Content-type {kind} is not supported.")
    rows = [dict(part.split(":", 1) for part in line.split() if ":" in part) for line in lines]
    found = np.full((len(rows), 1 + max((int(index) for row in rows for index in row), default=0)), np.nan)
    for number, row in enumerate(rows):
        for index, value in row.items():
            found[number, int(index)] = float(value)
    return found


def text_of(predictions: list[Any], accept: str) -> str:
    """The predictions as text: a line each, or JSON."""
    if accept == JSON:
        return json.dumps({"predictions": [{"score": value} for value in predictions]})
    rows = [value if isinstance(value, list) else [value] for value in predictions]
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


class Handler(BaseHTTPRequestHandler):
    """Answers SageMaker's requests."""

    protocol_version = "HTTP/1.1"
    booster: xgboost.Booster
    lock = Lock()  # The library's predict is not safe in several threads.

    def do_GET(self) -> None:
        """/ping."""
        if self._is_allowed():
            self._answer(HTTPStatus.OK if self.path == "/ping" else HTTPStatus.NOT_FOUND, "")

    def do_POST(self) -> None:
        """/invocations."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._is_allowed():
            return
        if self.path != "/invocations":
            self._answer(HTTPStatus.NOT_FOUND, "")
            return
        if not body:
            self._answer(HTTPStatus.NO_CONTENT, "")
            return
        kind = (self.headers.get("Content-Type") or LIBSVM[0]).partition(";")[0].strip().lower()
        try:
            rows = matrix(body, kind)
        except ValueError as error:
            self._answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error))
            return
        accept = (self.headers.get("Accept") or CSV).partition(";")[0].strip().lower()
        accept = CSV if accept == "*/*" else accept
        if accept not in (CSV, JSON):
            self._answer(HTTPStatus.NOT_ACCEPTABLE, f"Accept type {accept} is not supported. Use {CSV} or {JSON}.")
            return
        try:
            with self.lock:
                found = self.booster.predict(xgboost.DMatrix(rows), validate_features=False)
        except xgboost.core.XGBoostError as error:
            self._answer(HTTPStatus.BAD_REQUEST, f"Unable to evaluate payload provided: {error}")
            return
        self._answer(HTTPStatus.OK, text_of(found.tolist(), accept), accept)

    def _is_allowed(self) -> bool:
        """Whether the request has the token. Answers it otherwise."""
        token = self.headers.get(TOKEN_HEADER, "").encode()
        if hmac.compare_digest(token, os.environ["SERVING_TOKEN"].encode()):
            return True
        self._answer(HTTPStatus.FORBIDDEN, "")
        return False

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *given: Any) -> None:  # noqa: A002 the name of the base class
        """Write each request to the container's log."""
        sys.stdout.write(f"{format % given}\n")
        sys.stdout.flush()


def main() -> int:
    """Serve until the process is ended. Returns the exit status."""
    try:
        Handler.booster = load(Path(os.environ["SERVING_MODEL_DIR"]))
    except Exception as error:
        sys.stderr.write(f"the model cannot be loaded: {' '.join(str(error).split())}\n")
        return 1
    address = (os.environ["SERVING_HOST"], int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    ThreadingHTTPServer(address, Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
