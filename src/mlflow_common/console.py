"""The scripts' user interface: common options, progress, results, and errors as one line.

Results go to standard output, everything else to standard error. A terminal shows both with rich; otherwise they are
plain lines. With --json the result is one JSON object.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from mlflow_common.errors import InputError, explain, first_line
from mlflow_common.numbers import short

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Env = Annotated[str, typer.Option("--env", metavar="NAME", help="The environment: a folder below mlflow/terraform.")]
Local = Annotated[bool, typer.Option("--local", help="Use localaws on this machine instead of AWS.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

INTERRUPTED = 130
# GitHub's runner executes a line that begins with `::NAME` after its spaces, and `##[NAME]` anywhere in a line:
# https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
_RUNNER_COMMAND = re.compile(r"^\s*::|##\[")


def make_app(about: str | None = None) -> typer.Typer:
    """Create an application that leaves errors to `run`. `about` is the help text if it has several commands.

    Only a terminal gets help texts in panels: rich, which draws them, takes twice as long to import as all the rest.
    """
    _open_standard_streams()
    mode: Literal["rich"] | None = "rich" if sys.stdout.isatty() else None
    return _App(help=about, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=mode)


def _open_standard_streams() -> None:
    """Replace closed standard streams (`>&-`), for which Python has None, by the null device.

    Files that are opened later would otherwise get their numbers, and a program that is started would write into them.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


class _App(typer.Typer):
    """An application whose commands refuse values that would be ignored: see `_Command`."""

    def command(self, name: str | None = None, **given: Any) -> Any:
        return super().command(name, cls=_Command, **given)


class _Command(TyperCommand):
    """Refuses what Typer accepts and scripts would take for something else, without a word.

    An empty value (of a variable that is not set) would be the default or, as a path, the working directory. Of
    `--dry-run --yes` the last one would count. `nan` and `inf` pass Typer's bounds, and comparisons with them fail.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        words = set(args[: args.index("--")] if "--" in args else args)
        for parameter in self.params:
            value = given.get(parameter.name)
            values = value if isinstance(value, (list, tuple)) else [value]
            if any(isinstance(one, str) and not one.strip() for one in values):
                raise InputError(f"{_label(parameter)} is empty. Give it a value, or leave it out.")
            on, off = words.intersection(parameter.opts), words.intersection(parameter.secondary_opts)
            if on and off:
                raise InputError(f"{min(on)} and {min(off)} contradict each other. Leave one of them out.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        for parameter in self.params:
            value = ctx.params.get(parameter.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{parameter.opts[0]} takes a finite number, not {value}.")
        return super().invoke(ctx)


def _label(parameter: Any) -> str:
    """What users call a parameter: an option's flag, or what the help calls an argument."""
    declared: str = parameter.opts[0]
    return declared if declared.startswith("-") else parameter.metavar or declared.upper()


def run(app: typer.Typer, context: object = None, *, resume: str = "Run the same command again to resume.") -> None:
    """Run a script. Every error becomes one line on standard error and an exit status.

    Args:
        context: the object that commands find in their click context.
        resume: what to do after an interruption.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows its escape instead.
            stream.reconfigure(errors="backslashreplace")
    if "--debug" in sys.argv:
        shown = logging.StreamHandler()
        shown.setFormatter(_Printable("%(message)s"))
        logging.basicConfig(handlers=[shown])
        logging.getLogger("mlflow_platform").setLevel(logging.DEBUG)
    try:
        status = app(standalone_mode=False, obj=context) or 0
    except typer.Abort:
        # Ctrl-D or Ctrl-C at a question.
        status = INTERRUPTED
    except Exception as error:
        if "--debug" in sys.argv:
            _show_traceback(error)
        status = _tell(error)
    # Typer's status for Ctrl-C.
    if status == INTERRUPTED:
        fail(f"interrupted. What was started on AWS continues. {resume}")
    sys.exit(status)


class _Printable(logging.Formatter):
    """Messages on one line, with names of others in them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _show_traceback(error: BaseException) -> None:
    """A traceback ends with messages, which contain names and answers of others."""
    for line in "".join(traceback.format_exception(error)).splitlines():
        echo(line, err=True)


def fail(message: str) -> None:
    """Print what is wrong, on standard error."""
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    echo(message, err=True)


def echo(text: str, *, colour: str | None = None, err: bool = False) -> None:
    """Print text as one line.

    Names and messages come from others: from people who log runs, and from servers and models. Printed as they are,
    they could write over other lines, or be what the terminal or GitHub's runner executes.
    """
    typer.secho(printable(text), fg=colour, err=err)


