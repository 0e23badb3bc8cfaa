"""The UI of tracking servers and Apps: `http://127.0.0.1:PORT/_ui/{host}/`, behind a session of a presigned URL.

On AWS each server has its own host name (`https://t-….{region}.experiments.sagemaker.aws`). localaws uses a path
instead, because names below `localhost` resolve only in browsers. This works because MLflow's pages use relative URLs.
The path cannot be a bucket's: S3 bucket names do not start with an underscore.
"""

import html
import re
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.asgi import Receive, Scope, Send, respond
from localaws.front.entrance import Authenticate, ErrorResponse
from localaws.front.identify import CALL_APP
from localaws.mlflow_actions import action_of
from localaws.tracking.catalog import Catalog
from localaws.tracking.data_plane import DataPlane, not_serving
from localaws.tracking.hosted import UI_PREFIX as PREFIX
from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.presigned_link import AUTH_PATH
from localaws.tracking.sessions import Session, Sessions

PATH = re.compile(rf"{PREFIX}([at]-[a-z0-9]+)(/.*)?")
COOKIE = "mlflow-session"
# The operation that a presigned URL calls; AWS has no name for it.
OPEN_SESSION = "OpenUiSession"
PAGE = "<!doctype html><meta charset=utf-8><title>{0}</title><h1>{0}</h1><p>{1}</p>"
NEW_LINK = "Create a new link: {}"
# The heading of an error's page; other errors show their code.
TITLES = {
    "LinkNotValid": "Link not valid",
    "NotSignedIn": "Not signed in",
    "NotServing": "The tracking server is not running",
    "ResourceNotFound": "No such tracking server",
}


class Ui:
    """Entrance and application for requests under a tracking server's path."""

    def __init__(self, catalog: Catalog, sessions: Sessions, data_plane: DataPlane) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._data_plane = data_plane

    def takes(self, call: Call) -> bool:
        """Return whether the path belongs to a tracking server."""
        return PATH.fullmatch(call.raw_path) is not None

    def admit(self, call: Call) -> Authenticate:
        """Check the session, and remove the server's prefix from the path, which MLflow does not know.

        Returns:
            A function that does nothing, because a session is checked without the body.

        Raises:
            AwsError: the server or the session does not exist, or the request comes from another origin.
        """
        found = PATH.fullmatch(call.raw_path)
        call.ui = found[1] if found else ""
        origin = call.headers.get("origin")
        if origin not in (None, f"http://{call.headers.get('host')}"):
            raise AwsError("AccessDenied", "This request comes from a page of another origin.", 403)
        start = len(f"{PREFIX}{call.ui}")
        call.path, call.raw_path = call.path[start:], call.raw_path[start:]
        self._authenticate(call)
        return lambda: None

    def _authenticate(self, call: Call) -> None:
        """Check the session. A presigned URL needs none: its token is checked when it opens a session."""
        server = self._server(call)
        call.resource, call.region = server.arn, server.region
        if call.path in ("", AUTH_PATH):
            call.service, call.operation = "localaws", OPEN_SESSION
            return
        if server.signing_name == "sagemaker":
            call.service, call.operation, call.parameters = "sagemaker", CALL_APP, {"Arn": server.arn}
        else:
            call.service, call.operation = "sagemaker-mlflow", action_of(call.method, call.path)
        session = self._sessions.find(_cookie(call), server.arn)
        if session is None:
            text = f"You have no session, or it has expired. {NEW_LINK.format(server.link_command)}"
            raise AwsError("NotSignedIn", text, 403)
        # The permissions are those of the principal that created the presigned URL.
        call.principal, call.access_key = session.principal, session.access_key

    def error(self, call: Call, error: AwsError) -> ErrorResponse:  # noqa: ARG002 an Entrance
        """Return an error page in HTML."""
        page = PAGE.format(html.escape(TITLES.get(error.code, error.code)), html.escape(error.message))
        return ErrorResponse(error.status, {"content-type": "text/html; charset=utf-8"}, page.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request (ASGI).

        Raises:
            AwsError: the link is not valid, or the server is not running.
        """
        call: Call = scope["localaws.call"]
        server = self._server(call)
        if not call.path:
            await respond(send, 302, {"location": f"{PREFIX}{call.ui}/"}, b"")
        elif call.operation == OPEN_SESSION:
            await self._open_session(server, call, send)
        elif not server.serving:
            raise AwsError("NotServing", not_serving(server), 503)
        else:
            await self._data_plane.answer(server, call, receive, send)

    async def _open_session(self, server: HostedMlflow, call: Call, send: Send) -> None:
        token = parse_qs(call.query).get("authToken", [""])[0]
        opened = self._sessions.open(token, server.arn)
        if opened is None:
            text = f"This link was used before, or it has expired. {NEW_LINK.format(server.link_command)}"
            raise AwsError("LinkNotValid", text, 403)
        key, session = opened
        pages = f"{PREFIX}{call.ui}/"
        cookie = f"{COOKIE}={key}; Path={pages}; HttpOnly; SameSite=Lax; Expires={_http_date(session)}"
        # The location has no fragment, so a browser keeps the link's fragment. A link can therefore open a run's page.
        await respond(send, 302, {"location": pages, "set-cookie": cookie, "cache-control": "no-store"}, b"")

    def _server(self, call: Call) -> HostedMlflow:
        server = self._catalog.by_host(call.ui)
        if server is None:
            raise AwsError("ResourceNotFound", "It was deleted, or localaws was reset.", 404)
        return server


def _cookie(call: Call) -> str:
    try:
        found = SimpleCookie(call.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _http_date(session: Session) -> str:
    return session.expires.strftime("%a, %d %b %Y %H:%M:%S GMT")
