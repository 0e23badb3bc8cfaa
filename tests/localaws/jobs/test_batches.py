"""Objects of a transform job are split into requests and joined as SageMaker does."""

from typing import Any

import pytest

from localaws.errors import AwsError
from localaws.jobs import batches, transform
from localaws.jobs.record import JobError


def test_an_unsplit_object_is_one_request() -> None:
    assert list(batches.requests(b"a\nb\n", "None", "MultiRecord", 10)) == [b"a\nb\n"]


def test_lines_are_packed_up_to_the_payload() -> None:
    assert list(batches.requests(b"aa\nbb\ncc\ndd", "Line", "MultiRecord", 6)) == [b"aa\nbb\n", b"cc\ndd"]
    assert list(batches.requests(b"aa\nbb\n", "Line", "SingleRecord", 6)) == [b"aa\n", b"bb\n"]
    assert list(batches.requests(b"aa\nbb\n", "Line", "MultiRecord", 0)) == [b"aa\nbb\n"]


@pytest.mark.parametrize("split", ["None", "Line"])
def test_rejects_a_record_larger_than_the_payload(split: str) -> None:
    with pytest.raises(JobError, match="larger than MaxPayloadInMB"):
        list(batches.requests(b"x" * 11, split, "MultiRecord", 10))


def test_responses_are_joined_with_or_without_newlines() -> None:
    assert batches.assemble([b"1", b"2\n"], "Line") == b"1\n2\n"
    assert batches.assemble([b"1", b"2\n"], "None") == b"12\n"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"MaxConcurrentTransforms": 20}, "must not exceed 100 MB"),
        ({"BatchStrategy": "SingleRecord"}, "requires SplitType"),
        ({"TransformInput": {"SplitType": "RecordIO"}}, "Use None or Line"),
        ({"TransformResources": {"InstanceCount": 2}}, "Set InstanceCount to 1"),
        ({"MaxConcurrentTransforms": 0, "MaxPayloadInMB": 101}, "must not exceed 100"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c"}}, "does not run DataCaptureConfig"),
    ],
)
def test_rejects_what_cannot_run(more: dict[str, Any], message: str) -> None:
    given = {"TransformInput": {}, "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}
    with pytest.raises(AwsError, match=message):
        transform.check({**given, **more})


def test_rejects_a_model_with_a_data_source() -> None:
    transform.check_model({"Image": "i", "ModelDataUrl": "s3://b/model.tar.gz"})
    with pytest.raises(AwsError, match="cannot use a model with ModelDataSource"):
        transform.check_model({"Image": "i", "ModelDataSource": {"S3DataSource": {"S3Uri": "s3://b/model/"}}})
