"""Points this process's AWS clients at localaws."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from http import HTTPStatus
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from mlflow_common.errors import PreconditionError
from mlflow_platform.environment import REPOSITORY

# Without HTTP_PROXY, which Python's clients would otherwise ask for 127.0.0.1 too.
_DIRECT = build_opener(ProxyHandler({}))
# localaws requires it for its own paths: a web page cannot send it.
CONTROL_HEADERS = {"x-localaws": "1"}
SESSION = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def localaws_home(environ: Mapping[str, str], repository: Path = REPOSITORY) -> Path:
    """The folder in which localaws keeps its data."""
    return Path(environ.get("LOCALAWS_HOME") or repository / ".localaws")


def use_localaws(home: Path, environ: MutableMapping[str, str]) -> None:
    """Point `environ` at the localaws that keeps its data in `home`, and check that it answers.

    The credentials become the administrator's. If `environ` holds a role's session for this same localaws, that
    session is kept.

    Raises:
        PreconditionError: localaws is not running.
    """
    not_running = PreconditionError("localaws is not running. Start it with `make local-up`.")
    try:
        lines = (home / "env").read_text().splitlines()
    except (OSError, ValueError):
        raise not_running from None
    written = {name: value for name, separator, value in (line.partition("=") for line in lines) if separator}
    url = written.get("AWS_ENDPOINT_URL", "")
    # Keys without a session token may belong to the administrator of an earlier localaws.
    has_session = url and environ.get("AWS_ENDPOINT_URL") == url and environ.get("AWS_SESSION_TOKEN")
    session = {name: environ[name] for name in SESSION if name in environ} if has_session else {}
    # The user's own exceptions stay beside those that localaws wrote.
    unproxied = [environ.get("NO_PROXY") or environ.get("no_proxy", ""), written.get("NO_PROXY", "")]
    # The user's own AWS settings would take precedence over these or contradict them.
    for name in list(environ):
        # TF_DATA_DIR belongs to Terraform's states on AWS.
        if name.startswith("AWS_") or name == "TF_DATA_DIR":
            del environ[name]
    for name, value in {**written, **session}.items():
        environ.pop(name, None)
        # An empty variable is not an unset one: boto3 looks for the profile that an empty AWS_PROFILE names.
        if value:
            environ[name] = value
    environ["NO_PROXY"] = environ["no_proxy"] = ",".join(filter(None, unproxied))
    if not _is_healthy(url):
        raise not_running


def _is_healthy(url: str) -> bool:
    try:
        request = Request(f"{url}/_localaws/health", headers=CONTROL_HEADERS)  # noqa: S310 localaws writes an http URL
        with _DIRECT.open(request, timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (URLError, OSError, ValueError):
        return False
