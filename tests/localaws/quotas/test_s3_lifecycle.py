"""Lifecycle rules: localaws refuses what S3 refuses."""

from typing import Any

import pytest

from localaws.errors import AwsError
from localaws.quotas.s3_lifecycle import check_rules

RULE = {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}}
DAYS = {"Expiration": {"Days": "3"}}


def transition(days: int, storage: str) -> dict[str, str]:
    return {"Days": str(days), "StorageClass": storage}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([RULE], "InvalidRequest"),
        ([{**RULE, **DAYS, "Status": "enabled"}], "MalformedXML"),
        ([{**RULE, **DAYS, "ID": "a" * 256}], "InvalidArgument"),
        ([{**RULE, **DAYS}, {**RULE, **DAYS}], "InvalidArgument"),
        ([{**RULE, **DAYS, "ID": str(number)} for number in range(1001)], "MalformedXML"),
        ([{**RULE, "Expiration": {"Days": "0"}}], "InvalidArgument"),
        ([{**RULE, "Expiration": {"Days": "x"}}], "MalformedXML"),
        ([{**RULE, "Expiration": "x"}], "MalformedXML"),
        ([None], "MalformedXML"),
        ([{**RULE, "Expiration": {"Days": "1", "Date": "2030-01-01T00:00:00Z"}}], "MalformedXML"),
        ([{**RULE, "Expiration": {"Date": "2030-01-01T05:00:00Z"}}], "InvalidArgument"),
        ([{**RULE, "Expiration": {"Days": "30"}, "Transition": transition(40, "GLACIER")}], "InvalidArgument"),
        ([{**RULE, "Transition": transition(29, "STANDARD_IA")}], "InvalidArgument"),
        ([{**RULE, "Transition": [transition(40, "STANDARD")]}], "MalformedXML"),
        ([{**RULE, "NoncurrentVersionExpiration": {"NoncurrentDays": "0"}}], "InvalidArgument"),
        (
            [{**RULE, "NoncurrentVersionExpiration": {"NoncurrentDays": "1", "NewerNoncurrentVersions": "101"}}],
            "InvalidArgument",
        ),
        ([{**RULE, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": "0"}}], "InvalidArgument"),
        (
            [
                {
                    **RULE,
                    "Filter": {"Tag": {"Key": "a", "Value": "b"}},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": "1"},
                }
            ],
            "InvalidRequest",
        ),
    ],
)
def test_refuses(rules: list[dict[str, Any]], code: str) -> None:
    with pytest.raises(AwsError) as caught:
        check_rules(rules)
    assert caught.value.code == code


def test_accepts_rules_at_the_limits() -> None:
    check_rules(
        [
            {**RULE, "Transition": [transition(30, "STANDARD_IA"), transition(0, "INTELLIGENT_TIERING")]},
            {**RULE, "ID": "b", "Expiration": {"ExpiredObjectDeleteMarker": "true"}},
            {**RULE, "ID": "c", "Expiration": {"Days": "41"}, "Transition": transition(40, "GLACIER")},
            {**RULE, "ID": "d", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": "7"}},
        ]
    )
