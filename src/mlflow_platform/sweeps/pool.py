"""The processes that train the trials of a sweep. They end with the process that started them, even if it is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import wait
from threading import Thread
from typing import Any

# Imported once, before the processes are forked. A fork server has no threads of MLflow or boto3.
_PRELOAD = ["sklearn.ensemble", "sklearn.linear_model", "xgboost", "training.trial"]


class _Pool(ProcessPoolExecutor):
    """Starts its processes when it gets work. Ctrl-C meanwhile would lose a process, which then prints a traceback."""

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        with _interrupted_later():
            return super().submit(function, *given, **named)


def open_pool(processes: int) -> ProcessPoolExecutor:
    """Create the processes. Each holds what the training imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    # Ctrl-C reaches the fork server too, which would print where its imports were interrupted. It inherits this.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
    # Wait for its imports here, where Ctrl-C loses no process of the pool.
    ready = context.Process(target=_ready)
    ready.start()
    ready.join()
    return _Pool(processes, mp_context=context, initializer=_start)


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupts:
            signal.raise_signal(signal.SIGINT)


def _ready() -> None:
    pass


def _start() -> None:
    # Ctrl-C reaches the whole process group: the main process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
