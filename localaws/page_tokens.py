"""Tokens of pages: where the next page begins, as clients see it."""

import base64

from localaws.errors import AwsError


def token_at(position: int) -> str:
    """Return the token of the page that begins at a position."""
    return base64.b64encode(str(position).encode()).decode()


def position_of(token: str | None) -> int:
    """Return where the page of a token begins; 0 without one.

    Raises:
        ValueError: the token is not one of `token_at`.
    """
    text = base64.b64decode(token, validate=True) if token else b"0"
    if not text.isdigit():
        raise ValueError(f"{token!r} is not a page token")
    return int(text)


def start_of(token: str | None) -> int:
    """Return where the page of a token begins, for services that document this error.

    Raises:
        AwsError: InvalidNextTokenException, the token is not one of `token_at`.
    """
    try:
        return position_of(token)
    except ValueError:
        raise AwsError("InvalidNextTokenException", "The next token is not valid.") from None
