"""The processes that train the trials of a sweep. They end with the process that started them, even if it is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from threading import Thread

# Imported once, before the processes are forked. A fork server has no threads of MLflow or boto3.
_PRELOAD = ["sklearn.ensemble", "sklearn.linear_model", "xgboost", "training.trial"]


def open_pool(processes: int) -> ProcessPoolExecutor:
    """Create the processes. Each holds what the training imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_start)


def _start() -> None:
    # Ctrl-C reaches the whole process group: the main process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
