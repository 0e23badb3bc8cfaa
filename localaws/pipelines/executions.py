"""All executions of pipelines of one localaws: starts, stops, retries, saves and loads them."""

import threading
from collections.abc import Iterable
from typing import Any

from localaws.endpoints.role import RoleClients
from localaws.errors import AwsError
from localaws.jobs.jobs import INTERNAL, Jobs
from localaws.jobs.packing import pack, unpack
from localaws.pipelines.callbacks import Callbacks
from localaws.pipelines.engine import Engine
from localaws.pipelines.record import RUNNING, Execution, StepRun

INTERRUPTED = "localaws stopped while the pipeline ran. Retry the execution."


class Executions:
    """The records of executions, and one thread for each that runs."""

    def __init__(self, jobs: Jobs, speed: float) -> None:
        """`speed` divides the pauses of retry policies."""
        self._jobs = jobs
        self._speed = speed
        self.callbacks = Callbacks()
        self._executions: dict[str, Execution] = {}
        self._threads: list[threading.Thread] = []

    def start(self, execution: Execution, clients: RoleClients) -> None:
        """Run an execution, from its beginning or where it ended."""
        self.add(execution)
        thread = threading.Thread(target=self._run, args=(execution, clients), name=execution.arn, daemon=True)
        self._threads = [*(one for one in self._threads if one.is_alive()), thread]
        thread.start()

    def add(self, execution: Execution) -> None:
        """Keep an execution, without running it."""
        self._executions[execution.arn] = execution

    def find(self, arn: str) -> Execution:
        """An execution.

        Raises:
            AwsError: ResourceNotFound.
        """
        found = self._executions.get(arn)
        if found is None:
            raise AwsError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
        return found

    def of(self, pipeline: str) -> list[Execution]:
        """A pipeline's executions, newest first."""
        return [one for one in reversed(list(self._executions.values())) if one.pipeline == pipeline]

    def forget(self, pipeline: str) -> None:
        """Remove the executions of a deleted pipeline."""
        for execution in self.of(pipeline):
            del self._executions[execution.arn]
            self.callbacks.forget(execution.arn)

    def close(self) -> None:
        """End the running executions with a reason. Call it before the jobs end."""
        for execution in list(self._executions.values()):
            _interrupt(execution)
        self.callbacks.close()

    def join(self) -> None:
        """Wait for the executions' threads."""
        for thread in self._threads:
            thread.join(5)

    def saved(self) -> list[dict[str, Any]]:
        """The executions as JSON."""
        return [_saved(one) for one in list(self._executions.values())]

    def load(self, saved: Iterable[dict[str, Any]]) -> None:
        """Load saved executions. None of them runs."""
        for one in saved:
            found = unpack(one)
            steps = {name: StepRun(**step) for name, step in found.pop("steps").items()}
            execution = Execution(**found, steps=steps)
            _interrupt(execution)
            self.add(execution)

    def _run(self, execution: Execution, clients: RoleClients) -> None:
        try:
            parts = (clients, self._jobs, self.callbacks)
            Engine(execution, *parts, lambda: self.of(execution.pipeline), self._speed).run()
        except Exception:
            execution.set("Failed", INTERNAL)
            raise


def _interrupt(execution: Execution) -> None:
    if execution.status not in RUNNING:
        return
    execution.set("Failed", INTERRUPTED)
    execution.stop_requested.set()
    for run in list(execution.steps.values()):
        if "EndTime" not in run.shown:
            run.end("Failed", INTERRUPTED)


def _saved(execution: Execution) -> dict[str, Any]:
    plain = {name: value for name, value in vars(execution).items() if name not in ("steps", "stop_requested")}
    steps = {name: vars(run) for name, run in execution.steps.items()}
    found: dict[str, Any] = pack({**plain, "steps": steps})
    return found
