"""The shell script of a build: all phases in one shell, so that variables last from phase to phase as on CodeBuild.

The script writes a line for each phase that ends into a file: its name, its exit status and the command that failed.
At its end it writes the exported variables into another file, each as NAME=VALUE and a null character.
"""

import shlex

from localaws.builds.buildspec import PHASES, Buildspec

# A failed install or pre_build ends the build; post_build runs after a failed build, too:
# https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
_HEAD = """\
localaws_failed=
localaws_phase() { printf '%s\\t%s\\t%s\\n' "$1" "$2" "$3" >>"$LOCALAWS_PHASES"; }
"""


def script(buildspec: Buildspec) -> str:
    """A bash script that runs a buildspec's commands."""
    phases = "".join(_phase(phase, buildspec) for phase in PHASES)
    exports = "".join(
        f'printf \'%s=%s\\0\' {name} "${{{name}-}}" >>"$LOCALAWS_EXPORTED"\n' for name in buildspec.exported
    )
    return f'{_HEAD}{phases}{exports}[ -z "$localaws_failed" ]\n'


def _phase(phase: str, buildspec: Buildspec) -> str:
    name = phase.upper()
    runs_after = {"install": "", "pre_build": "", "build": "", "post_build": "BUILD"}[phase]
    condition = '[ -z "$localaws_failed" ]'
    if runs_after:
        condition = f'{{ [ -z "$localaws_failed" ] || [ "$localaws_failed" = {runs_after} ]; }}'
    lines = [f"localaws_status=0 localaws_command=\nif {condition}; then\n"]
    lines += [_command(command) for command in buildspec.commands[phase]]
    lines += [f"{_announce(command)}eval {shlex.quote(command)}\n" for command in buildspec.finally_commands[phase]]
    lines.append(f'[ "$localaws_status" = 0 ] || localaws_failed=${{localaws_failed:-{name}}}\n')
    lines.append(f'localaws_phase {name} "$localaws_status" "$localaws_command"\nfi\n')
    return "".join(lines)


def _command(command: str) -> str:
    """One command, if none before it failed; `eval` keeps a syntax error within the command."""
    first_line = command.strip().splitlines()[0] if command.strip() else ""
    return (
        'if [ "$localaws_status" = 0 ]; then\n'
        f"{_announce(command)}"
        f"eval {shlex.quote(command)}\n"
        "localaws_status=$?\n"
        f"[ $localaws_status = 0 ] || localaws_command={shlex.quote(first_line)}\n"
        "fi\n"
    )


def _announce(command: str) -> str:
    """Prints the command to the log, as CodeBuild does."""
    return f"printf '%s\\n' {shlex.quote('[Container] Running command ' + command)}\n"
