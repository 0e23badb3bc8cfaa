"""Runs in the environment of an MLflow version: imports its server once, and forks a server for each request.

Usage: python forking.py LISTENER (the number of an inherited socket)
A request is a line of JSON: gunicorn's arguments, a folder, an environment. The response is the server's process id.
The servers of a connection end with the connection. This program ends with its last connection.
"""

import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

# The slow imports, including those that a server makes with its first request.
import mlflow.server
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from gunicorn.app import wsgiapp
from gunicorn.workers import gthread  # noqa: F401
from sqlalchemy.orm import configure_mappers


def main(listener: socket.socket) -> None:
    # The servers' exit statuses are not needed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    configure_mappers()
    held: dict[socket.socket, list[int]] = {}
    while True:
        for ready in select.select([listener, *held], [], [])[0]:
            if ready is listener:
                held[listener.accept()[0]] = []
            elif line := ready.makefile().readline():
                pid = os.fork()
                if pid == 0:
                    for one in (listener, *held):
                        one.close()
                    serve(json.loads(line))
                # Parent and child both do this, so that the group exists before its id is returned.
                with suppress(OSError):
                    os.setpgid(pid, pid)
                held[ready].append(pid)
                ready.sendall(f"{pid}\n".encode())
            else:
                for pid in held.pop(ready):
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                if not held:
                    return


def serve(request: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    os.chdir(request["folder"])
    log = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["gunicorn", *request["arguments"]]
    try:
        wsgiapp.run()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
