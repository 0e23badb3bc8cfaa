"""Reading and unpacking archives that other people made."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from mlflow_common.safe_path import UnsafeNameError
from mlflow_common.unpacking import UNREADABLE, TooLargeError, opened, unpack

MOST = 1 << 30


class Stream:
    """A body of an HTTP answer: it can be read once."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def packed(*members: tuple[str, int], pax: bool = False) -> bytes:
    content = io.BytesIO()
    form = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=content, mode="w:gz", format=form) as tar:
        for name, size in members:
            member = tarfile.TarInfo(name)
            member.size = size
            tar.addfile(member, io.BytesIO(b"x" * size))
    return content.getvalue()


@pytest.mark.parametrize("pax", [False, True])
def test_the_members_of_a_stream_are_read_in_their_order(pax: bool) -> None:
    # Whole blocks, parts of them, nothing, and names that need a header of their own.
    members = [("a", 512), ("b" * 200, 1), ("c", 0), ("d" * 300, 10_240), ("e", 3 << 20)]
    found = []
    with opened(Stream(packed(*members, pax=pax)), MOST) as tar:
        for member in tar:
            content = tar.extractfile(member)
            found.append((member.name, len(content.read()) if content and member.size < 1 << 20 else member.size))
    assert found == members


def test_a_header_that_would_fill_the_memory_is_refused() -> None:
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        member = tarfile.TarInfo("x")
        member.type, member.size = kind, 64 << 20
        bomb = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(64 << 20), 1)
        with pytest.raises(UNREADABLE, match="a header is too long"), opened(Stream(bomb), MOST) as tar:
            list(tar)


def test_a_decompression_bomb_is_not_unpacked() -> None:
    with pytest.raises(TooLargeError), opened(Stream(packed(("a", 3 << 20), ("b", 1))), 1 << 20) as tar:
        list(tar)


@pytest.mark.parametrize(
    "content",
    [b"", b"text", gzip.compress(b"text"), packed(("a", 10_000))[:-30]],
    ids=["empty", "text", "compressed text", "cut off"],  # gzip's output contains the time.
)
def test_what_is_no_archive_raises_one_of_the_known_errors(content: bytes) -> None:
    with pytest.raises(UNREADABLE), opened(Stream(content), MOST) as tar:
        _ = [tar.extractfile(member).read() for member in tar]  # type: ignore[union-attr]


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("hole")
    member.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"00400000000\0"  # The size of the unpacked file: 64 MiB.
    header[148:156] = b"        "
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with (
        pytest.raises(UnsafeNameError, match="sparse"),
        opened(Stream(gzip.compress(bytes(header) + bytes(1024))), 1 << 20) as tar,
    ):
        unpack(tar, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_unpacked_if_one_member_lies_outside(tmp_path: Path) -> None:
    with (
        pytest.raises(UnsafeNameError, match="absolute"),
        opened(Stream(packed(("good", 1), ("/bad", 1))), MOST) as tar,
    ):
        unpack(tar, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a/"), ("a/", "a"), (".", "a")])
def test_a_name_that_is_a_file_and_a_folder_is_refused_before_anything_is_written(
    names: tuple[str, str], tmp_path: Path
) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name.rstrip("/"))
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            tar.addfile(member)
    content.seek(0)
    with opened(content, MOST) as tar, pytest.raises(UnsafeNameError):
        unpack(tar, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_wrong_checksum_behind_the_last_member_is_noticed_before_anything_is_written(tmp_path: Path) -> None:
    damaged = bytearray(packed(("a", 10_000)))
    damaged[-8] ^= 1  # The last eight bytes are the CRC-32 and the size: https://www.rfc-editor.org/rfc/rfc1952
    with pytest.raises(UNREADABLE, match="CRC"), opened(io.BytesIO(damaged), MOST) as tar:
        unpack(tar, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_zeros_without_end_behind_the_last_member_are_not_unpacked(tmp_path: Path) -> None:
    bomb = packed(("a", 1)) + gzip.compress(bytes(8 << 20))
    with pytest.raises(TooLargeError), opened(io.BytesIO(bomb), 1 << 20) as tar:
        unpack(tar, tmp_path / "target")
