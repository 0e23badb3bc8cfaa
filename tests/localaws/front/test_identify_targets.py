"""The targets and bodies of SDKs that write them in another way than botocore."""

import gzip
import json

import pytest

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.identify import MOST, _parameters, _whole_target

CLOUDTRAIL = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.CreateTrail"


@pytest.mark.parametrize(
    ("service", "given", "target"),
    [
        ("cloudtrail", "CloudTrail_20131101.CreateTrail", CLOUDTRAIL),
        ("cloudtrail", CLOUDTRAIL, CLOUDTRAIL),
        ("ssm", "AmazonSSM.GetParameter", "AmazonSSM.GetParameter"),
        ("ssm", "Other.GetParameter", "Other.GetParameter"),
        ("s3", "nothing", "nothing"),
        ("no-such-service", "A.B", "A.B"),
    ],
)
def test_a_target_is_completed_as_botocore_writes_it(service: str, given: str, target: str) -> None:
    assert _whole_target(service, given) == target


def compressed(body: bytes, encoding: str = "gzip") -> Call:
    return Call("POST", "/", "/", "", {"content-encoding": encoding}, body, service="monitoring", protocol="json")


def test_a_compressed_body_is_read() -> None:
    assert _parameters(compressed(gzip.compress(json.dumps({"Namespace": "n"}).encode()))) == {"Namespace": "n"}


@pytest.mark.parametrize(
    ("body", "error"), [(b"{}", "SerializationException"), (gzip.compress(bytes(MOST + 1)), "EntityTooLarge")]
)
def test_a_body_that_is_not_compressed_or_a_bomb_is_refused(body: bytes, error: str) -> None:
    with pytest.raises(AwsError, match=error):
        _parameters(compressed(body))
