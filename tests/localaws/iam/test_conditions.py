"""Condition operators behave as described in the AWS reference."""

import itertools
from typing import Any

import pytest

from localaws.iam.conditions import Condition, ConditionError
from localaws.iam.matching import like

KEY = "aws:thing"


def holds(operator: str, wanted: Any, given: str | list[str] | None, **context: str) -> bool:
    keys = {name.replace("__", ":").lower(): (value,) for name, value in context.items()}
    if given is not None:
        keys[KEY] = (given,) if isinstance(given, str) else tuple(given)
    return Condition.parse(operator, "aws:Thing", wanted).holds(keys, variables=True)


@pytest.mark.parametrize(
    ("operator", "wanted", "matching", "other"),
    [
        ("StringEquals", ["a", "b"], "b", "B"),
        ("StringNotEquals", ["a", "b"], "c", "a"),
        ("StringEqualsIgnoreCase", "Ab", "aB", "b"),
        ("StringNotEqualsIgnoreCase", "Ab", "b", "AB"),
        ("StringLike", "runs/*/?", "runs/1/2/3", "runs/1/"),
        ("StringNotLike", "runs/*", "models/1", "runs/1"),
        ("NumericEquals", "5", "5.0", "6"),
        ("NumericNotEquals", 5, "6", "5"),
        ("NumericLessThan", "1.2", "1.1", "1.2"),
        ("NumericLessThanEquals", "1.2", "1.2", "1.3"),
        ("NumericGreaterThan", "10", "11", "9"),
        ("NumericGreaterThanEquals", "10", "10", "9"),
        ("DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"),
        ("DateGreaterThan", "1767225600", "2026-01-02", "2025-12-31"),
        ("Bool", True, "true", "false"),
        ("Bool", "false", "False", "true"),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", "qmluYXJ5"),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", "11.0.0.1"),
        ("NotIpAddress", "10.0.0.0/8", "11.0.0.1", "10.1.2.3"),
        ("ArnLike", "arn:aws:iam::*:role/a*", "arn:aws:iam::1:role/abc", "arn:aws:iam::1:user/abc"),
        ("ArnEquals", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/x/y", "arn:aws:iam::2:role/x"),
        ("ArnNotLike", "arn:aws:iam::1:*", "arn:aws:iam::2:role/x", "arn:aws:iam::1:role/x"),
    ],
)
def test_operator_compares_values(operator: str, wanted: Any, matching: str, other: str) -> None:
    assert holds(operator, wanted, matching)
    assert not holds(operator, wanted, other)


@pytest.mark.parametrize("operator", ["StringEquals", "Bool", "NumericLessThan", "ArnLike", "IpAddress"])
def test_missing_key_fails_positive_operators_without_ifexists(operator: str) -> None:
    assert not holds(operator, "1", None)
    assert holds(f"{operator}IfExists", "1", None)


@pytest.mark.parametrize("operator", ["StringNotEquals", "StringNotLike", "ArnNotLike", "NotIpAddress"])
def test_missing_key_fulfils_negated_operators(operator: str) -> None:
    assert holds(operator, "1", None)


def test_null_checks_whether_the_key_is_present() -> None:
    assert holds("Null", "true", None)
    assert not holds("Null", "true", "x")
    assert holds("Null", "false", "x")
    assert not holds("Null", "false", None)


@pytest.mark.parametrize(
    ("given", "every", "some"),
    [
        (["a", "b"], True, True),
        (["a", "x"], False, True),
        (["x"], False, False),
        ([], True, False),
        (None, True, False),
    ],
)
def test_qualifiers_require_all_or_any_values(given: list[str] | None, every: bool, some: bool) -> None:
    assert holds("ForAllValues:StringEquals", ["a", "b"], given) is every
    assert holds("ForAnyValue:StringEquals", ["a", "b"], given) is some


def test_for_any_value_with_negated_operator_requires_a_value_without_match() -> None:
    assert holds("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "c"])
    assert not holds("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "b"])
    assert not holds("ForAnyValue:StringNotEquals", ["a", "b"], None)


def test_variable_value_is_matched_literally() -> None:
    assert holds("StringLike", "home/${aws:username}/*", "home/ann/x", aws__username="ann")
    assert not holds("StringLike", "home/${aws:username}/*", "home/bob/x", aws__username="*")
    assert holds("StringEquals", "home/${aws:username}", "home/*", aws__username="*")


def test_unknown_variable_matches_only_its_default() -> None:
    assert not holds("StringLike", "${aws:username}*", "anything")
    assert holds("StringEquals", "${aws:username, 'nobody'}", "nobody")


def test_escaped_wildcard_is_literal() -> None:
    assert holds("StringLike", "a${*}b", "a*b")
    assert not holds("StringLike", "a${*}b", "axb")


@pytest.mark.parametrize(
    "operator", ["StringEqual", "NotBool", "StringEqualsIfexist", "ForSomeValues:StringEquals", ""]
)
def test_rejects_unknown_operators(operator: str) -> None:
    with pytest.raises(ConditionError, match="not a condition operator"):
        Condition.parse(operator, KEY, "x")


def test_null_cannot_be_used_with_if_exists() -> None:
    with pytest.raises(ConditionError, match="IfExists"):
        Condition.parse("NullIfExists", KEY, "true")


@pytest.mark.parametrize("wanted", ["99999999999999999999", "-99999999999999999999", "9999-12-31T23:59:59-14:00", "x"])
def test_a_date_that_does_not_exist_matches_nothing(wanted: str) -> None:
    assert not holds("DateEquals", wanted, "2026-11-21T00:00:00Z")
    assert not holds("DateEquals", "2026-11-21T00:00:00Z", wanted)


def test_wildcards_match_any_text() -> None:
    """Each pattern of up to four characters, against the definition of its wildcards."""

    def matches(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(matches(pattern[1:], text[start:]) for start in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])

    texts = ["".join(text) for length in range(5) for text in itertools.product("ab", repeat=length)]
    for pattern in ("".join(signs) for length in range(5) for signs in itertools.product("a*?", repeat=length)):
        for text in texts:
            assert like(pattern, text) is matches(pattern, text), (pattern, text)


def test_a_pattern_with_many_wildcards_takes_no_time() -> None:
    assert not like("a*" * 30 + "b", "a" * 1024)
    assert like("*a" * 30, "ba" * 500)
