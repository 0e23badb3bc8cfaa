"""Tag values that AWS accepts, from any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_platform.endpoints.tags import decode, encode
from tests.support.properties import examples


@pytest.mark.parametrize(
    "value", ["iris", "models:/iris/1", "s3://bucket/a_b/c.tar.gz", "a b", "Größe", "模型", "a@b+c"]
)
def test_values_that_aws_accepts_stay_readable(value: str) -> None:
    assert encode(value) == value


@pytest.mark.parametrize(
    ("value", "encoded"), [("a(b)", "a=28b=29"), ("a & b;", "a =26 b=3B"), ("a=b", "a=3Db"), ("x\ty", "x=09y")]
)
def test_other_characters_are_escaped(value: str, encoded: str) -> None:
    assert encode(value) == encoded
    assert decode(encoded) == value


@examples(100)
@given(st.text(max_size=60))
def test_decode_returns_what_was_encoded(value: str) -> None:
    assert decode(encode(value)) == value


@examples(100)
@given(st.text(max_size=600))
def test_every_value_is_accepted_by_aws(value: str) -> None:
    encoded = encode(value)
    assert len(encoded) <= 256
    assert all(
        character.isalnum() or character.isspace() or character in "_.:/=+-@" or ord(character) > 127
        for character in encoded
    )


def test_long_values_with_a_common_prefix_stay_different() -> None:
    assert encode("x" * 300 + "a") != encode("x" * 300 + "b")


@examples(100)
@given(st.text())
def test_any_stored_value_can_be_decoded(value: str) -> None:
    decode(value)
