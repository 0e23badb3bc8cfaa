"""Runs the executions of all pipelines, each in a thread: stage by stage, as CodePipeline does.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
"""

import copy
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws.delivery import saving
from localaws.delivery.actions import ActionError, Clients, run_action
from localaws.delivery.record import (
    ABANDONED,
    FAILED,
    IN_PROGRESS,
    STOPPED,
    STOPPING,
    SUCCEEDED,
    SUPERSEDED,
    ActionRun,
    Execution,
)
from localaws.delivery.repositories import Repositories, RepositoryError
from localaws.errors import AwsError
from mlflow_common.safe_path import UnsafeNameError

log = logging.getLogger(__name__)
_EXPECTED = (ActionError, AwsError, BotoCoreError, ClientError, RepositoryError, UnsafeNameError, KeyError, ValueError)
_WAIT_SECONDS = 0.2


# Takes an execution, the ARN of its pipeline, and the state for its event.
Changed = Callable[[Execution, str, str], None]


class Deliveries:
    """All executions of pipelines, oldest first."""

    def __init__(self, repositories: Repositories, assume: Callable[[str, str], Clients], changed: Changed) -> None:
        """Connect the parts.

        Args:
            assume: takes a role's ARN and a pipeline's ARN, and returns a factory of that role's clients.
            changed: is called with an execution and its pipeline's ARN when it starts and when it ends.
        """
        self._notify = changed
        self._repositories = repositories
        self._assume = assume
        self._executions: defaultdict[str, list[Execution]] = defaultdict(list)
        self._occupied: dict[tuple[str, str], Execution] = {}
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self, pipeline: dict[str, Any], arn: str, trigger: str, detail: str) -> Execution:
        """Start an execution of a pipeline as it is now."""
        execution = Execution(copy.deepcopy(pipeline), {"triggerType": trigger, "triggerDetail": detail})
        with self._changed:
            self._executions[arn].append(execution)
        thread = threading.Thread(target=self._run, args=(execution, arn), name=f"pipeline {arn}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return execution

    def of(self, arn: str) -> list[Execution]:
        """A pipeline's executions, newest first."""
        return list(reversed(self._executions[arn]))

    def saved(self) -> dict[str, Any]:
        """The executions as JSON."""
        return saving.saved(self._executions)

    def load(self, found: dict[str, Any]) -> None:
        """Load saved executions. None of them runs."""
        self._executions.update(saving.loaded(found))

    def forget(self, arn: str) -> None:
        """Stop and drop the executions of a deleted pipeline."""
        for execution in self._executions.pop(arn, []):
            execution.stop.set()
            execution.abandon.set()

    def close(self) -> None:
        """Stop every execution and wait for it."""
        for arn in list(self._executions):
            self.forget(arn)
        for thread in self._threads:
            thread.join(10)

    def _run(self, execution: Execution, arn: str) -> None:
        self._notify(execution, arn, "STARTED")
        try:
            execution.end(*self._stages(execution, arn))
        except Exception:
            log.exception("The execution %s of %s failed inside localaws.", execution.id, arn)
            execution.end(FAILED, "localaws failed; see its log")
        finally:
            self._leave(execution)
            self._notify(execution, arn, execution.status.upper())

    def _stages(self, execution: Execution, arn: str) -> tuple[str, str]:
        for stage in execution.pipeline["stages"]:
            if not self._enter(execution, arn, stage["name"]):
                return (STOPPED, "") if execution.stop.is_set() else (SUPERSEDED, "A newer execution took its place.")
            execution.stages[stage["name"]] = IN_PROGRESS
            failed = self._stage(execution, arn, stage)
            execution.stages[stage["name"]] = FAILED if failed else SUCCEEDED
            if execution.stop.is_set():
                execution.stages[stage["name"]] = STOPPED
                return STOPPED, execution.summary
            if failed:
                return FAILED, ""
        return SUCCEEDED, ""

    def _stage(self, execution: Execution, arn: str, stage: dict[str, Any]) -> bool:
        """Run a stage's actions: those with the same run order at the same time. Returns whether one failed."""
        for order in sorted({action.get("runOrder", 1) for action in stage["actions"]}):
            runs = [
                ActionRun(stage["name"], action) for action in stage["actions"] if action.get("runOrder", 1) == order
            ]
            execution.runs += runs
            threads = [threading.Thread(target=self._action, args=(run, execution, arn), daemon=True) for run in runs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if any(run.status != SUCCEEDED for run in runs):
                return True
            if execution.stop.is_set():
                return False
        return False

    def _action(self, run: ActionRun, execution: Execution, arn: str) -> None:
        try:
            clients = self._assume(run.declaration.get("roleArn") or execution.pipeline["roleArn"], arn)
            run_action(run, execution, clients, self._repositories)
            if run.declaration.get("namespace"):
                execution.variables[run.declaration["namespace"]] = run.variables
        except _EXPECTED as error:
            run.end(ABANDONED if execution.abandon.is_set() else FAILED, error=str(error))
        except Exception as error:
            log.exception("An action of %s failed inside localaws.", arn)
            run.end(FAILED, error=f"localaws failed: {error}")

    def _enter(self, execution: Execution, arn: str, stage: str) -> bool:
        """Wait until no other execution is in the stage. False if this one was stopped or superseded meanwhile.

        Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
        (SUPERSEDED: a newer execution that waits for the same stage takes the place of the older one.)
        """
        mode = execution.pipeline.get("executionMode", "SUPERSEDED")
        with self._changed:
            if mode != "PARALLEL":
                self._release(execution)
                execution.stages.setdefault(stage, "")
                while self._occupied.get((arn, stage)) is not None:
                    if execution.stop.is_set() or (mode == "SUPERSEDED" and self._newer_waits(execution, arn, stage)):
                        return False
                    self._changed.wait(_WAIT_SECONDS)
                self._occupied[(arn, stage)] = execution
            return not execution.stop.is_set()

    def _newer_waits(self, execution: Execution, arn: str, stage: str) -> bool:
        later = self._executions[arn]
        if execution not in later:
            return False
        newer: Iterable[Execution] = later[later.index(execution) + 1 :]
        return any(one.stages.get(stage) == "" and one.status == IN_PROGRESS for one in newer)

    def _leave(self, execution: Execution) -> None:
        with self._changed:
            self._release(execution)

    def _release(self, execution: Execution) -> None:
        for key in [key for key, one in self._occupied.items() if one is execution]:
            del self._occupied[key]
        self._changed.notify_all()


def stop(execution: Execution, reason: str, *, abandon: bool) -> None:
    """Let an execution end after its running actions, or at once."""
    execution.summary, execution.status = reason, STOPPING
    execution.stop.set()
    if abandon:
        execution.abandon.set()
