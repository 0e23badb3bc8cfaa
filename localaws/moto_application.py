"""moto as an ASGI application: one call of a service at a time."""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from a2wsgi import WSGIMiddleware
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from localaws.call import Call, current_call
from localaws.front.asgi import Asgi, Receive, Scope, Send
from localaws.functions.concurrency import Invocations
from localaws.turns import Turns

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# Services with calls that may run beside each other:
CONCURRENT = {
    "s3",  # Uploads take long, and moto stores each object in one assignment.
    "sagemaker",  # localaws's own code, which has locks.
    "sns",  # Publish waits for the subscriber's answer, and a subscriber may call SNS before it answers.
}
# An invocation lasts as long as the function, which may call Lambda itself.
CONCURRENT_CALLS = {"lambda:Invoke"}
WORKERS = 16
# What moto serves below /moto-api and /latest, which are buckets of S3: a page with all resources and their secrets, a
# switch that deletes them, a recorder of requests, and the credentials of an instance.
MOTOS_OWN = ("moto_api", "instance_metadata")
METADATA = b"x-amz-meta-"


def moto(prepare: Callable[[str], None]) -> Asgi:
    """moto's own dispatcher, in threads. `prepare` is called with the service before each call."""
    dispatcher = DomainDispatcherApplication(create_backend_app)
    # moto lists its own folders at each call to find the service of a host.
    find = lru_cache(maxsize=1024)(dispatcher.get_backend_for_host)
    dispatcher.get_backend_for_host = lambda host: None if host in MOTOS_OWN else find(host)
    infer = dispatcher.infer_service_region_host
    dispatcher.infer_service_region_host = lambda environ, path: infer(_named(environ), path)
    one_at_a_time = OneAtATime(dispatcher, prepare)
    others: Asgi = WSGIMiddleware(one_at_a_time, workers=WORKERS)
    invocations = Invocations(one_at_a_time)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        is_invocation = current_call.get().action in CONCURRENT_CALLS
        await (invocations if is_invocation else others)(without_aliases(scope), receive, send)

    return application


def without_aliases(scope: Scope) -> Scope:
    """The request without headers such as `x_amz_copy_source`: to WSGI, `_` in a name is `-`, but not to the guard.

    Names with `_` that AWS's clients send are those of an object's own metadata.
    """
    kept = [(name, value) for name, value in scope["headers"] if b"_" not in name or name.startswith(METADATA)]
    return {**scope, "headers": kept}


def _named(environ: Mapping[str, Any]) -> dict[str, Any]:
    """A request with the service for which it was signed and checked, where moto looks for it.

    Otherwise, moto takes a presigned request for one of S3, whatever it was signed for, and a body for one of others.
    """
    call = current_call.get()
    scope = f"{call.access_key or '-'}/-/{call.region or 'us-east-1'}/{call.service}/aws4_request"
    return {**environ, "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={scope}"}


class OneAtATime:
    """Keeps the calls of a service apart.

    moto has no locks: a call that lists what another call adds to fails ("dictionary changed size during iteration"),
    and a call that creates something can fail after it was carried out, so that the SDK's retry finds it existing.
    """

    def __init__(self, application: Wsgi, prepare: Callable[[str], None]) -> None:
        self._application = application
        self._prepare = prepare
        self._turns = Turns()
        self._preparing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI. The response of a service that is locked is complete before the next call of it begins."""
        call = current_call.get()
        service = call.service
        # The ASGI adapter passes only the decoded path, and moto decodes that again: the key `a%2Fb` became `a/b`, and
        # `a?b` became `a`.
        environ["RAW_URI"] = f"{call.raw_path}?{call.query}" if call.query else call.raw_path
        if service != "s3" and "HTTP_AUTHORIZATION" not in environ:
            environ = _named(environ)  # moto finds the caller there, too; S3's presigned URLs have their own form.
        with self._preparing:
            self._prepare(service)
        with self._turn(call):
            return self._application(environ, start_response)

    def _turn(self, call: Call) -> AbstractContextManager[Any]:
        if call.service in CONCURRENT or call.action in CONCURRENT_CALLS:
            return nullcontext()
        return self._turns.of(call.service)
