"""A model's archive: the same model gives the same bytes and is uploaded once."""

import gzip
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.endpoints import model_archive, tar_stream
from mlflow_platform.images.model_requirements import read_requirements
from mlflow_platform.validation.served_artifact import of_model
from tests.platform.conftest import BUCKET

FILES = {"MLmodel": b"run_id: 0123\n", "model.skops": os.urandom(100_000), "data/conda.yaml": b"name: x"}


@pytest.fixture
def s3(aws: Callable[[str], Any]) -> Any:
    client = aws("s3")
    for name, content in FILES.items():
        client.put_object(Bucket=BUCKET, Key=f"models/m-1/{name}", Body=content)
    return client


def test_the_same_files_always_give_the_same_bytes(s3: Any, tmp_path: Path) -> None:
    first = model_archive.make(s3, f"s3://{BUCKET}/models/m-1", _folder(tmp_path / "a"))
    for name in reversed(FILES):
        s3.put_object(Bucket=BUCKET, Key=f"copy/{name}", Body=FILES[name])
    second = model_archive.make(s3, f"s3://{BUCKET}/copy", _folder(tmp_path / "b"))
    assert first.digest == second.digest
    assert _read(first) == _read(second)
    # The time in gzip's header is 0. Two archives of the same second would have equal times anyway.
    assert _read(first)[4:8] == bytes(4)
    assert hashlib.sha256(gzip.decompress(_read(first))).hexdigest() == first.digest


def test_one_different_byte_gives_another_digest(s3: Any, tmp_path: Path) -> None:
    first = model_archive.make(s3, f"s3://{BUCKET}/models/m-1", _folder(tmp_path / "a"))
    s3.put_object(Bucket=BUCKET, Key="models/m-1/data/conda.yaml", Body=b"name: y")
    assert model_archive.make(s3, f"s3://{BUCKET}/models/m-1", _folder(tmp_path / "b")).digest != first.digest


def test_the_archive_contains_the_models_files_and_nothing_of_this_machine(s3: Any, tmp_path: Path) -> None:
    made = model_archive.make(s3, f"s3://{BUCKET}/models/m-1/", tmp_path)
    with tarfile.open(fileobj=io.BytesIO(_read(made))) as tar:
        entries = tar.getmembers()
        contents = {entry.name: tar.extractfile(entry).read() for entry in entries}  # type: ignore[union-attr]
    assert contents == FILES
    assert {(entry.uid, entry.uname, entry.mtime) for entry in entries} == {(0, "", 0)}
    assert made.run_id == "0123"


def test_ignores_another_model_whose_name_has_the_same_prefix(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="models/m-10/MLmodel", Body=b"other")
    made = model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    with tarfile.open(fileobj=io.BytesIO(_read(made))) as tar:
        assert sorted(tar.getnames()) == sorted(FILES)


@pytest.mark.parametrize(
    "name",
    ["../../escaped", "/{outside}/escaped", "a/../../../escaped", "a//b", "./MLmodel", "C:/x", "..\\escaped", "a\nb"],
)
def test_refuses_object_keys_that_lead_out_of_the_model_folder(s3: Any, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    s3.put_object(Bucket=BUCKET, Key="models/m-1/" + name.format(outside=outside), Body=b"x")
    with pytest.raises(InputError, match="cannot be part of a model: it"):
        model_archive.make(s3, f"s3://{BUCKET}/models/m-1", _folder(tmp_path / "deep"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "model", "outside"]


def test_names_both_keys_where_one_is_a_file_and_a_folder(s3: Any, tmp_path: Path) -> None:
    for name in ("code", "code/x.py"):
        s3.put_object(Bucket=BUCKET, Key=f"models/m-1/{name}", Body=b"x")
    with pytest.raises(InputError, match=r"'models/m-1/code' and 'models/m-1/code/x.py': one name cannot be both"):
        model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)


def test_refuses_a_model_larger_than_the_free_disk(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_archive.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))  # type: ignore[attr-defined]
    with pytest.raises(PreconditionError, match=r"only 0\.0 GB are free .* set TMPDIR"):
        model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)


