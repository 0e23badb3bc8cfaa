"""`python -m localaws VERB`: starts, stops and inspects the local AWS from the command line."""

import argparse
import os
import shlex
import sys
from contextlib import suppress

from localaws import daemon, home
from localaws.mirror import mirror
from localaws.settings import Settings, no_proxy
from localaws.state import named
from localaws.state.files import StateError

NOT_RUNNING = "localaws is not running: start it with `make local-up`."


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="localaws",
        description="A local AWS: moto, real MLflow tracking servers, real endpoints. "
        "Reads LOCALAWS_PORT (4577), LOCALAWS_HOME (.localaws) and LOCALAWS_IDLE_MINUTES (240).",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("up", help="start it in the background")
    verbs.add_parser("down", help="save its state; stop it and every process it started")
    verbs.add_parser("reset", help="stop it and delete its state (named copies stay)")
    keep = verbs.add_parser("save", help="keep a named copy of the state of a stopped localaws")
    keep.add_argument("name")
    bring = verbs.add_parser("restore", help="replace the state of a stopped localaws by a named copy")
    bring.add_argument("name")
    verbs.add_parser("status", help="print whether it runs and what it holds (exit status 3: not running)")
    verbs.add_parser("env", help='print the variables that point AWS clients to it: eval "$(python -m localaws env)"')
    verbs.add_parser("logs", help="print the end of its log and name the others")
    copy = verbs.add_parser("mirror", help="copy the Terraform of an environment for localaws; print the folder")
    copy.add_argument("environment")
    ahead = verbs.add_parser("prepare", help="build the environments of MLflow servers before their first use")
    ahead.add_argument("versions", nargs="*", metavar="VERSION", help="such as 3.0 (default: the module's)")
    verbs.add_parser("serve", help="run in the foreground")
    given = parser.parse_args(arguments)
    try:
        status = _run(given)
        if sys.stdout:
            sys.stdout.flush()  # Here, because an error at the end of the process has no message.
    except ValueError as error:
        return _failed(given.verb, str(error), 2)
    except (daemon.DaemonError, home.HomeError) as error:
        return _failed(given.verb, str(error), error.status)
    except BrokenPipeError:
        # What read the output has ended, such as `head`.
        _discard_output()
        return 1
    except OSError as error:
        failed = _failed(given.verb, f"localaws cannot use its files or its output: {error}", 1)
        _discard_output()
        return failed
    except KeyboardInterrupt:
        return _failed(given.verb, "Interrupted. `python -m localaws status` shows whether localaws runs.", 130)
    return status


def _run(given: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    if given.verb != "prepare":  # It uses only the cache.
        home.check(settings)
    match given.verb:
        case "up":
            pid = daemon.up(settings, _warn)
            print(f"localaws runs at {settings.url} (process {pid}, logs in {settings.logs}).")
        case "down":
            stopped = daemon.down(settings)
            print("localaws is stopped." if stopped else "localaws was not running.")
        case "reset":
            daemon.reset(settings)
            print("localaws is stopped, and its state is deleted.")
        case "save" | "restore":
            return _copy_state(settings, given.verb, given.name)
        case "status":
            return _status(settings)
        case "env":
            return _env(settings)
        case "logs":
            return _logs(settings)
        case "mirror":
            print(mirror(settings, given.environment))
        case "prepare":
            return _prepare(settings, given.versions)
        case "serve":
            return _serve(settings)
    return 0


def _failed(verb: str, message: str, status: int) -> int:
    if verb == "env":
        with suppress(OSError):
            print("false", flush=True)  # So that `eval` fails, and a script with `set -e` does not go on with AWS.
    return _say(message, status)


def _discard_output() -> None:
    """Drop what could not be written. Python would try it again at the end of the process, and print a traceback."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _copy_state(settings: Settings, verb: str, name: str) -> int:
    if daemon.running_pid(settings) is not None:
        return _say("localaws is running: stop it first with `python -m localaws down`.", 3)
    try:
        if verb == "save":
            print(f"The state is saved in {named.save(settings, name)}.")
        else:
            named.restore(settings, name)
            print(f"The state {name} is restored: start localaws with `python -m localaws up`.")
    except StateError as error:
        return _say(str(error), 2)
    return 0


def _serve(settings: Settings) -> int:
    from localaws.serve import AlreadyRunningError, serve  # Importing moto takes a second.

    daemon.check_machine(settings)
    home.claim(settings)
    daemon.prepare_state(settings, _warn)
    try:
        serve(settings)
    except AlreadyRunningError:
        return _say(f"localaws is already running for {settings.home}.", 3)
    return 0


def _prepare(settings: Settings, versions: list[str]) -> int:
    from localaws.tracking.releases import DEFAULT, RELEASES, Releases
    from localaws.venvs import BuildError, Venvs

    unknown = [version for version in versions if version not in RELEASES]
    if unknown:
        return _say(f"SageMaker has no MLflow {', '.join(unknown)}: choose from {', '.join(RELEASES)}.", 2)
    releases = Releases(Venvs(settings.cache / "venvs"), settings.cache / "servers")
    for version in versions or [DEFAULT]:
        try:
            releases.database(RELEASES[version])
        except BuildError as error:
            return _say(f"The environment of MLflow {version} cannot be built: {error}", 1)
    return 0


def _status(settings: Settings) -> int:
    pid = daemon.running_pid(settings)
    settings = daemon.as_running(settings)
    found = daemon.health(settings)
    if pid is None or found is None:
        return _say(NOT_RUNNING, 3)
    print(f"localaws runs at {settings.url} (process {pid}, logs in {settings.logs}).")
    for kind in ("tracking_servers", "mlflow_apps", "endpoints"):
        for item in found.get(kind, []):
            print(f"  {kind.removesuffix('s').replace('_', ' ')} {item['name']}: {item['status']}")
    return 0


def _env(settings: Settings) -> int:
    if daemon.running_pid(settings) is None or not settings.env_file.exists():
        return _failed("env", NOT_RUNNING, 3)
    for line in settings.env_file.read_text().splitlines():
        name, _, value = line.partition("=")
        if name.upper() == "NO_PROXY":
            value = no_proxy(os.environ)  # NO_PROXY of this shell, not of the shell that started localaws.
        print(f"export {name}={shlex.quote(value)}" if value else f"unset {name}")
    return 0


def _logs(settings: Settings) -> int:
    file = daemon.log_file(settings)
    if not file.exists():
        return _say(f"There is no log yet in {settings.logs}.", 3)
    print("\n".join(file.read_text(errors="replace").splitlines()[-50:]))
    for other in sorted(settings.logs.glob("*.log")):
        print(f"{other}  {other.stat().st_size} bytes")
    return 0


def _warn(message: str) -> None:
    print(message, file=sys.stderr)


def _say(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
