"""A password in a location is in no message."""

import pytest

from mlflow_common.errors import InputError, first_line
from mlflow_transfer.archive import open_archive
from mlflow_transfer.connections import _server_url
from mlflow_transfer.location import shown
from mlflow_transfer.sources.database_connection import _connect

LOGIN = "u:SECRET"
NOT_URLS = [
    f"http://{LOGIN}@[host",
    "http://u:SEC/RET@host",
    "http://u:SEC#RET@host",
    "http://u:SEC?RET@host",
    f"http://{LOGIN}@host:99999",
    f"http://{LOGIN}@\u2100.com",
    f"http:/{LOGIN}@host",
    f"http:{LOGIN}@host",
    f"ftp://{LOGIN}@host",
]


@pytest.mark.parametrize("text", NOT_URLS)
def test_a_refused_server_is_named_without_its_password(text: str) -> None:
    with pytest.raises(InputError) as refused:
        _server_url(text)
    assert not any(part in str(refused.value) for part in ("SEC", "RET"))
    assert text.rpartition("@")[2] in str(refused.value)


@pytest.mark.parametrize("text", [f"http://{LOGIN}@[host", f"ftp://{LOGIN}@host"])
def test_a_refused_archive_is_named_without_its_password(text: str) -> None:
    with pytest.raises(InputError) as refused:
        open_archive(text, lambda: None)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:SEC/RET@host/db", "postgresql://host/db"),
        ("postgresql://u:2024/SECRET@host/db", "postgresql://host/db"),
        ("postgresql+psycopg2://u:#SECRET@host/db", "postgresql+psycopg2://host/db"),
        ("mysql://u:?SECRET@host/db", "mysql://host/db"),
        ("postgresql://u:a@SECRET@host/db", "postgresql://host/db"),
        ("postgresql://u:a@SEC/RET@host:1/db?x=@", "postgresql://host:1/db?x=@"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BPWD%3DSECRET", "mssql+pyodbc:///?odbc_connect=…"),
        ("http://u:12#SECRET@host", "http://host"),
        ("http://u:/SECRET@host", "http://host"),
        (
            "postgresql://host/db?sslmode=require&password=SECRET&a=b",
            "postgresql://host/db?sslmode=require&password=…&a=b",
        ),
        (f"mysql+pymysql://{LOGIN}@host:3306/db", "mysql+pymysql://host:3306/db"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host:80/p/a:b@c", "http://host:80/p/a:b@c"),
        ("sqlite:////data/a@b.db", "sqlite:////data/a@b.db"),
        ("/data/a@b", "/data/a@b"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
    ],
)
def test_a_location_is_shown_without_its_password(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("url", ["postgresql://u:a@SECRET@127.0.0.1:1/db", "mysql://u:a@SEC/RET@127.0.0.1:1/db"])
def test_a_password_with_an_at_sign_is_refused_before_a_part_of_it_is_looked_up_as_a_host(url: str) -> None:
    with pytest.raises(InputError, match=r"the password of \w+://127.0.0.1:1/db has a `@`: write it as %40") as refused:
        _connect(url)
    assert not any(part in str(refused.value) for part in ("SEC", "RET"))


def test_the_reason_follows_a_heading() -> None:
    assert first_line(ValueError("Parameter validation failed:\nInvalid bucket name.\nMore")) == (
        "Parameter validation failed: Invalid bucket name"
    )
    assert first_line(ValueError("heading:")) == "heading:"
