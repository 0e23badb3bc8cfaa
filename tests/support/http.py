"""One HTTP client for all tests, with a connection for each call: creating a client costs 40 ms, for its TLS.

Its header is the one that localaws requires for `/_localaws/`.
"""

import httpx

HTTP = httpx.Client(
    headers={"x-localaws": "1"}, timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)
