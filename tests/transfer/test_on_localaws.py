"""Transfers on localaws: servers by ARN behind the signing gateway, artifacts in S3, archives in S3."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlflow_transfer import service
from mlflow_transfer.access import Access
from mlflow_transfer.archive import Archive
from mlflow_transfer.backup import Backup
from mlflow_transfer.connections import ConnectionFactory
from mlflow_transfer.manifest import ARTIFACT, Entry
from mlflow_transfer.options import Options
from mlflow_transfer.records import Run
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.sources.archive_files import DamagedError
from mlflow_transfer.stores import S3, Item
from mlflow_transfer.stores import s3 as s3_store
from tests.support.running import RunningLocalAws
from tests.transfer.made_up import OneRun
from tests.transfer.moving import RETRY
from tests.transfer.seeding import START, Seeder

REPOSITORY = Path(__file__).resolve().parents[2]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True)
class Pair:
    """Two tracking servers with one bucket each. The first contains an experiment with ten runs."""

    localaws: RunningLocalAws
    old: str
    new: str
    bucket: str

    def places(self) -> ConnectionFactory:
        return ConnectionFactory(os.environ, retry=RETRY)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "scripts/transfer.py", *arguments],
            cwd=REPOSITORY,
            env=self.localaws.environ(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def pair(localaws: RunningLocalAws) -> Iterator[Pair]:
    iam, s3, sagemaker = (localaws.client(name) for name in ("iam", "s3", "sagemaker"))
    role = iam.create_role(RoleName="transfer-server", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    everything = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    iam.put_role_policy(RoleName="transfer-server", PolicyName="all", PolicyDocument=everything)
    arns = []
    for version in ("2.13", "3.0"):
        name = f"transfer-{version.replace('.', '-')}"
        s3.create_bucket(Bucket=f"{name}-artifacts")
        given = {"TrackingServerName": name, "ArtifactStoreUri": f"s3://{name}-artifacts/root", "RoleArn": role}
        arns.append(sagemaker.create_mlflow_tracking_server(**given, MlflowVersion=version)["TrackingServerArn"])
    for arn in arns:
        name = arn.rpartition("/")[2]
        deadline = time.monotonic() + 90
        while sagemaker.describe_mlflow_tracking_server(TrackingServerName=name)["TrackingServerStatus"] == "Creating":
            assert time.monotonic() < deadline
            time.sleep(0.2)
    patch = pytest.MonkeyPatch()
    for variable, value in localaws.env.items():
        patch.setenv(variable, value) if value else patch.delenv(variable, raising=False)
    found = Pair(localaws, arns[0], arns[1], "transfer-2-13-artifacts")
    asyncio.run(_fill(found, s3))
    yield found
    patch.undo()
    for arn in arns:
        sagemaker.delete_mlflow_tracking_server(TrackingServerName=arn.rpartition("/")[2])


async def _fill(pair: Pair, s3: Any) -> None:
    server = await pair.places().server(pair.old)
    at = Seeder(server.client.base_url, auth=server.client.auth)
    experiment = at.experiment("signed")
    for index in range(10):
        run = at.run(experiment, f"run {index}", START + index)
        at.log(run["run_id"], [("loss", float(index), START, 1)], {"p": "ü"})
        bucket, _, prefix = run["artifact_uri"].removeprefix("s3://").partition("/")
        for name in ("a.txt", "model/ü b.bin"):
            s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=f"{name} {index}".encode())
        at.end(run["run_id"])
    at.post("registered-models/create", name="signed")
    at.post("model-versions/create", name="signed", source=f"{run['artifact_uri']}/model", run_id=run["run_id"])
    await server.close()


@pytest.fixture(scope="module")
def moved(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The calls of the first copy."""
    plan = pair.run("copy", pair.old, pair.new, "--dry-run", "--json")
    assert plan.returncode == 0, plan.stderr
    assert '"runs": 10' in plan.stdout
    assert '"seconds_at_least"' in plan.stdout
    before = len(pair.localaws.calls())
    done = pair.run("copy", pair.old, pair.new, "--checkpoint", str(tmp_path_factory.mktemp("checkpoint") / "map"))
    assert done.returncode == 0, done.stderr
    # Tests of other workers use this localaws, too.
    return [call for call in pair.localaws.calls()[before:] if "transfer-" in call["resource"]]


