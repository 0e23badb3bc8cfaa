"""Opens presigned links as a browser does."""

from __future__ import annotations

import http.cookiejar
import urllib.request
from http import HTTPStatus

from mlflow_common.errors import PlatformError


def opened(link: str) -> str:
    """Open a presigned link as a browser does, with cookies and redirects."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    with urllib.request.build_opener(cookies).open(link, timeout=60) as answer:
        body = answer.read().decode(errors="replace")
        if answer.status != HTTPStatus.OK or "<html" not in body.lower():
            raise PlatformError(f"the link answers HTTP {answer.status} without a page")
    return f"HTTP {answer.status}, a page of {len(body)} characters"
