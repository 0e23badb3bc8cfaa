"""One HTTP client for all tests, with a connection for each call: a client of its own costs 40 ms, for its TLS."""

import httpx

HTTP = httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
