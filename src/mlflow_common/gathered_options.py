"""Options of a command as the fields of a dataclass, so that a command with many options stays short."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

Options = TypeVar("Options")


def gathered(options: Callable[..., Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Decorate a command that takes a dataclass: its fields become the command's options.

    Args:
        options: a dataclass whose fields are annotated as Typer's parameters and have defaults.
    """
    hints = get_type_hints(options, include_extras=True)
    fields: Any = dataclasses.fields(options)  # type: ignore[arg-type]
    parameters = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields
    ]

    def decorate(command: Callable[[Options], None]) -> Callable[..., None]:
        def run(**values: Any) -> None:
            command(options(**values))

        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        run.__annotations__ = {one.name: hints[one.name] for one in fields}
        described: Any = run
        # What Typer reads (inspect.signature).
        described.__signature__ = inspect.Signature(parameters)
        return run

    return decorate
