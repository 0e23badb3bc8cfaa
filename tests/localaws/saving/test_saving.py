"""`down` saves the state, `up` restores it, `reset` deletes it. Another home and port can restore a named copy."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from localaws import daemon
from localaws.daemon import DaemonError
from localaws.settings import Settings
from localaws.state import named
from tests.localaws.endpoints.hosted import Hosted
from tests.localaws.tracking.calls import create_run, track
from tests.serving.models import save_obedient
from tests.support.running import RunningLocalAws, free_port, settings_of, start, tracking_server

BIG = b"0123456789abcdef" * 1024 * 1200  # Larger than the objects that moto keeps in memory.


def command(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "localaws", *arguments],
        env={**os.environ, "LOCALAWS_HOME": str(settings.home), "LOCALAWS_PORT": str(settings.port)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass
class Kept:
    """A localaws that was filled, stopped and started again, and its content."""

    localaws: RunningLocalAws
    known: dict[str, Any] = field(default_factory=dict)

    def fill(self, folder: Path) -> None:
        localaws, known = self.localaws, self.known
        known["env"] = localaws.env
        s3, kms = localaws.client("s3"), localaws.client("kms")
        s3.create_bucket(Bucket="kept")
        s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
        known["versions"] = [s3.put_object(Bucket="kept", Key="a", Body=body)["VersionId"] for body in (b"1", BIG)]
        s3.put_object(Bucket="kept", Key="deleted", Body=b"gone")
        s3.delete_object(Bucket="kept", Key="deleted")
        known["key"] = kms.create_key()["KeyMetadata"]["KeyId"]
        known["cipher"] = kms.encrypt(KeyId=known["key"], Plaintext=b"secret")["CiphertextBlob"]
        localaws.client("ssm").put_parameter(Name="/kept", Value="value", Type="String")
        known["queue"] = localaws.client("sqs").create_queue(QueueName="kept")["QueueUrl"]
        localaws.client("sqs").send_message(QueueUrl=known["queue"], MessageBody="waiting")
        iam = localaws.client("iam")
        iam.create_user(UserName="kept")
        iam.put_user_policy(
            UserName="kept",
            PolicyName="all",
            PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
        )
        known["user"] = iam.create_access_key(UserName="kept")["AccessKey"]
        known["server"] = tracking_server(localaws, "kept-server", Tags=[{"Key": "project", "Value": "mlflow"}])
        known["run"] = create_run(localaws, known["server"])["run_id"]
        tracking_server(localaws, "stopped-server")
        localaws.client("sagemaker").stop_mlflow_tracking_server(TrackingServerName="stopped-server")
        save_obedient(folder / "model")
        known["endpoint"] = Hosted(localaws, folder).endpoint(folder / "model")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    localaws = start(folder / "home")
    kept = Kept(localaws)
    try:
        kept.fill(folder)
        daemon.down(localaws.settings)
        daemon.up(localaws.settings)
        yield kept
    finally:
        daemon.down(localaws.settings)


def test_versions_and_delete_markers_of_objects_are_kept(kept: Kept) -> None:
    s3 = kept.localaws.client("s3")
    assert s3.get_object(Bucket="kept", Key="a")["Body"].read() == BIG
    first = s3.get_object(Bucket="kept", Key="a", VersionId=kept.known["versions"][0])
    assert first["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket="kept")
    assert sorted((one["Key"], one["IsLatest"]) for one in listed["Versions"]) == [
        ("a", False),
        ("a", True),
        ("deleted", False),
    ]
    assert [one["Key"] for one in listed["DeleteMarkers"]] == ["deleted"]


def test_keys_parameters_queues_and_users_are_kept(kept: Kept) -> None:
    localaws, known = kept.localaws, kept.known
    assert localaws.client("kms").decrypt(CiphertextBlob=known["cipher"])["Plaintext"] == b"secret"
    assert localaws.client("ssm").get_parameter(Name="/kept")["Parameter"]["Value"] == "value"
    (message,) = localaws.client("sqs").receive_message(QueueUrl=known["queue"])["Messages"]
    assert message["Body"] == "waiting"
    user = known["user"]
    sts = localaws.client("sts", aws_access_key_id=user["AccessKeyId"], aws_secret_access_key=user["SecretAccessKey"])
    assert sts.get_caller_identity()["Arn"].endswith(":user/kept")


def test_the_credentials_of_other_shells_stay_valid(kept: Kept) -> None:
    assert kept.localaws.env == kept.known["env"]


def test_tracking_servers_are_started_again_with_their_runs(kept: Kept) -> None:
    sagemaker = kept.localaws.client("sagemaker")
    described = sagemaker.describe_mlflow_tracking_server(TrackingServerName="kept-server")
    assert described["TrackingServerStatus"] == "Created"
    assert sagemaker.list_tags(ResourceArn=kept.known["server"])["Tags"] == [{"Key": "project", "Value": "mlflow"}]
    found = track(kept.localaws, kept.known["server"], "GET", f"runs/get?run_id={kept.known['run']}").json()
    assert found["run"]["info"]["run_id"] == kept.known["run"]


def test_a_stopped_tracking_server_stays_stopped(kept: Kept) -> None:
    sagemaker = kept.localaws.client("sagemaker")
    status = sagemaker.describe_mlflow_tracking_server(TrackingServerName="stopped-server")["TrackingServerStatus"]
    assert status == "Stopped"


def test_endpoints_serve_again(kept: Kept) -> None:
    localaws, name = kept.localaws, kept.known["endpoint"]
    described = localaws.client("sagemaker").describe_endpoint(EndpointName=name)
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    answer = localaws.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body='{"dataframe_records": [{"x": 1}]}', ContentType="application/json"
    )
    assert json.loads(answer["Body"].read())["predictions"]


def test_the_files_are_private_to_the_user(kept: Kept) -> None:
    home = kept.localaws.settings.home
    files = [file for file in home.rglob("*") if file.is_file()]
    # The Terraform tree is a copy of the checkout's; a model's files keep the modes of its archive. The folder is 0700.
    files = [file for file in files if not {"terraform", "endpoints"} & set(file.parts)]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {file.name for file in files} >= {"state.json", "moto.pickle", "calls.jsonl", "mlflow.db", "env"}
    readable = [str(file.relative_to(home)) for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077]
    assert readable == []


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A stopped localaws whose saved state has one bucket, and a Terraform state with an address."""
    localaws = start(tmp_path_factory.mktemp("filled") / "home")
    settings = localaws.settings
    try:
        localaws.client("s3").create_bucket(Bucket="small")
        terraform_state(settings).parent.mkdir(parents=True)
        terraform_state(settings).write_text(json.dumps({"url": f"{settings.url}/queue"}))
    finally:
        daemon.down(settings)
    return settings


