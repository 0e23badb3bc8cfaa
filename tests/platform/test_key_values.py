"""Options written as KEY=VALUE."""

import pytest

from mlflow_common.errors import InputError
from mlflow_common.key_values import parse_key_values


def test_values_may_be_empty_and_contain_equals_signs() -> None:
    assert parse_key_values(["a=1=2", "b="], "--tag") == {"a": "1=2", "b": ""}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["novalue"], "--tag takes KEY=VALUE, not 'novalue'"),
        (["=x"], "--tag takes KEY=VALUE, not '=x'"),
        ([" =x"], "--tag takes KEY=VALUE, not ' =x'"),
        (["a=1", "a=2"], "--tag is given twice for 'a'"),
    ],
)
def test_refuses_texts_without_a_key_or_a_value_and_keys_given_twice(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_key_values(texts, "--tag")