def test_refuses_more_files_than_a_model_can_have(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_archive, "MOST_FILES", 2)
    with pytest.raises(InputError, match="contains more than 2 files"):
        model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=_tar(FILES))
    with pytest.raises(InputError, match="contains more than 2 files"):
        model_archive.make(s3, f"s3://{BUCKET}/m.tar.gz", tmp_path)


def test_refuses_an_mlmodel_file_that_is_not_text(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="models/m-1/MLmodel", Body=b"run_id: \xff")
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=_tar({"MLmodel": b"run_id: \xff"}))
    for location in (f"s3://{BUCKET}/models/m-1", f"s3://{BUCKET}/m.tar.gz"):
        with pytest.raises(InputError, match=r"MLmodel file of .* is not UTF-8 text"):
            model_archive.make(s3, location, _folder(tmp_path / location[-2:]))


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/../../b", "C:\\x", "..\\x"])
def test_refuses_tar_members_that_lead_out_of_the_model_folder(s3: Any, tmp_path: Path, name: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=_tar({"MLmodel": b"x", name: b"x"}))
    with pytest.raises(InputError, match=r"would unpack outside its folder: the name .* is refused"):
        model_archive.make(s3, f"s3://{BUCKET}/m.tar.gz", tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_refuses_tar_members_that_are_links_or_devices(s3: Any, tmp_path: Path, kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("MLmodel")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=buffer.getvalue())
    with pytest.raises(InputError, match="'MLmodel', which is neither a file nor a folder"):
        model_archive.make(s3, f"s3://{BUCKET}/m.tar.gz", tmp_path)


def test_bounds_what_an_archive_unpacks_to(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_archive, "LARGEST_UNPACKED", 1 << 20)
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=_tar({"MLmodel": b"x", "zeros": bytes(1 << 20)}))
    with pytest.raises(InputError, match="unpacks to more than"):
        model_archive.make(s3, f"s3://{BUCKET}/m.tar.gz", tmp_path)


def test_refuses_a_decompression_bomb_and_accepts_a_small_archive_of_zeros(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=_tar({"MLmodel": b"x", "zeros": bytes(8 << 20)}))
    assert model_archive.make(s3, f"s3://{BUCKET}/m.tar.gz", tmp_path).digest
    monkeypatch.setattr(model_archive, "UNPACKED_OF_ANY", 1 << 20)
    with pytest.raises(InputError, match="an archive may be at most 100 times smaller than its contents"):
        model_archive.make(s3, f"s3://{BUCKET}/m.tar.gz", tmp_path)


def test_refuses_a_member_whose_header_would_fill_the_memory(s3: Any, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    body = gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(64 << 20), 1)
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=body)
    uri = f"s3://{BUCKET}/m.tar.gz"
    with pytest.raises(InputError, match=r"is not a tar\.gz archive"):
        model_archive.make(s3, uri, tmp_path)
    with pytest.raises(InputError, match=r"is not a tar\.gz archive"):
        read_requirements(s3, uri)
    assert model_archive.read_example(s3, uri) is None
    assert of_model(s3, {"PrimaryContainer": {"ModelDataUrl": uri}}) is None


@pytest.mark.parametrize(
    ("location", "error", "complaint"),
    [
        (f"s3://{BUCKET}/nothing", InputError, "there is no MLflow model at"),
        ("s3://no-such-bucket-here/m", PreconditionError, "the bucket no-such-bucket-here does not exist"),
        (f"s3://{BUCKET}/nothing.tar.gz", InputError, "there is no archive at"),
        ("s3://no-such-bucket-here/m.tar.gz", PreconditionError, "the bucket no-such-bucket-here does not exist"),
    ],
)
def test_names_what_does_not_exist(
    s3: Any, tmp_path: Path, location: str, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        model_archive.make(s3, location, tmp_path)


def test_uses_a_finished_archive_unchanged(s3: Any, tmp_path: Path) -> None:
    packed = _tar({"./MLmodel": b"run_id: 99\n", "./model.pkl": b"x"})
    s3.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=packed)
    made = model_archive.make(s3, f"s3://{BUCKET}/m.tar.gz", tmp_path)
    assert (_read(made), made.run_id) == (packed, "99")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"no archive at all", "is not a tar.gz archive"),
        (b"", "is not a tar.gz archive"),
        ("folder", "Pack the contents of the model folder, not the folder"),
        ("cut", "is not a tar.gz archive"),
    ],
)
def test_refuses_an_archive_that_no_endpoint_could_load(
    s3: Any, tmp_path: Path, content: bytes | str, complaint: str
) -> None:
    whole = _tar({"model/MLmodel": b"x", "model/data": os.urandom(50_000)})
    body = {"folder": whole, "cut": whole[:20_000]}.get(str(content), content)
    s3.put_object(Bucket=BUCKET, Key="bad.tar.gz", Body=body)
    with pytest.raises(InputError, match=complaint):
        model_archive.make(s3, f"s3://{BUCKET}/bad.tar.gz", tmp_path)


