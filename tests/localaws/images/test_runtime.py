"""Running images: what is refused, and with which command, mounts and variables a process starts."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from localaws import daemon
from localaws.images.failure import ImageError
from localaws.images.plain_image import CONTENTS_LABEL
from localaws.images.runtime import ImageRuntime, Prepared
from localaws.settings import Settings

ENTRY = ["python", "/opt/serving/serve"]
BUILDAH = """\
#!/bin/sh
echo "$@" >> "$0.calls"
case "$*" in
  *" pull "*) cat "$(echo "$*" | sed 's/.*--authfile \\([^ ]*\\) .*/\\1/')" > "$0.login"; echo 0123456789abcdef ;;
  *" inspect "*) cat "$0.config" ;;
  *" mount "*) [ -e "$0.made" ] || exit 1; echo /storage/root ;;
  *" from "*) touch "$0.made" ;;
esac
"""


class FakeBuildah:
    """A program that answers as buildah does and keeps its calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = folder / "bin" / "buildah"
        self._file.parent.mkdir()
        self._file.write_text(BUILDAH)
        self._file.chmod(0o755)
        self._folder = folder / "endpoint"
        (self._folder / "model").mkdir(parents=True)
        (self._folder / "model" / "MLmodel").touch(0o600)
        self._runtime = ImageRuntime(folder / "storage", "127.0.0.1:4577")
        monkeypatch.setenv("PATH", f"{self._file.parent}:/usr/bin:/bin")

    def prepare(self, **config: Any) -> Prepared:
        """Prepare an image that has this configuration."""
        Path(f"{self._file}.config").write_text(json.dumps({"OCIv1": {"config": config}}, indent=1))
        return self._runtime.prepare("serving:1", "token", self._folder)

    def calls(self, verb: str) -> int:
        """How often a command was run."""
        return Path(f"{self._file}.calls").read_text().count(f" {verb} ")

    @property
    def login(self) -> Any:
        """The login that the last pull was given."""
        return json.loads(Path(f"{self._file}.login").read_text())

    @property
    def model(self) -> Path:
        """The model's file."""
        return self._folder / "model" / "MLmodel"


@pytest.fixture
def buildah(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBuildah:
    return FakeBuildah(tmp_path, monkeypatch)


def test_the_entry_point_gets_the_argument_serve_instead_of_the_images_command(buildah: FakeBuildah) -> None:
    prepared = buildah.prepare(Entrypoint=ENTRY, Cmd=["other"], Env=["PATH=/opt/venv/bin", "A=b=c"], User="10001:10001")
    assert list(prepared.command)[-3:] == [*ENTRY, "serve"]
    assert list(prepared.command)[:2] == ["unshare", "--mount"]
    assert {"/storage/root", "10001:10001"} < set(map(str, prepared.command))
    assert prepared.env == {"PATH": "/opt/venv/bin", "HOME": "/", "A": "b=c"}


def test_an_image_is_unpacked_once_and_its_user_may_read_the_model(buildah: FakeBuildah) -> None:
    buildah.prepare(Entrypoint=ENTRY)
    buildah.prepare(Entrypoint=ENTRY)
    assert (buildah.calls("pull"), buildah.calls("from")) == (2, 1)
    assert buildah.login == {"auths": {"127.0.0.1:4577": {"auth": "token"}}}
    assert buildah.model.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"Entrypoint": ENTRY, "Labels": {CONTENTS_LABEL: "the code"}}, "has no Python: it was built without buildah"),
        ({"Cmd": ["bash"]}, "has no ENTRYPOINT"),
    ],
)
def test_an_image_that_cannot_serve_is_refused(buildah: FakeBuildah, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ImageError, match=problem):
        buildah.prepare(**config)


@pytest.mark.parametrize("name", ["LOCALAWS_CONTAINERS", "LOCALAWS_ENFORCE_IAM"])
def test_a_switch_is_1_or_0_or_nothing(name: str) -> None:
    def given(value: str) -> list[bool]:
        settings = Settings.from_environment({name: value})
        return [settings.containers, settings.enforce_iam]

    assert (given("1").count(True), given("0"), given("")) == (1, [False, False], [False, False])
    for value in ("no", "false", " 1"):
        with pytest.raises(ValueError, match=f"{name}={value} is neither 1 nor 0 nor empty"):
            given(value)


def test_localaws_does_not_start_where_images_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings.from_environment({"LOCALAWS_CONTAINERS": "1", "LOCALAWS_HOME": str(tmp_path / "home")})
    with pytest.raises(daemon.DaemonError, match=r"lacks the programs buildah, .*Install buildah") as refused:
        daemon.up(settings)
    assert refused.value.status == 3
    assert not (tmp_path / "home").exists()
