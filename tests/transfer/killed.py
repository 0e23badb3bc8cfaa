"""Runs copies in forked processes and kills them. It is a program, because a test process with threads must not fork.

Usage: python -m tests.transfer.killed DATABASE TARGET CHECKPOINT KILLS SEED
Prints the number of killed copies. It is less than KILLS if a copy ended before its kill.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from mlflow_transfer.sources.database import DatabaseSource
from tests.transfer.moving import copy, places


def main(database: str, target: str, checkpoint: str, kills: str, seed: str) -> None:
    chance = random.Random(seed)  # noqa: S311 no secret
    killed = 0
    longest = 0.5
    while killed < int(kills):
        # A copy continues with its checkpoint and without it.
        if chance.random() < 0.3:
            for path in Path(checkpoint).parent.glob(f"{Path(checkpoint).name}*"):
                path.unlink()
        child = os.fork()
        if child == 0:
            try:
                copy(DatabaseSource(f"sqlite:///{database}", places().store), target, checkpoint=Path(checkpoint))
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0.05, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
        longest += 0.05
    print(killed)  # noqa: T201 for the test


if __name__ == "__main__":
    main(*sys.argv[1:])
