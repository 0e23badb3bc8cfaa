"""Pointing this process's AWS clients at localaws."""

from pathlib import Path

import pytest

from mlflow_common.errors import PreconditionError
from mlflow_platform.localaws_client import use_localaws


def url_of(home: Path) -> str:
    """The URL of the localaws with that folder."""
    return (home / "env").read_text().partition("AWS_ENDPOINT_URL=")[2].splitlines()[0]


def test_keeps_a_roles_session_for_this_localaws(localaws_home: Path) -> None:
    session = {"AWS_ACCESS_KEY_ID": "ASIAROLE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    environ = {**session, "AWS_ENDPOINT_URL": url_of(localaws_home), "AWS_PROFILE": "work", "TF_DATA_DIR": ".data"}
    use_localaws(localaws_home, environ)
    assert session.items() <= environ.items()
    assert not {"AWS_PROFILE", "TF_DATA_DIR"} & environ.keys()


def test_replaces_a_session_for_aws_or_another_localaws(localaws_home: Path) -> None:
    for elsewhere in ({}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}):
        environ = {"AWS_ACCESS_KEY_ID": "ASIAROLE", "AWS_SESSION_TOKEN": "t", **elsewhere}
        use_localaws(localaws_home, environ)
        assert environ["AWS_ACCESS_KEY_ID"] == "AKIALOCAL"
        assert "AWS_SESSION_TOKEN" not in environ


def test_replaces_keys_without_a_session_token(localaws_home: Path) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIAOLD", "AWS_ENDPOINT_URL": url_of(localaws_home)}
    use_localaws(localaws_home, environ)
    assert environ["AWS_ACCESS_KEY_ID"] == "AKIALOCAL"


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"no separator\n", b"=\n", b"AWS_ENDPOINT_URL=nonsense\n", b"AWS_ENDPOINT_URL=http://[\n"]
)
def test_a_damaged_env_file_means_that_localaws_does_not_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "env").write_bytes(content)
    with pytest.raises(PreconditionError, match="localaws is not running"):
        use_localaws(tmp_path, {})


def test_a_home_that_is_a_file_means_that_localaws_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(PreconditionError, match="localaws is not running"):
        use_localaws(tmp_path / "home", {})
