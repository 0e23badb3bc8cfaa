"""A model's archive: the same model gives the same bytes, and goes to S3 once."""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.endpoints import model_archive as archive
from tests.platform.conftest import BUCKET

FILES = {"MLmodel": b"run_id: 0123\n", "model.skops": os.urandom(100_000), "data/conda.yaml": b"name: x"}


@pytest.fixture
def s3(aws: Callable[[str], Any]) -> Any:
    client = aws("s3")
    for name, content in FILES.items():
        client.put_object(Bucket=BUCKET, Key=f"models/m-1/{name}", Body=content)
    return client


def test_the_same_files_give_the_same_bytes_whenever_and_in_whatever_order(s3: Any, tmp_path: Path) -> None:
    first = archive.make(s3, f"s3://{BUCKET}/models/m-1", _folder(tmp_path / "a"))
    for name in reversed(FILES):
        s3.put_object(Bucket=BUCKET, Key=f"copy/{name}", Body=FILES[name])
    second = archive.make(s3, f"s3://{BUCKET}/copy", _folder(tmp_path / "b"))
    assert first.digest == second.digest
    assert _hash(first.path) == _hash(second.path)
    # The time in gzip's header, which two archives made within a second would share.
    assert first.path.read_bytes()[4:8] == bytes(4)


def test_one_other_byte_gives_another_digest(s3: Any, tmp_path: Path) -> None:
    first = archive.make(s3, f"s3://{BUCKET}/models/m-1", _folder(tmp_path / "a"))
    s3.put_object(Bucket=BUCKET, Key="models/m-1/data/conda.yaml", Body=b"name: y")
    assert archive.make(s3, f"s3://{BUCKET}/models/m-1", _folder(tmp_path / "b")).digest != first.digest


def test_the_model_s_files_lie_at_the_top_and_nothing_of_this_machine_with_them(s3: Any, tmp_path: Path) -> None:
    made = archive.make(s3, f"s3://{BUCKET}/models/m-1/", tmp_path)
    with tarfile.open(made.path) as tar:
        entries = tar.getmembers()
        contents = {entry.name: tar.extractfile(entry).read() for entry in entries}  # type: ignore[union-attr]
    assert contents == FILES
    assert {(entry.uid, entry.uname, entry.mtime) for entry in entries} == {(0, "", 0)}
    assert made.run_id == "0123"


def test_another_model_whose_name_begins_alike_stays_out(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="models/m-10/MLmodel", Body=b"other")
    made = archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    with tarfile.open(made.path) as tar:
        assert sorted(tar.getnames()) == sorted(FILES)


def test_a_key_that_leads_out_of_the_folder_is_left_alone(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="models/m-1/../../escaped", Body=b"x")
    archive.make(s3, f"s3://{BUCKET}/models/m-1", _folder(tmp_path / "deep"))
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("location", "error", "complaint"),
    [
        (f"s3://{BUCKET}/nothing", InputError, "there is no MLflow model at"),
        ("s3://no-such-bucket-here/m", PreconditionError, "the bucket no-such-bucket-here does not exist"),
        (f"s3://{BUCKET}/nothing.tar.gz", InputError, "there is no archive at"),
        ("s3://no-such-bucket-here/m.tar.gz", PreconditionError, "the bucket no-such-bucket-here does not exist"),
    ],
)
def test_what_is_not_there_is_named(
    s3: Any, tmp_path: Path, location: str, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        archive.make(s3, location, tmp_path)


def test_a_finished_archive_is_taken_as_it_is(s3: Any, tmp_path: Path) -> None:
    packed = _tar({"./MLmodel": b"run_id: 99\n", "./model.pkl": b"x"})
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=packed)
    made = archive.make(s3, f"s3://{BUCKET}/m.tar.gz", tmp_path)
    assert (made.path.read_bytes(), made.run_id) == (packed, "99")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"no archive at all", "is no tar.gz archive"),
        (b"", "is no tar.gz archive"),
        ("folder", "pack the model folder's contents, not the folder"),
        ("cut", "is no tar.gz archive"),
    ],
)
def test_an_archive_that_no_endpoint_could_load_is_refused(
    s3: Any, tmp_path: Path, content: bytes | str, complaint: str
) -> None:
    whole = _tar({"model/MLmodel": b"x", "model/data": os.urandom(50_000)})
    body = {"folder": whole, "cut": whole[:20_000]}.get(str(content), content)
    s3.put_object(Bucket=BUCKET, Key="bad.tar.gz", Body=body)
    with pytest.raises(InputError, match=complaint):
        archive.make(s3, f"s3://{BUCKET}/bad.tar.gz", tmp_path)


def test_an_archive_is_uploaded_once_and_tagged(s3: Any, tmp_path: Path) -> None:
    made = archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    uri = f"s3://{BUCKET}/endpoints/e/1/model.tar.gz"
    archive.upload(s3, made, uri, {"project": "mlflow", "model-uri": "models:/iris/1"})
    made.path.unlink()
    archive.upload(s3, made, uri, {})
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="endpoints/e/1/model.tar.gz")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"project": "mlflow", "model-uri": "models:/iris/1"}


def test_uploading_to_a_bucket_that_is_gone_says_so(s3: Any, tmp_path: Path) -> None:
    made = archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    with pytest.raises(PreconditionError, match="the bucket gone-since does not exist"):
        archive.upload(s3, made, "s3://gone-since/model.tar.gz", {})


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
