"""How gunicorn runs an MLflow server; in the server's own environment, so it imports nothing of localaws."""

import gc

# Nearly nothing of what MLflow's import makes is garbage: looking for it takes a tenth of a server's start.
gc.disable()


def post_worker_init(_worker: object) -> None:
    """The worker has loaded MLflow: what is there stays, what comes is collected."""
    gc.freeze()
    gc.enable()
