"""Runs executions of Step Functions state machines: moto stores them and runs none in its server.

moto has an interpreter of the Amazon States Language, which localaws runs with clients that call localaws under the
state machine's role. Pauses between retries are divided by `LOCALAWS_SPEED`; Wait states last as long as on AWS.
Sources: https://states-language.net/spec.html,
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html,
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
"""

import importlib
import json
import logging
import sys
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from botocore.config import Config

from localaws import clients
from localaws.credentials import Credentials
from localaws.errors import AwsError
from localaws.iam.trust import Service
from localaws.principals import Principals, random_id
from localaws.settings import Settings

log = logging.getLogger(__name__)
# The message is quoted in https://github.com/lumigo-io/lumigo-CLI/issues/83
STATES = Service(
    "states.amazonaws.com",
    "AccessDeniedException",
    "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the "
    "provided role.",
)
PARSER = "moto.stepfunctions.parser"
AWS_SDK = f"{PARSER}.asl.component.state.exec.state_task.service.state_task_service_aws_sdk"
RETRIER = f"{PARSER}.asl.component.common.retry.retrier_decl"
# Error names are "service name.error name", both in Pascal case.
SERVICE_NAMES = {
    "codebuild": "CodeBuild",
    "s3": "S3",
    "sagemaker": "SageMaker",
    "sns": "Sns",
    "sqs": "Sqs",
    "ssm": "Ssm",
}
RUNNING = "RUNNING"


class StateMachines:
    """Runs state machines, each execution in a thread of its own."""

    def __init__(self, settings: Settings, principals: Principals) -> None:
        self._settings = settings
        self._principals = principals
        self._credentials: dict[str, Credentials] = {}  # By the role's ARN.
        self._running: dict[str, tuple[Any, Any]] = {}  # Executions and moto's workers, by the execution's ARN.
        self._lock = threading.Lock()

    def check_role(self, role_arn: str, machine_arn: str) -> None:
        """Refuses a role that Step Functions may not assume.

        Raises:
            AwsError: AccessDeniedException.
        """
        self._principals.check_trust(role_arn, STATES, machine_arn)

    def start(self, machine: Any, execution: Any) -> None:
        """Runs an execution, which moto has stored, in a thread."""
        from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

        worker = ExecutionWorker(_details(machine, execution), _Silent(), None, {})
        with self._lock:
            self._running[execution.execution_arn] = execution, worker
        threading.Thread(target=self._run, args=(machine.roleArn, execution, worker), daemon=True).start()

    def history(self, execution: Any) -> list[Any]:
        """The events of an execution so far."""
        with self._lock:
            _, worker = self._running.get(execution.execution_arn, (None, None))
            return list(_events(worker) if worker else execution.history)

    def stop(self, execution_arn: str) -> None:
        """Ends an execution that moto has marked as stopped: it makes no further call."""
        with self._lock:
            execution, worker = self._running.pop(execution_arn, (None, None))
        if worker is None:
            return
        deadline = time.monotonic() + 1
        while worker.env is None and time.monotonic() < deadline:  # Its thread has only started.
            time.sleep(0.01)
        if worker.env is not None:
            worker.env.set_stop(stop_date=execution.stop_date, cause=None, error=None)
        execution.history = _events(worker)

    def close(self) -> None:
        """Ends the executions that still run, so that a saved state contains none."""
        with self._lock:
            running = [execution for execution, _ in self._running.values()]
        for execution in running:
            execution.stop()
            self.stop(execution.execution_arn)

    def _run(self, role: str, execution: Any, worker: Any) -> None:
        result: tuple[str, str | None, str | None, str | None]
        result = "FAILED", "States.Runtime", None, None
        try:
            self._assume(role, execution.state_machine_arn)
            worker._execution_logic()
            result = _outcome(worker.env)
        except AwsError as refused:
            result = "FAILED", refused.code, refused.message, None
        except Exception as problem:
            log.exception("The execution %s failed in localaws", execution.execution_arn)
            result = "FAILED", "States.Runtime", f"localaws: {type(problem).__name__}: {problem}", None
        with self._lock:
            if self._running.pop(execution.execution_arn, None) is None or execution.status != RUNNING:
                return  # It was stopped.
            execution.history = _events(worker)
            execution.stop_date = datetime.now(UTC)
            execution.status, execution.error, execution.cause, execution.output = result

    def _assume(self, role: str, machine_arn: str) -> None:
        """Lets the tasks of an execution call localaws under the role.

        Raises:
            AwsError: AccessDeniedException, because the role no longer trusts Step Functions.
        """
        self._credentials[role] = self._principals.assume(role, random_id(), STATES, machine_arn)

    def client(self, region: str, service: str, state_credentials: Any = None) -> Any:
        """The AWS client of a task; replaces moto's `boto_client_for`.

        Raises:
            AwsError: AccessDeniedException, because Step Functions may not assume the role of the task.
        """
        role = state_credentials.role_arn
        if role not in self._credentials:
            raise AwsError("AccessDeniedException", STATES.message)
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60, parameter_validation=False)
        return clients.client(service, self._credentials[role], region, self._settings.url, config)

    def install(self) -> None:
        """Changes moto's interpreter: its clients, the names of services in errors, and the pauses between retries."""
        importlib.import_module(f"{PARSER}.models")
        for name, module in list(sys.modules.items()):
            if name.startswith(PARSER) and hasattr(module, "boto_client_for"):
                module.boto_client_for = self.client  # type: ignore[attr-defined]
        importlib.import_module(AWS_SDK)._SERVICE_ERROR_NAMES.update(SERVICE_NAMES)
        speed = self._settings.speed
        pause = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / speed))
        setattr(importlib.import_module(RETRIER), "time", pause)  # noqa: B010 mypy knows no attribute of that name


class _Silent:
    """Ignores the end of an execution; `_run` reads its result instead."""

    def terminated(self) -> None:
        """Nothing to do."""


def _events(worker: Any) -> list[Any]:
    return list(worker.env.event_manager.get_event_history()) if worker.env else []


def _details(machine: Any, execution: Any) -> Any:
    from moto.stepfunctions.parser.asl.eval import evaluation_details as moto

    return moto.EvaluationDetails(
        moto.AWSExecutionDetails(execution.account_id, execution.region_name, machine.roleArn),
        moto.ExecutionDetails(
            execution.execution_arn,
            execution.name,
            machine.roleArn,
            json.loads(execution.execution_input),
            execution.start_date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
        moto.StateMachineDetails(machine.arn, machine.name, machine.sm_type or "STANDARD", machine.definition),
    )


def _outcome(environment: Any) -> tuple[str, str | None, str | None, str | None]:
    """Status, error, cause and output (JSON) of an execution that has ended."""
    from moto.stepfunctions.parser.asl.eval import program_state as moto
    from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

    state = environment.program_state()
    if isinstance(state, moto.ProgramEnded):
        return "SUCCEEDED", None, None, to_json_str(environment.states.get_input(), separators=(",", ":"))
    if isinstance(state, moto.ProgramTimedOut):
        return "TIMED_OUT", "States.Timeout", None, None
    found = state.error or {}
    return "FAILED", found.get("error"), found.get("cause"), None
