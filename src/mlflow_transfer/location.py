"""Recognizes what a person names as source or destination: an ARN, a URL, a folder, a database, an archive."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mssql")


def is_server(text: str) -> bool:
    """Whether this names a tracking server."""
    return text.startswith("arn:") or scheme_of(text) in {"http", "https"}


def is_database(text: str) -> bool:
    """Whether this is a database URL."""
    return scheme_of(text).partition("+")[0] in DATABASES


def is_file_store(folder: Path) -> bool:
    """Whether MLflow keeps experiments in this folder."""
    return (folder / ".trash").is_dir() or any(folder.glob("*/meta.yaml"))


def scheme_of(text: str) -> str:
    """A URL's scheme; empty for text that is no URL."""
    try:
        return urlsplit(text).scheme
    except ValueError:
        return ""


def shown(text: str) -> str:
    """The place without a password."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
