"""A proxy that limits an HTTP server's request rate, delays each request, and counts all requests.

Usage: python -m bench.pacing PORT TARGET REQUESTS_PER_SECOND LATENCY_SECONDS (0 requests per second means no limit)
GET /_calls returns the counts and is not counted.
"""

import asyncio
import re
import sys
import time
from collections import Counter

import aiohttp
from aiohttp import web
from yarl import URL

_IDS = re.compile(r"/(?:m-)?[0-9a-f]{32}|/tr-\w+")
_HOP = {"host", "connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive"}


class Pacing:
    """Forwards requests to one server with a limited rate."""

    def __init__(self, target: str, rate: float, latency: float) -> None:
        self._target, self._rate, self._latency = target, rate, latency
        self._calls: Counter[str] = Counter()
        self._free = 0.0
        self._http: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if request.path == "/_calls":
            return web.json_response(self._calls)
        self._calls[f"{request.method} {_IDS.sub('/*', request.path)}"] += 1
        body = await request.read()
        if self._rate:
            now = time.monotonic()
            self._free = max(now, self._free) + 1 / self._rate
            await asyncio.sleep(self._free - now)
        await asyncio.sleep(self._latency)
        if self._http is None:
            self._http = aiohttp.ClientSession(
                auto_decompress=False, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(600)
            )
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = self._target + request.raw_path
        async with self._http.request(request.method, URL(url, encoded=True), data=body, headers=headers) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def close(self, _: web.Application) -> None:
        """Close the connections to the server."""
        if self._http is not None:
            await self._http.close()


def main() -> None:
    """Run until the process is stopped."""
    port, target, rate, latency = sys.argv[1:]
    app = web.Application(client_max_size=1 << 30)
    pacing = Pacing(target, float(rate), float(latency))
    app.router.add_route("*", "/{path:.*}", pacing.handle)
    app.on_cleanup.append(pacing.close)
    web.run_app(app, host="127.0.0.1", port=int(port), print=None)


if __name__ == "__main__":
    main()