@pytest.fixture
def small(filled: Settings, tmp_path: Path) -> Iterator[Settings]:
    """A copy of that localaws for one test."""
    settings = settings_of(shutil.copytree(filled.home, tmp_path / "home"), filled.port)
    try:
        yield settings
    finally:
        daemon.reset(settings)


def terraform_state(settings: Settings) -> Path:
    return settings.terraform / "mlflow/terraform/staging/terraform.tfstate"


def buckets(settings: Settings) -> list[str]:
    """The content of a localaws, which is started and stopped to read it."""
    daemon.up(settings)
    try:
        return [one["Name"] for one in RunningLocalAws(settings).client("s3").list_buckets()["Buckets"]]
    finally:
        daemon.down(settings)


def test_reset_deletes_the_state_and_the_terraform_states(small: Settings) -> None:
    assert terraform_state(small).exists()
    done = command(small, "reset")
    assert (done.returncode, done.stderr) == (0, "")
    assert not terraform_state(small).exists()
    assert buckets(small) == []


def test_a_named_copy_can_be_restored_in_another_home_and_on_another_port(small: Settings, tmp_path: Path) -> None:
    assert command(small, "save", "one").returncode == 0
    other = settings_of(tmp_path / "other", free_port())
    named.adopt(other, small.saved / "one")
    try:
        assert buckets(other) == ["small"]
        assert json.loads(terraform_state(other).read_text()) == {"url": f"{other.url}/queue"}
    finally:
        daemon.reset(other)


