"""One HTTP client for all tests, with a new connection for each call. Creating a client takes 40 ms, because of TLS.

It sends the header that localaws requires for `/_localaws/`.
"""

import httpx

HTTP = httpx.Client(
    headers={"x-localaws": "1"}, timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)