def test_a_server_moves_to_another_by_arn_and_its_files_within_s3(
    pair: Pair, moved: list[dict[str, Any]], tmp_path: Path
) -> None:
    operations = [call["operation"] for call in moved]
    assert operations.count("CopyObject") == 20
    assert not {"GetObject", "PutObject"} & set(operations)
    assert [call["status"] for call in moved if call["service"] == "sagemaker-mlflow" and call["status"] >= 400] == []

    checked = pair.run("verify", pair.old, pair.new, "--report", str(tmp_path / "report"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (tmp_path / "report" / "report.html").read_text().startswith("<!doctype html>")
    again = pair.run("copy", pair.old, pair.new, "--json")
    assert '"destination_writes": 0' in again.stdout

    archive = f"s3://{pair.bucket}/backups/nightly"
    assert pair.run("backup", pair.old, archive).returncode == 0
    checked = pair.run("verify", pair.new, archive, "--report", str(tmp_path / "report"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_names_a_missing_tracking_server(pair: Pair) -> None:
    done = pair.run("inspect", pair.old + "x")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "there is no tracking server transfer-2-13x in us-east-1" in done.stderr


def test_objects_above_the_limit_of_copyobject_are_copied_in_parts(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "LARGEST_COPY", 6 << 20)
    monkeypatch.setattr(s3_store, "COPY_PART", 5 << 20)
    store = S3(pair.localaws.client("s3"), pair.bucket, "parts")
    content = bytes(range(256)) * 4096 * 12
    store.write("large.bin", [content[at : at + (1 << 20)] for at in range(0, len(content), 1 << 20)], len(content))
    store.copy(store, Item("large.bin", len(content)), "copied.bin")
    assert b"".join(store.read("copied.bin")) == content
    uploads = pair.localaws.client("s3").list_multipart_uploads(Bucket=pair.bucket)
    assert "Uploads" not in uploads

    def breaking() -> Iterator[bytes]:
        yield content[: 9 << 20]
        raise EOFError

    with pytest.raises(EOFError):
        store.write("broken.bin", breaking(), len(content))
    assert {item.path for item in store.list()} == {"large.bin", "copied.bin"}
    assert "Uploads" not in pair.localaws.client("s3").list_multipart_uploads(Bucket=pair.bucket)


@pytest.mark.parametrize("parts", [False, True])
def test_a_copy_within_s3_does_not_copy_tags(pair: Pair, monkeypatch: pytest.MonkeyPatch, parts: bool) -> None:
    if parts:
        monkeypatch.setattr(s3_store, "LARGEST_COPY", 1)
    s3 = pair.localaws.client("s3")
    store = S3(s3, pair.bucket, f"tags-{parts}")
    # The module's lifecycle rule deletes objects with such a tag.
    s3.put_object(Bucket=pair.bucket, Key=store.key("a.txt"), Body=b"a" * 9, Tagging="mlflow.deleted=true&other=1")
    store.copy(store, Item("a.txt", 9), "b.txt")
    assert s3.get_object_tagging(Bucket=pair.bucket, Key=store.key("b.txt"))["TagSet"] == []
    assert b"".join(store.read("b.txt")) == b"a" * 9


class FilesBackup:
    """A backup of one run's files from one prefix of a bucket to another."""

    def __init__(self, pair: Pair, prefix: str) -> None:
        self.s3 = pair.localaws.client("s3")
        self.files = S3(self.s3, pair.bucket, f"{prefix}/files")
        self.archive = Archive(S3(self.s3, pair.bucket, f"{prefix}/archive"))
        self.run = Run("a" * 32, "7", "r", "u", "FINISHED", START, START + 1, "active", self.files.uri)
        self.source = OneRun(self.run, pair.places().store)

    def write(self, name: str, content: bytes) -> None:
        self.files.write(name, [content], len(content))

    def take(self) -> dict[str, Entry]:
        """Make the backup, and return the entries of its files by name."""
        snapshot = asyncio.run(Backup(self.source, self.archive, "1", None, None, RETRY).run())
        return {entry.id: entry for entry in self.archive.manifest(snapshot).of(ARTIFACT)}

    def check(self) -> int:
        return asyncio.run(ArchiveSource(self.archive).check())

    def damage(self, entry: Entry) -> None:
        """Replace the content by other content of the same size."""
        content = bytearray(b"".join(self.archive.store.read(entry.file)))
        content[-1] ^= 1
        self.archive.store.write(entry.file, [bytes(content)], len(content))


def test_a_backup_within_s3_stores_the_sha256_of_every_file(pair: Pair) -> None:
    backup = FilesBackup(pair, "sums")
    content = {"a.txt": b"some text", "ü/leer.txt": b""}
    for name, one in content.items():
        backup.write(name, one)
    before = len(pair.localaws.calls())
    entries = backup.take()
    assert {name: entry.sha256 for name, entry in entries.items()} == {
        name: hashlib.sha256(one).hexdigest() for name, one in content.items()
    }
    # S3 computed them, so no file was transferred to this machine.
    reads = [one for one in pair.localaws.calls()[before:] if one["operation"] == "GetObject"]
    places = ("/sums/files/", "/sums/archive/artifacts/")
    assert not [one for one in reads if any(place in one["resource"] for place in places)]
    assert backup.check() == 2 + len(("the run", "the experiments", "the registered models"))

    backup.damage(entries["a.txt"])
    with pytest.raises(DamagedError, match=r"artifacts/a+/1/a\.txt is damaged: its checksum is not"):
        backup.check()


def test_a_file_that_s3_copied_in_parts_has_a_composite_checksum(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "LARGEST_COPY", 6 << 20)
    monkeypatch.setattr(s3_store, "COPY_PART", 5 << 20)
    backup = FilesBackup(pair, "parts-sums")
    backup.write("large.bin", bytes(range(256)) * 4096 * 11)
    (entry,) = backup.take().values()
    assert (entry.sha256, entry.part_size, len(entry.parts_sha256)) == ("", 5 << 20, 64)
    backup.check()
    backup.damage(entry)
    with pytest.raises(DamagedError, match=r"large\.bin is damaged: its checksum is not"):
        backup.check()


def test_reads_the_copy_if_the_store_computes_no_checksum(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "parse_checksum", lambda *_: None)
    backup = FilesBackup(pair, "unsummed")
    backup.write("a.txt", b"some text")
    assert backup.take()["a.txt"].sha256 == hashlib.sha256(b"some text").hexdigest()


def test_a_file_that_changes_during_the_backup_is_stored_with_its_new_content(pair: Pair) -> None:
    class Changing(S3):
        """The file is overwritten directly after the files were listed."""

        def list(self) -> Iterator[Item]:
            listed = list(super().list())
            self.write("a.txt", [b"longer than it was"], 18)
            return iter(listed)

    backup = FilesBackup(pair, "changing")
    backup.write("a.txt", b"as listed")
    backup.source.store = lambda _: Changing(backup.s3, pair.bucket, "changing/files")
    # S3's response if the object's ETag no longer equals CopySourceIfMatch. moto does not return it.
    pair.localaws.fault("s3:CopyObject", resource="*changing/archive*", error="PreconditionFailed", status=412)
    entry = backup.take()["a.txt"]
    assert (entry.size, entry.sha256) == (18, hashlib.sha256(b"longer than it was").hexdigest())
    backup.check()


def test_a_conditional_change_loses_no_concurrent_write(pair: Pair) -> None:
    store = S3(pair.localaws.client("s3"), pair.bucket, "at-once")
    others = iter([b"two", b"three"])

    def add(content: bytes | None) -> bytes:
        other = next(others, None)
        if other:
            store.write("index", [(content or b"") + other + b" "], 0)
        return (content or b"") + b"mine"

    store.change("index", add)
    assert b"".join(store.read("index")) == b"two three mine"


def test_waits_while_the_gateway_throttles(pair: Pair, moved: list[dict[str, Any]]) -> None:
    for operation in ("SearchRuns", "SearchExperiments"):
        pair.localaws.fault(
            f"sagemaker-mlflow:{operation}", resource=pair.new, error="ThrottlingException", status=429, times=2
        )

    only = Options(include_deleted=True, experiments=frozenset({"signed"}))

    async def go() -> bool:
        one, other = [await pair.places().server(side, Access(limit=50)) for side in (pair.old, pair.new)]
        try:
            await service.copy(one, other, only)
            return (await service.verify(one, other, only)).passed
        finally:
            await one.close()
            await other.close()

    assert asyncio.run(go())
    answered = [call["status"] for call in pair.localaws.calls() if call["resource"] == pair.new]
    assert answered.count(429) == 4
