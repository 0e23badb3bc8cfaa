"""How gunicorn runs an MLflow server. It runs in the server's own environment, so it imports nothing of localaws."""

import gc
import hmac
import os
from typing import Any

# Requests without this token are refused: the port is open to every program and web page on this machine, and the
# gateway is what checks signatures and permissions. A program without it is not started by localaws.
TOKEN = os.environ.pop("LOCALAWS_TOKEN")

# Nearly nothing that MLflow's import creates is garbage: collecting takes a tenth of a server's start.
gc.disable()


def post_worker_init(worker: Any) -> None:
    """Called when the worker has loaded MLflow. From now on, only new objects are garbage-collected."""
    worker.wsgi = only_with_token(worker.wsgi)
    # MLflow has loaded SQLAlchemy, and opens its database at the first request.
    from sqlalchemy import Engine, event

    event.listen(Engine, "connect", flush_seldom)
    gc.freeze()
    gc.enable()


def only_with_token(application: Any) -> Any:
    """A WSGI application that answers the gateway only."""

    def answer(environ: Any, start_response: Any) -> Any:
        if hmac.compare_digest(environ.get("HTTP_X_LOCALAWS_TOKEN", "").encode("latin1"), TOKEN.encode()):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"Call this tracking server through localaws.\n"]

    return answer


def flush_seldom(connection: Any, _: Any) -> None:
    """Let SQLite flush its log to the disk at checkpoints, not at each of the seven commits of a run.

    With write-ahead logging the database stays consistent, but a power failure loses the last changes.
    Source: https://www.sqlite.org/pragma.html#pragma_synchronous
    """
    connection.execute("PRAGMA synchronous=NORMAL")