def test_uploads_an_archive_once_and_tags_it(s3: Any, tmp_path: Path) -> None:
    made = model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    uri = f"s3://{BUCKET}/endpoints/e/1/model.tar.gz"
    model_archive.upload(s3, made, uri, {"project": "mlflow", "model-uri": "models:/iris/1"})
    shutil.rmtree(made.path)
    model_archive.upload(s3, made, uri, {})
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="endpoints/e/1/model.tar.gz")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"project": "mlflow", "model-uri": "models:/iris/1"}


def test_the_digest_is_that_of_tarfiles_own_archive(s3: Any, tmp_path: Path) -> None:
    """Endpoints that were deployed by earlier versions are found again."""
    made = model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(FILES):
            entry = tarfile.TarInfo(name)
            entry.size = len(FILES[name])
            tar.addfile(entry, io.BytesIO(FILES[name]))
    assert made.digest == hashlib.sha256(buffer.getvalue()).hexdigest()


def test_a_large_archive_is_uploaded_in_parts_while_it_is_packed(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_archive, "_LEAST_PART", 5 << 20)
    weights = os.urandom(11 << 20)
    s3.put_object(Bucket=BUCKET, Key="models/m-1/weights", Body=weights)
    parts: list[int] = []
    s3.meta.events.register("before-call.s3.UploadPart", lambda **_: parts.append(1))
    made = model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    model_archive.upload(s3, made, f"s3://{BUCKET}/endpoints/e/1/model.tar.gz", {})
    assert len(parts) == 3
    stored = s3.get_object(Bucket=BUCKET, Key="endpoints/e/1/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(stored)) as tar:
        assert tar.extractfile("weights").read() == weights  # type: ignore[union-attr]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_file_that_changes_while_it_is_packed_leaves_no_archive(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_archive, "_LEAST_PART", 5 << 20)
    s3.put_object(Bucket=BUCKET, Key="models/m-1/weights", Body=os.urandom(11 << 20))
    made = model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    original = tar_stream.tarfile.TarInfo.tobuf  # type: ignore[attr-defined]

    def shorten(entry: tarfile.TarInfo, *given: Any) -> bytes:
        if entry.name == "weights":
            os.truncate(made.path / "weights", 10 << 20)
        packed: bytes = original(entry, *given)
        return packed

    monkeypatch.setattr(tar_stream.tarfile.TarInfo, "tobuf", shorten)  # type: ignore[attr-defined]
    with pytest.raises(PreconditionError, match="was changed while it was packed"):
        model_archive.upload(s3, made, f"s3://{BUCKET}/endpoints/e/1/model.tar.gz", {})
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="endpoints/")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_names_a_bucket_that_does_not_exist_on_upload(s3: Any, tmp_path: Path) -> None:
    made = model_archive.make(s3, f"s3://{BUCKET}/models/m-1", tmp_path)
    with pytest.raises(PreconditionError, match="the bucket gone-since does not exist"):
        model_archive.upload(s3, made, "s3://gone-since/model.tar.gz", {})


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _read(made: model_archive.ModelArchive) -> bytes:
    with made.open() as file:
        content: bytes = file.read()
    return content


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
