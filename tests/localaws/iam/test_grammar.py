"""What breaks the grammar of a policy on a resource."""

from typing import Any

import pytest

from localaws.iam import grammar

STATEMENT = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}


def problems(statement: Any, service: str = "s3", **document: Any) -> list[str]:
    return list(grammar.resource_problems({"Version": "2012-10-17", "Statement": statement, **document}, service))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"Sid": "Deny all"},
        {"Action": "*"},
        {"Action": ["s3:Get*", "S3:PutObject?"]},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": ["123456789012"], "Service": "events.amazonaws.com", "CanonicalUser": "a"}},
        {"Condition": {}},
        {"Condition": {"Bool": {"aws:SecureTransport": False}, "ForAllValues:StringLikeIfExists": {"a:b": ["*"]}}},
    ],
)
def test_accepts_what_the_grammar_allows(more: dict[str, Any]) -> None:
    assert not problems({**STATEMENT, **more})
    assert not problems([STATEMENT, {**STATEMENT, **more}], Id="x", Version="2008-10-17")


@pytest.mark.parametrize(
    "more",
    [
        {"Effect": "deny"},
        {"Effect": None},
        {"Action": "foo"},
        {"Action": "s3:"},
        {"Action": "s3: GetObject"},
        {"Action": []},
        {"Action": 3},
        {"Action": ["s3:Get*", None]},
        {"Action": "sqs:SendMessage"},
        {"NotAction": "s3:*"},
        {"NotResource": "arn:aws:s3:::b"},
        {"NotPrincipal": "*"},
        {"Principal": {}},
        {"Principal": {"AWS": []}},
        {"Principal": {"Aws": "*"}},
        {"Principal": "arn:aws:iam::123456789012:root"},
        {"Principal": None},
        {"Principle": "*"},
        {"Condition": None},
        {"Condition": []},
        {"Condition": {"Bool": "true"}},
        {"Condition": {"StringEqual": {"aws:username": "a"}}},
        {"Condition": {"StringEqual": {}}},
        {"Condition": {"NullIfExists": {"aws:username": "true"}}},
    ],
)
def test_refuses_what_would_not_apply(more: dict[str, Any]) -> None:
    assert problems({**STATEMENT, **more})
    assert problems([STATEMENT, {**STATEMENT, **more}])


@pytest.mark.parametrize("element", ["Effect", "Action", "Principal"])
def test_refuses_a_statement_without_an_element(element: str) -> None:
    assert problems({name: value for name, value in STATEMENT.items() if name != element})


@pytest.mark.parametrize("document", [None, [], "x", {}, {"Statement": []}, {"Statement": None}, {"Statement": [[]]}])
def test_refuses_a_document_without_statements(document: Any) -> None:
    assert list(grammar.resource_problems(document))


def test_refuses_other_versions_and_elements() -> None:
    assert problems(STATEMENT, Version="2012-10-18")
    assert problems(STATEMENT, Statements=[])


def test_a_key_policy_may_name_any_service() -> None:
    assert not problems({**STATEMENT, "Action": ["kms:*", "tag:GetResources"]}, service="")
