"""Run a command of the Makefile with the words of ARGS: `with_args.py COMMAND… {ARGS} …`.

ARGS is split into words as a shell splits them (quotes and backslashes), but nothing in it is expanded or executed.
What make hands down to a make inside it is removed, so that the command can call make itself.
"""

import os
import shlex
import sys

PLACEHOLDER = "{ARGS}"
OF_MAKE = ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")


def main(command: list[str], environ: dict[str, str]) -> None:
    """Replace this process by the command; exit status 2 when ARGS has an unclosed quote."""
    try:
        words = shlex.split(environ.get("ARGS", ""))
    except ValueError as error:
        sys.stderr.write(f"error: ARGS cannot be split into words ({error}): close every quote\n")
        raise SystemExit(2) from error
    at = command.index(PLACEHOLDER) if PLACEHOLDER in command else len(command)
    complete = command[:at] + words + command[at + 1 :]
    os.execvpe(complete[0], complete, {name: value for name, value in environ.items() if name not in OF_MAKE})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:], dict(os.environ))
