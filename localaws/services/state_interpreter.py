"""What moto's interpreter of the Amazon States Language does not do as Step Functions.

Sources: https://states-language.net/spec.html (States.NoChoiceMatched) and
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html (variables).
"""

import re
from functools import wraps
from typing import Any

from localaws.moto_methods import original

_VARIABLE = re.compile(r"\$(?P<name>\w+)(?P<path>.*)", re.DOTALL)


def install() -> None:
    """Changes moto's interpreter."""
    _fail_without_a_choice()
    _read_variables()


def _fail_without_a_choice() -> None:
    """An execution fails with States.NoChoiceMatched where no rule matches and there is no Default."""
    from moto.stepfunctions.parser.asl.component.state.choice.state_choice import StateChoice

    choose = original(StateChoice._eval_state)

    @wraps(choose)
    def eval_state(state: Any, env: Any) -> None:
        try:
            choose(state, env)
        except RuntimeError as error:
            if state.default_state is None and "No branching option" in str(error):
                raise _no_choice(env, state.name) from None
            raise

    StateChoice._eval_state = eval_state


def _no_choice(env: Any, name: str) -> Exception:
    from moto.stepfunctions.parser.api import HistoryEventType
    from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
        FailureEvent,
        FailureEventException,
    )
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

    kind = StatesErrorNameType.StatesNoChoiceMatched
    cause = f"No rule of the Choice state {name} matches its input, and it has no Default."
    details = EventDetails(executionFailedEventDetails={"error": kind.to_name(), "cause": cause})
    failure = FailureEvent(env, StatesErrorName(kind), HistoryEventType.ExecutionFailed, details)
    error: Exception = FailureEventException(failure)
    return error


def _read_variables() -> None:
    """moto reads `$name.path` with a JSONata engine for Java, which localaws does not have."""
    from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringVariableSample
    from moto.stepfunctions.parser.asl.utils.json_path import extract_json

    def read(sample: Any, env: Any) -> None:
        found = _VARIABLE.fullmatch(sample.expression)
        if found is None:
            raise ValueError(f"{sample.expression} is not the name of a variable")
        value = env.variable_store.get(found["name"])
        env.stack.append(extract_json(f"${found['path']}", value) if found["path"] else value)

    StringVariableSample._eval_body = read
