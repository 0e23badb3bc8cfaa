"""GetObject with a range, as boto3 asks for it and as the whole object."""

import os
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import RunningLocalAws

CONTENT = os.urandom(1 << 20)


@pytest.fixture(scope="module")
def s3(localaws: RunningLocalAws) -> Any:
    client = localaws.client("s3")
    client.create_bucket(Bucket="ranges")
    client.put_object(Bucket="ranges", Key="a", Body=CONTENT)
    return client


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", CONTENT[:10]),
        ("bytes=1000-", CONTENT[1000:]),
        ("bytes=-7", CONTENT[-7:]),
        ("bytes=1048570-9999999", CONTENT[1048570:]),
    ],
)
def test_a_range_is_answered_with_its_bytes(s3: Any, asked: str, expected: bytes) -> None:
    answer = s3.get_object(Bucket="ranges", Key="a", Range=asked)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"].endswith(f"/{len(CONTENT)}")
    assert answer["Body"].read() == expected


def test_an_unusable_range_is_answered_with_the_object_and_one_beyond_its_end_is_refused(s3: Any) -> None:
    assert s3.get_object(Bucket="ranges", Key="a", Range="bytes=a-b")["Body"].read() == CONTENT
    assert s3.get_object(Bucket="ranges", Key="a")["Body"].read() == CONTENT
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.get_object(Bucket="ranges", Key="a", Range="bytes=2000000-")
