"""Event patterns that EventBridge refuses, each beside one that it accepts."""

from typing import Any

import pytest

from localaws.event_patterns import problems

CASES: list[tuple[Any, Any, str]] = [
    ({"a": ["b"]}, {"a": "b"}, "must be an object or an array"),
    ({"a": [1, None, True, "b"]}, {"a": []}, "Empty arrays"),
    ({"a": {"b": ["c"]}}, {"a": {}}, "Empty objects"),
    ({"a": ["b"]}, [], "not an object"),
    ({"a": ["b"]}, {}, "Empty objects"),
    ({"a": ["b"]}, {"a": [["b"]]}, "Match value"),
    ({"a": [{"prefix": "b"}]}, {"a": [{}]}, "name not found"),
    ({"a": [{"prefix": "b"}]}, {"a": [{"prefx": "b"}]}, "Unrecognized match type prefx"),
    ({"a": [{"prefix": "b"}]}, {"a": [{"prefix": 1}]}, "must be a string"),
    ({"a": [{"prefix": "b"}]}, {"a": [{"prefix": "b", "suffix": "c"}]}, "Only one key"),
    ({"a": [{"suffix": {"equals-ignore-case": "b"}}]}, {"a": [{"suffix": {"exists": True}}]}, "Unsupported suffix"),
    ({"a": [{"exists": False}]}, {"a": [{"exists": "no"}]}, "either true or false"),
    ({"a": [{"cidr": "10.0.0.1/24"}]}, {"a": [{"cidr": "10.0.0.1/33"}]}, "Malformed CIDR"),
    ({"a": [{"cidr": "2001:db8::/32"}]}, {"a": [{"cidr": "10.0.0.1"}]}, "one '/' required"),
    ({"a": [{"wildcard": "a*b\\*\\\\"}]}, {"a": [{"wildcard": "a**"}]}, "Consecutive wildcard"),
    ({"a": [{"wildcard": "*"}]}, {"a": [{"wildcard": "a\\b"}]}, "Invalid escape"),
    ({"a": [{"numeric": ["=", 5]}]}, {"a": [{"numeric": 5}]}, "must be an array"),
    ({"a": [{"numeric": ["<", 1.5]}]}, {"a": [{"numeric": ["~", 1]}]}, "Unrecognized numeric range operator"),
    ({"a": [{"numeric": [">", -1]}]}, {"a": [{"numeric": [">"]}]}, "must be numeric"),
    ({"a": [{"numeric": [">", 0]}]}, {"a": [{"numeric": [">", "0"]}]}, "must be numeric"),
    ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": [{"numeric": ["<=", 5, ">", 0]}]}, "Too many elements"),
    ({"a": [{"numeric": [">=", 0, "<", 5]}]}, {"a": [{"numeric": [">=", 5, "<", 0]}]}, "Bottom must be less"),
    ({"a": [{"anything-but": "b"}]}, {"a": [{"anything-but": None}]}, "array or single"),
    ({"a": [{"anything-but": ["b", "c"]}]}, {"a": [{"anything-but": []}]}, "mixed type"),
    ({"a": [{"anything-but": [1, 2]}]}, {"a": [{"anything-but": [1, "b"]}]}, "mixed type"),
    ({"a": [{"anything-but": {"prefix": "b"}}]}, {"a": [{"anything-but": {"prefix": ""}}]}, "Null prefix"),
    ({"a": [{"anything-but": {"wildcard": ["b*"]}}]}, {"a": [{"anything-but": {"numeric": [1]}}]}, "Unsupported"),
    ({"$or": [{"a": ["b"]}, {"c": ["d"]}]}, {"$or": [{"a": ["b"]}]}, "at least 2"),
    ({"a": {"$or": [{"b": ["c"]}, {"d": ["e"]}]}}, {"$or": {"a": ["b"]}}, "must be an Array"),
    ({"$or": [{"a": ["b"]}, {"c": ["d"]}]}, {"$or": ["a", "b"]}, "Only JSON object"),
    ({"$or": [{"a": ["b"]}, {"c": ["d"]}]}, {"$or": [{"prefix": ["b"]}, {"c": ["d"]}]}, "reserved fieldName"),
]


@pytest.mark.parametrize(("accepted", "refused", "message"), CASES)
def test_a_pattern_that_eventbridge_refuses(accepted: Any, refused: Any, message: str) -> None:
    assert list(problems(accepted)) == []
    assert any(message in problem for problem in problems(refused)), list(problems(refused))
