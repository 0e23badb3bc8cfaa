"""Step Functions: executions that run, checks of definition and role, and the operations that Terraform needs."""

import json
from functools import wraps
from typing import Any

from localaws.errors import AwsError
from localaws.moto_methods import original
from localaws.services import state_interpreter, state_language
from localaws.services.context import ServiceContext
from localaws.state_machines import StateMachines

# GetExecutionHistory's default: https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html
PAGE = 100
LONGEST_TOKEN = 10


def install(context: ServiceContext) -> None:
    """Changes moto's Step Functions."""
    from moto.core.responses import ActionResult
    from moto.stepfunctions.models import Execution
    from moto.stepfunctions.responses import StepFunctionResponse as Response

    machines = context.state_machines
    machines.install()
    state_interpreter.install()

    def validate(response: Any) -> Any:
        problem = _problem(response._get_param("definition") or "")
        found = [{"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": problem}] if problem else []
        return ActionResult({"result": "FAIL" if problem else "OK", "diagnostics": found, "truncated": False})

    def versions(response: Any) -> Any:
        machine = response.stepfunction_backend.describe_state_machine(response._get_param("stateMachineArn"))
        found = [
            {"stateMachineVersionArn": version.arn, "creationDate": version.creation_date}
            for _, version in sorted(machine.versions.items(), reverse=True)
        ]
        return ActionResult({"stateMachineVersions": found})

    def history(response: Any) -> Any:
        events = machines.history(response.stepfunction_backend.describe_execution(response._get_param("executionArn")))
        return ActionResult(
            _page(
                events[::-1] if response._get_bool_param("reverseOrder") else events,
                response._get_int_param("maxResults") or PAGE,
                response._get_param("nextToken"),
            )
        )

    stop = original(Response.stop_execution)

    @wraps(stop)
    def stop_execution(response: Any) -> Any:
        answer = stop(response)
        machines.stop(response._get_param("executionArn"))
        return answer

    Response.create_state_machine = _creation(Response.create_state_machine, machines)
    Response.update_state_machine = _update(Response.update_state_machine, machines)
    Response.validate_state_machine_definition = validate
    Response.list_state_machine_versions = versions
    Response.start_execution = _start(Response.start_execution, machines)
    Response.stop_execution = stop_execution
    Response.get_execution_history = history
    Execution.history = []


def _page(events: list[Any], size: int, token: str | None) -> dict[str, Any]:
    """A page of a history. The token is the number of the next event.

    Raises:
        AwsError: InvalidToken.
    """
    if token and not (token.isascii() and token.isdigit() and len(token) < LONGEST_TOKEN):
        raise AwsError("InvalidToken", f"Invalid Token: '{token}'")
    first = int(token or 0)
    following = {"nextToken": str(first + size)} if first + size < len(events) else {}
    return {"events": events[first : first + size], **following}


def _creation(method: Any, machines: StateMachines) -> Any:
    """Checks definition and role. CreateStateMachine is idempotent for the same definition and role only.

    Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
    """
    moto = original(method)

    @wraps(moto)
    def respond(response: Any) -> Any:
        name, definition, role = (response._get_param(key) or "" for key in ("name", "definition", "roleArn"))
        arn = f"arn:aws:states:{response.region}:{response.current_account}:stateMachine:{name}"
        _check(definition)
        _check_logging(response)
        machines.check_role(role, arn)
        for machine in response.stepfunction_backend.state_machines:
            if machine.arn == arn and (machine.definition, machine.roleArn) != (definition, role):
                raise AwsError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        return moto(response)

    return respond


def _update(method: Any, machines: StateMachines) -> Any:
    moto = original(method)

    @wraps(moto)
    def respond(response: Any) -> Any:
        definition, role = response._get_param("definition"), response._get_param("roleArn")
        if definition is not None:
            _check(definition)
        _check_logging(response)
        if role:
            machines.check_role(role, response._get_param("stateMachineArn"))
        return moto(response)

    return respond


def _start(method: Any, machines: StateMachines) -> Any:
    moto = original(method)

    @wraps(moto)
    def respond(response: Any) -> Any:
        backend = response.stepfunction_backend
        known = {execution.execution_arn for machine in backend.state_machines for execution in machine.executions}
        answer = moto(response)
        machine = backend.describe_state_machine(response._get_param("stateMachineArn"))
        for execution in machine.executions:
            if execution.execution_arn not in known:
                machines.start(machine, execution)
        return answer

    return respond


def _check(definition: str) -> None:
    """Refuses a definition that is not in the Amazon States Language.

    Raises:
        AwsError: InvalidDefinition.
        NotImplementedError: localaws cannot run it.
    """
    problem = _problem(definition)
    if problem:
        raise AwsError("InvalidDefinition", f"Invalid State Machine Definition: {problem}")
    if state_language.has_jsonata(json.loads(definition)):
        raise NotImplementedError("state machines with JSONata. Use JSONPath and its variables")


def _check_logging(response: Any) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_LoggingConfiguration.html (destinations)."""
    given = response._get_param("loggingConfiguration") or {}
    if given.get("level", "OFF") != "OFF" and not given.get("destinations"):
        message = "Invalid Logging Configuration: Must specify exactly one Log Destination."
        raise AwsError("InvalidLoggingConfiguration", message)


def _problem(definition: str) -> str:
    """What is wrong with a definition; empty if nothing is."""
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

    try:
        parsed = json.loads(definition)
        AmazonStateLanguageParser.parse(definition)
    except Exception as error:  # The parser raises many kinds of errors.
        return " ".join(str(error).split()) or type(error).__name__
    return next(state_language.problems(parsed), "")
