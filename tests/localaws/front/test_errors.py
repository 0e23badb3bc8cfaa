"""Errors are in the protocol of the SDK that sent the request."""

import pytest
from botocore.parsers import create_parser

from localaws.call import Call
from localaws.errors import AwsError, render
from localaws.front.identify import identify
from localaws.front.sigv4 import Signature

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/monitoring/aws4_request, SignedHeaders=host, Signature=0"


@pytest.mark.parametrize("protocol", ["query", "ec2", "rest-xml", "rest-json", "json"])
def test_every_protocol_returns_code_and_message(protocol: str) -> None:
    headers, body = render(AwsError("Throttling", "Größer & kleiner"), protocol)
    answer = {"status_code": 400, "headers": headers, "body": body}
    parsed = create_parser(protocol).parse(answer, None)
    assert parsed["Error"]["Code"] == "Throttling"
    assert parsed["Error"]["Message"] == "Größer & kleiner"


@pytest.mark.parametrize("protocol", ["query", "ec2", "rest-xml"])
def test_a_control_character_in_a_message_leaves_the_xml_readable(protocol: str) -> None:
    headers, body = render(AwsError("NoSuchEntity", "role a\0b\x1b"), protocol)
    parsed = create_parser(protocol).parse({"status_code": 404, "headers": headers, "body": body}, None)
    assert parsed["Error"]["Message"] == "role a?b?"


@pytest.mark.parametrize(
    ("protocol", "headers", "body"),
    [
        ("query", {"content-type": "application/x-www-form-urlencoded"}, b"Action=DescribeAlarms&Version=2010-08-01"),
        (
            "json",
            {
                "content-type": "application/x-amz-json-1.0",
                "x-amz-target": "GraniteServiceVersion20100801.DescribeAlarms",
            },
            b"{}",
        ),
    ],
)
def test_a_service_with_several_protocols_answers_in_the_protocol_of_the_request(
    protocol: str, headers: dict[str, str], body: bytes
) -> None:
    call = Call("POST", "/", "/", "", {"authorization": SIGNED, "x-amz-date": "20260101T000000Z", **headers}, body)
    identify(call, Signature.of(call))
    assert (call.action, call.protocol) == ("monitoring:DescribeAlarms", protocol)