def json_value(value: Any) -> Any:
    """A value without the numbers that JSON does not have (RFC 8259, section 6): NaN as null, infinities as text.

    The texts are those of Protocol Buffers' JSON format, which `float()`, pandas and JavaScript's `Number()` read.
    """
    match value:
        case Mapping():
            return {name: json_value(each) for name, each in value.items()}
        case list() | tuple():
            return [json_value(each) for each in value]
        case float() if math.isnan(value):
            return None
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return value


def as_json(values: Any, *, readable: bool = False) -> str:
    """JSON in which everything that `printable` escapes is escaped; if `readable`, with letters of all languages."""
    text = json.dumps(json_value(values), ensure_ascii=not readable, allow_nan=False).replace("##[", r"##\u005b")
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)


def printable(text: str) -> str:
    """Text on one line that any terminal can show: control characters and undecodable bytes become escapes.

    So does the beginning of a command of GitHub's runner, such as `::add-mask::`.
    """
    shown = "".join(
        character
        if character.isprintable() or character == "\t"
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )
    return _RUNNER_COMMAND.sub(lambda found: f"{found[0][:-1]}\\x{ord(found[0][-1]):x}", shown)


def _commands(error: Any) -> str:
    """The commands of a script, for the message that there is no such command. It may suggest a similar one itself."""
    message = error.format_message()
    if not message.startswith("No such command") or "Did you mean" in message:
        return ""
    known: dict[str, Any] = getattr(getattr(error.ctx, "command", None), "commands", {})
    return f": use {', '.join(known)}" if known else ""


def _tell(error: Exception) -> int:
    # Typer keeps its usage errors (an unknown option, a missing argument) in a private module.
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        fail(f"{error.format_message().rstrip('.')}{_commands(error)} (see --help).")
        return int(error.exit_code)
    known = explain(error)
    if known is None:
        fail(f"{type(error).__name__}: {first_line(error)} (unexpected). Run the command with --debug to see where.")
        return 1
    fail(known.message)
    for line in known.details:
        echo(f"  {line}", err=True)
    return known.status


class Console:
    """Shows progress while a command works, and the result at its end. Use it as a context manager."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._live: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Console:
        if sys.stderr.isatty():
            from rich.console import Console as RichConsole
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.table import Column

            # Only the text wraps if a line is too long for the window.
            text = TextColumn("{task.description}", table_column=Column(overflow="fold"))
            self._live = Progress(
                SpinnerColumn(), TimeElapsedColumn(), text, console=RichConsole(stderr=True), transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(done=error is None)

    def progress(self, line: str) -> None:
        """Show the step that starts now. The step before it is then done."""
        if self._live is None:
            echo(line, err=True)
            return
        from rich.markup import escape

        self._finish(done=True)
        self._task = self._live.add_task(escape(printable(line)), total=None)

    def log(self, line: str) -> None:
        """Show a line of another program's output, such as a build's log. The current step goes on."""
        if self._live is None:
            echo(f"  {line}", err=True)
        else:
            self._live.console.print(f"  {printable(line)}", style="dim", markup=False, soft_wrap=True, highlight=False)

    def result(self, values: Mapping[str, Any]) -> None:
        """Show the result: names and values. Values that are None are left out."""
        self._end(done=True)
        if self.as_json:
            typer.echo(as_json(values))
            return
        shown = {name.replace("_", " "): _text(value) for name, value in values.items() if value is not None}
        width = max(map(len, shown), default=0)
        # One line each, however long: a link that is broken into lines cannot be clicked.
        for name, text in shown.items():
            typer.secho(f"{printable(name):{width}}  ", bold=True, nl=False)
            echo(text)

    def table(self, lines: Sequence[tuple[str, str]]) -> None:
        """Print lines that belong to the result, such as a table: each is a text and its colour (empty: none)."""
        self._end(done=True)
        for text, colour in lines:
            echo(text, colour=colour or None)

    def _finish(self, *, done: bool) -> None:
        """Turn the current step into a line that stays, with the seconds that it took."""
        if self._live is None or self._task is None:
            return
        task = self._live.tasks[-1]
        mark = "[green]✓[/]" if done else "[red]✗[/]"
        line = f"{mark} {task.description} [dim]{task.elapsed or 0:.1f} s[/]"
        self._live.remove_task(self._task)
        self._live.console.print(line, soft_wrap=True, highlight=False)
        self._task = None

    def _end(self, *, done: bool) -> None:
        if self._live is not None:
            self._finish(done=done)
            self._live.stop()
            self._live = None


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name}={number:g}" if isinstance(number, float) else f"{name}={number}" for name, number in value.items()
        )
    return short(value) if isinstance(value, float) else str(value)
