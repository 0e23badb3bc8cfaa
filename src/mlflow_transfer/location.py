"""Recognizes the kind of a source or destination by its text: an ARN, a URL, a folder, a database, an archive."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mssql")
_BEFORE_HOST = re.compile(r"^([^:/?#]*:/*).*@", re.DOTALL)
# As SQLAlchemy reads a database URL, a password ends with the first `@`, and may contain `/`, `?` and `#`. Behind it,
# another `@` before the query is in a password that should have it as %40.
_DATABASE_LOGIN = re.compile(r"^([^:/]+://)[^:/@]*(?::[^@]*)?@(?:[^?]*@)?", re.DOTALL)
# A password that begins with digits looks like a port, and what follows its `/`, `?` or `#` like a path or a query.
_LIKE_A_PORT = re.compile(r"^(https?://)[^@/?#]*:\d*(?:[?#][^@]*|/[^@/]*)@", re.IGNORECASE)
# PostgreSQL's and MySQL's drivers take `?password=`, those of SQL Server `?odbc_connect=…PWD=…`.
_PASSWORD = re.compile(r"([?&][^=&]*(?:pass|pwd|odbc_connect)[^=&]*=)[^&]+", re.IGNORECASE)


def is_server(text: str) -> bool:
    """Whether the text names a tracking server."""
    return text.startswith("arn:") or scheme_of(text) in {"http", "https"}


def is_database(text: str) -> bool:
    """Whether the text is a database URL."""
    return scheme_of(text).partition("+")[0] in DATABASES


def is_file_store(folder: Path) -> bool:
    """Whether the folder is a file store of MLflow."""
    return (folder / ".trash").is_dir() or any(folder.glob("*/meta.yaml"))


def scheme_of(text: str) -> str:
    """The scheme of a URL; empty for text that is not a URL."""
    try:
        return urlsplit(text).scheme
    except ValueError:
        return ""


def shown(text: str) -> str:
    """The text without a password, also where it is not a valid URL: a password may contain an unescaped `/` or `#`."""
    if is_database(text) and not text.startswith("sqlite"):
        text = _DATABASE_LOGIN.sub(r"\1", text)
    text = _LIKE_A_PORT.sub(r"\1", text)
    try:
        parts = urlsplit(text)
        _ = parts.port
        valid = bool(parts.netloc) or parts.scheme not in {"http", "https"}
    except ValueError:
        valid = False
    if not valid:
        text = _BEFORE_HOST.sub(r"\1", text)
    elif "@" in parts.netloc:
        text = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return _PASSWORD.sub(r"\1…", text)
