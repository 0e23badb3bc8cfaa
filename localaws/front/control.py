"""localaws's own paths below /_localaws/: health, the call log, faults, quotas, schedules."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.asgi import Receive, Scope, Send, read_body, respond_in_blocks, respond_json
from localaws.front.call_log import CallLog
from localaws.front.faults import Fault, Faults
from localaws.schedules import Schedules
from localaws.settings import CONTROL_HEADER

PREFIX = "/_localaws/"
# The largest body in bytes. These requests are not signed.
MOST = 1 << 20


class Control:
    """GET health; GET and DELETE calls; GET, POST and DELETE faults; POST quotas and schedules/GROUP/NAME/run."""

    def __init__(
        self,
        health: Callable[[], dict[str, Any]],
        calls: CallLog,
        faults: Faults,
        schedules: Schedules,
        set_quotas: Callable[[Any], None],
    ) -> None:
        self._health = health
        self._calls = calls
        self._faults = faults
        self._schedules = schedules
        self._set_quotas = set_quotas

    @staticmethod
    def takes(call: Call) -> bool:
        """Whether a request is localaws's own: S3 allows no bucket whose name starts with an underscore."""
        return call.path.startswith(PREFIX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        call: Call = scope["localaws.call"]
        refusal = _refusal(call)
        if refusal:
            await respond_json(send, 403, {"message": refusal})
            return
        match (call.method, *call.path.removeprefix(PREFIX).split("/")):
            case ("GET", "health"):
                await respond_json(send, 200, self._health())
            case ("GET", "calls"):
                await self._calls.settled()
                await respond_in_blocks(send, 200, {"content-type": "application/x-ndjson"}, self._calls.blocks())
            case ("DELETE", "calls"):
                self._calls.clear()
                await respond_json(send, 200, {})
            case ("GET", "faults"):
                await respond_json(send, 200, self._faults.list())
            case ("POST", "faults"):
                try:
                    self._faults.add(Fault.parse(json.loads(await read_body(receive, MOST))))
                except (ValueError, RecursionError) as error:
                    await respond_json(send, 400, {"message": str(error)})
                else:
                    await respond_json(send, 200, self._faults.list())
            case ("DELETE", "faults"):
                self._faults.clear()
                await respond_json(send, 200, [])
            case ("POST", "quotas"):
                try:
                    self._set_quotas(json.loads(await read_body(receive, MOST)))
                except (ValueError, RecursionError) as error:
                    await respond_json(send, 400, {"message": str(error)})
                else:
                    await respond_json(send, 200, {})
            case ("POST", "schedules", group, name, "run"):
                try:
                    await respond_json(send, 200, await asyncio.to_thread(self._schedules.run, group, name))
                except AwsError as error:
                    await respond_json(send, error.status, {"error": error.code, "message": error.message})
            case _:
                message = "There is /_localaws/health, /calls, /faults, /quotas and /schedules/GROUP/NAME/run."
                await respond_json(send, 404, {"message": message})


def _refusal(call: Call) -> str:
    """Why a request may come from a web page, which must not control localaws; "" for one that does not.

    A page cannot send the header to another origin without asking first (CORS), which localaws never allows. Pages of a
    tracking server are of the same origin: browsers mark their requests.
    """
    if CONTROL_HEADER not in call.headers:
        return f"Send the header {CONTROL_HEADER}: 1 with requests to {PREFIX}."
    if "origin" in call.headers or call.headers.get("sec-fetch-site", "none") != "none":
        return f"Web pages may not use {PREFIX}."
    return ""
