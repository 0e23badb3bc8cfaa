"""The connections to the tracking servers' processes, kept open between calls."""

import aiohttp


class Connections:
    """One pool for all servers. Opened inside the event loop, closed with it."""

    session: aiohttp.ClientSession

    async def open(self) -> None:
        """Before the first request."""
        # A process keeps an idle connection for 75 s: it shall be closed on this side first.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        self.session = aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=timeout)

    async def close(self) -> None:
        """After the last."""
        await self.session.close()
