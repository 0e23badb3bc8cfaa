"""Runs an execution: starts each step when the steps that it needs have succeeded, until one fails or all are done."""

import copy
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import partial
from typing import Any

from localaws.endpoints.role import RoleClients
from localaws.jobs.jobs import INTERNAL, Jobs
from localaws.pipelines.callbacks import Callbacks
from localaws.pipelines.definition import Definition, Step
from localaws.pipelines.errors import StepError, StoppedError
from localaws.pipelines.expressions import Values
from localaws.pipelines.policies import lifetime
from localaws.pipelines.record import RUNNING, STEP_FAILED, Execution, StepRun, cache_key
from localaws.pipelines.selection import selected
from localaws.pipelines.steps import JOBS, StepRunner, arguments_of, new_run, pause

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
# Step types that AWS caches and localaws runs:
# https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html
CACHED = frozenset(JOBS)


class Engine:
    """One execution's scheduler."""

    def __init__(
        self,
        execution: Execution,
        clients: RoleClients,
        jobs: Jobs,
        callbacks: Callbacks,
        earlier: Callable[[], Iterable[Execution]],
        speed: float,
    ) -> None:
        """Connect the parts.

        Args:
            earlier: gives the pipeline's executions, newest first, for caching.
            speed: divides the pauses of retry policies.
        """
        self._execution = execution
        self._earlier = earlier
        self._speed = speed
        self._definition: Definition = execution.definition()
        self._runner = StepRunner(execution.arn, clients, jobs, callbacks, execution.stop_requested)

    def run(self) -> None:
        """Run to the end. Steps that have succeeded in an earlier attempt do not run again."""
        execution = self._execution
        waiting = {name: step for name, step in self._definition.steps.items() if self._is_to_run(name)}
        running: dict[Future[None], str] = {}
        with ThreadPoolExecutor(execution.parallelism) as pool:
            while True:
                halted = execution.stop_requested.is_set() or self._failed()
                ready = [] if halted else [name for name, step in waiting.items() if self._is_ready(step)]
                for name in ready[: execution.parallelism - len(running)]:
                    execution.steps[name] = new_run(waiting[name], 1)
                    running[pool.submit(self._step, waiting.pop(name))] = name
                if not running:
                    break
                for future in wait(running, _POLL_SECONDS, FIRST_COMPLETED).done:
                    del running[future]
        if execution.status not in RUNNING:
            return  # localaws is stopping and has ended the execution.
        if self._failed():
            execution.set("Failed", STEP_FAILED)
        else:
            execution.set("Stopped" if execution.stop_requested.is_set() else "Succeeded")

    def _is_to_run(self, name: str) -> bool:
        """Whether a step has not ended before. Of a selective execution, only the selected steps run."""
        if name in self._execution.steps:
            return False
        config = self._execution.details.get("SelectiveExecutionConfig")
        return config is None or name in selected(config)

    def _failed(self) -> bool:
        return any(one.status == "Failed" for one in list(self._execution.steps.values()))

    def _is_ready(self, step: Step) -> bool:
        """Whether the steps that it needs succeeded, and its conditions have the right outcome."""
        runs = self._execution.steps
        if any(name not in runs or runs[name].status != "Succeeded" for name in step.needs):
            return False
        return all(
            name in runs and runs[name].status == "Succeeded" and runs[name].properties["Outcome"] is outcome
            for name, outcome in step.gates
        )

    def _step(self, step: Step) -> None:
        """Run a step, with its retries. Every outcome is in the step's record; raises nothing."""
        execution = self._execution
        attempt, began = 1, time.monotonic()
        while True:
            run = execution.steps[step.name]
            try:
                name = self._runner.job_name(step)
                values = self._values(name)
                arguments = arguments_of(step, values)
                run.key = cache_key(step.type, arguments) if _is_cached(step) else ""
                if not self._reuse(step, run):
                    self._runner.run(step, values, run, arguments, name)
                run.end("Succeeded")
            except StoppedError:
                run.end("Stopped")
            except StepError as error:
                minutes = (time.monotonic() - began) * self._speed / 60
                if pause(step, error.kind, attempt, minutes, self._speed, execution.stop_requested):
                    attempt += 1
                    execution.steps[step.name] = new_run(step, attempt)
                    continue
                run.end("Failed", str(error))
            except Exception:
                log.exception("The step %s of %s failed inside localaws.", step.name, execution.arn)
                run.end("Failed", INTERNAL)
            return

    def _values(self, job: str) -> Values:
        properties = {name: one.properties for name, one in list(self._execution.steps.items())}
        read = partial(self._runner.property_file, self._definition.steps, properties)
        variables = {**self._execution.variables(), "TrainingJobName": job, "ProcessingJobName": job}
        return Values(self._execution.values, variables, properties, read, self._runner.json_file)

    def _reuse(self, step: Step, run: StepRun) -> bool:
        """Take over the result of an equal step of an earlier execution, as CacheConfig allows."""
        if not run.key:
            return False
        age = lifetime(step.given["CacheConfig"].get("ExpireAfter"))
        for execution in self._earlier():
            found = execution.steps.get(step.name)
            if execution is self._execution or not found or found.key != run.key or found.status != "Succeeded":
                continue
            if age is not None and datetime.now(UTC) - found.shown["EndTime"] > age:
                continue
            origin = found.shown.get("CacheHitResult") or {"SourcePipelineExecutionArn": execution.arn}
            run.properties = copy.deepcopy(found.properties)
            run.shown |= {"CacheHitResult": origin, "Metadata": copy.deepcopy(found.shown["Metadata"])}
            return True
        return False


def _is_cached(step: Step) -> bool:
    config: dict[str, Any] = step.given.get("CacheConfig") or {}
    return step.type in CACHED and bool(config.get("Enabled"))
