"""Recognizes the kind of a source or destination by its text: an ARN, a URL, a folder, a database, an archive."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mssql")
_BEFORE_HOST = re.compile(r"^([^:/?#]*:/*).*@", re.DOTALL)
# PostgreSQL's and MySQL's drivers take `?password=`.
_PASSWORD = re.compile(r"([?&][^=&]*pass[^=&]*=)[^&]+", re.IGNORECASE)


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
