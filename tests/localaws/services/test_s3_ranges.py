"""GetObject with a range, as boto3 asks for it and as the whole object."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import RunningLocalAws

CONTENT = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def s3(localaws: RunningLocalAws) -> Any:
    client = localaws.client("s3")
    client.create_bucket(Bucket="ranges")
    client.put_object(Bucket="ranges", Key="a", Body=CONTENT)
    return client


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=1000-", slice(1000, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=1048570-9999999", slice(1048570, None)),
    ],
)
def test_a_range_is_answered_with_its_bytes(s3: Any, requested: str, expected: slice) -> None:
    answer = s3.get_object(Bucket="ranges", Key="a", Range=requested)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"].endswith(f"/{len(CONTENT)}")
    assert answer["Body"].read() == CONTENT[expected]


def test_an_unusable_range_is_answered_with_the_object_and_one_beyond_its_end_is_refused(s3: Any) -> None:
    assert s3.get_object(Bucket="ranges", Key="a", Range="bytes=a-b")["Body"].read() == CONTENT
    assert s3.get_object(Bucket="ranges", Key="a")["Body"].read() == CONTENT
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.get_object(Bucket="ranges", Key="a", Range="bytes=2000000-")