def test_restore_replaces_later_changes(small: Settings) -> None:
    assert command(small, "save", "one").returncode == 0
    daemon.up(small)
    RunningLocalAws(small).client("s3").create_bucket(Bucket="later")
    daemon.down(small)
    assert command(small, "restore", "one").returncode == 0
    assert buckets(small) == ["small"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["restore", "none"], "There is no saved state named none. Saved: none."),
        (["save", "../out"], "'../out' is not a name for a state"),
        (["restore", "/etc"], "'/etc' is not a name for a state"),
    ],
)
def test_rejects_invalid_names_in_one_line(small: Settings, arguments: list[str], message: str) -> None:
    done = command(small, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_copies_require_a_stopped_localaws(localaws: RunningLocalAws) -> None:
    done = command(localaws.settings, "save", "running")
    assert (done.returncode, done.stderr) == (
        3,
        "localaws is running: stop it first with `python -m localaws down`.\n",
    )


def truncate_manifest(settings: Settings) -> None:
    (settings.data / "state.json").write_text('{"versions"')


def nest_manifest(settings: Settings) -> None:
    (settings.data / "state.json").write_text("[" * 100_000)


def change_moto(settings: Settings) -> None:
    file = settings.data / "state.json"
    manifest = json.loads(file.read_text())
    manifest["versions"]["moto"] = "1.0"
    file.write_text(json.dumps(manifest))


def flip_a_byte(settings: Settings) -> None:
    file = settings.data / "moto.pickle"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def lose_the_pickle(settings: Settings) -> None:
    (settings.data / "moto.pickle").unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate_manifest, "is damaged: state.json is not readable"),
        (nest_manifest, "is damaged: state.json is not readable"),
        (change_moto, "was saved by format 1, moto 1.0"),
        (flip_a_byte, "is damaged: moto.pickle is not the one that was saved"),
        (lose_the_pickle, "is damaged: [Errno 2]"),
    ],
)
def test_an_unreadable_state_is_refused(small: Settings, damage: Any, reason: str) -> None:
    damage(small)
    with pytest.raises(DaemonError) as refused:
        daemon.up(small)
    assert str(refused.value).startswith(f"The saved state in {small.data} {reason}")
    assert "make local-reset" in str(refused.value)


def test_a_damaged_state_is_refused_in_one_line_until_reset(small: Settings) -> None:
    flip_a_byte(small)
    refused = command(small, "up")
    assert refused.returncode == 3
    assert refused.stderr.startswith(f"The saved state in {small.data} is damaged")
    assert refused.stderr.count("\n") == 1
    assert command(small, "reset").returncode == 0
    assert buckets(small) == []


def test_a_killed_localaws_restores_its_last_save_and_reports_it(small: Settings) -> None:
    assert command(small, "up").returncode == 0
    RunningLocalAws(small).client("s3").create_bucket(Bucket="unsaved")
    terraform_state(small).write_text("{}")
    pid = daemon.running_pid(small)
    assert pid
    os.kill(pid, signal.SIGKILL)
    while daemon.running_pid(small):
        pass
    started = command(small, "up")
    assert started.returncode == 0
    assert started.stderr.startswith("localaws did not stop cleanly. It starts with its state of ")
    assert [one["Name"] for one in RunningLocalAws(small).client("s3").list_buckets()["Buckets"]] == ["small"]
    assert "queue" in terraform_state(small).read_text()
    daemon.down(small)
    assert command(small, "up").stderr == ""
