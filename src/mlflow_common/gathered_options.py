"""Options of a command as the fields of a dataclass, so that a command with many options stays short."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import typer

Options = TypeVar("Options")

# The field, if the dataclass has it, that gets the flags that were given, such as "--wait". It is not an option.
EXPLICIT = "explicit"
_CONTEXT = "context"


def gathered(options: Callable[..., Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Decorate a command that takes a dataclass: its fields become the command's options.

    Args:
        options: a dataclass whose fields are annotated as Typer's parameters and have defaults.
    """
    hints = get_type_hints(options, include_extras=True)
    fields: Any = dataclasses.fields(options)  # type: ignore[arg-type]
    annotations = {one.name: hints[one.name] for one in fields if one.name != EXPLICIT}
    tells = EXPLICIT in hints
    parameters = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields
        if one.name != EXPLICIT
    ]
    parameters.append(inspect.Parameter(_CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))

    def decorate(command: Callable[[Options], None]) -> Callable[..., None]:
        def run(context: typer.Context, **values: Any) -> None:
            command(options(**values, **({EXPLICIT: _given(context)} if tells else {})))

        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        run.__annotations__ = {**annotations, _CONTEXT: typer.Context}
        described: Any = run
        # What Typer reads (inspect.signature).
        described.__signature__ = inspect.Signature(parameters)
        return run

    return decorate


def flag(parameter: Any) -> str:
    """The flag of a command's option, such as "--wait" or "--no-alarms"; an argument has none."""
    declared = [*getattr(parameter, "opts", ()), *getattr(parameter, "secondary_opts", ())]
    return next((text for text in declared if text.startswith("--")), "")


def _given(context: typer.Context) -> frozenset[str]:
    sources = ((one, context.get_parameter_source(one.name or "")) for one in context.command.params)
    return frozenset(flag(one) for one, source in sources if flag(one) and source and source.name == "COMMANDLINE")
