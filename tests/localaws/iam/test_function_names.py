"""A function is found by its name, its ARN and its partial ARN."""

import pytest

from localaws.iam.function_names import function_arn, short_name
from localaws.services.functions import _by_any_name

ARN = "arn:aws:lambda:eu-west-1:999999999999:function:f"
LOCAL = "arn:aws:lambda:us-east-1:123456789012:function:f"


@pytest.mark.parametrize(
    ("given", "arn", "name"),
    [
        ("f", LOCAL, "f"),
        ("f:1", f"{LOCAL}:1", "f:1"),
        ("function:f", LOCAL, "f"),
        ("123456789012:function:f:live", f"{LOCAL}:live", "f:live"),
        ("123456789012:f", LOCAL, "f"),
        (ARN, ARN, "f"),
        (f"{ARN}:$LATEST", f"{ARN}:$LATEST", "f:$LATEST"),
        ("not a name", "not a name", "not a name"),
    ],
)
def test_each_form_of_a_name_is_understood(given: str, arn: str, name: str) -> None:
    assert (function_arn(given, "us-east-1", "123456789012"), short_name(given)) == (arn, name)


@pytest.mark.parametrize(("given", "expected"), [("f", "f:2"), ("f:1", "f:1")])
def test_the_qualifier_of_the_name_comes_first(given: str, expected: str) -> None:
    assert function_arn(given, "us-east-1", "123456789012", "2").endswith(f":function:{expected}")


def test_moto_gets_a_name() -> None:
    find = _by_any_name(lambda _storage, name, qualifier=None: (name, qualifier))
    assert find("storage", "123456789012:function:f", "1") == ("f", "1")
