"""The number of invocations that run at a time.

They have threads of their own: a function, and what writes its log, make calls of other services before it ends.
"""

from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi_typing import WSGIApp

from localaws.errors import AwsError
from localaws.front.asgi import Asgi, Receive, Scope, Send

# "New AWS accounts have reduced concurrency and memory quotas":
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST = 10


class Invocations:
    """An ASGI application that takes `MOST` calls at a time."""

    def __init__(self, application: WSGIApp) -> None:
        self._application: Asgi = WSGIMiddleware(application, workers=MOST)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI.

        Raises:
            AwsError: TooManyRequestsException. A call does not wait, because a function that runs may make it.
        """
        if self._running >= MOST:
            # The error: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
            raise AwsError("TooManyRequestsException", f"Rate Exceeded. {MOST} functions are running.", 429)
        self._running += 1
        try:
            await self._application(scope, receive, send)
        finally:
            self._running -= 1
