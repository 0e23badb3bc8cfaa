"""Runs processes in images of localaws's registry, without Docker: with buildah, `unshare` and `chroot` (Linux, root).

What SageMaker does with an image: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
- It runs `docker run IMAGE serve`, so that the image's entry point gets the argument `serve` instead of its command.
- The model is unpacked in /opt/ml/model.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localaws.images.buildah import Buildah
from localaws.images.failure import ImageError
from localaws.images.plain_image import CONTENTS_LABEL
from localaws.processes import Command

MODEL = "/opt/ml/model"
_TOOLS = ("buildah", "unshare", "mount", "chroot")
# Each process gets a layer of its own above the image, in memory, and sees this machine's network and processes. The
# mounts are in a namespace of the process, and end with it. `exec` lets localaws's signals reach the program.
_SCRIPT = """\
set -e
umask 022
image=$1 folder=$2 user=$3 work=$4; shift 4
root=$folder/root
mkdir -p "$root" "$folder/layer"
mount -t tmpfs -o mode=755 tmpfs "$folder/layer"
mkdir "$folder/layer/upper" "$folder/layer/work"
mount -t overlay -o "lowerdir=$image,upperdir=$folder/layer/upper,workdir=$folder/layer/work" overlay "$root"
mkdir -p "$root/opt/ml/model" "$root/proc" "$root/dev" "$root/etc"
mount --bind "$folder/model" "$root/opt/ml/model"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/" || true
exec chroot --userspec="$user" "$root" /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$work" "$@"
"""


@dataclass(frozen=True)
class Prepared:
    """An image that a process can run in.

    Attributes:
        command: runs the image's program in a folder that has the model in `model/`.
        env: the image's own variables.
    """

    command: Command
    env: dict[str, str]


def missing() -> str:
    """What this machine lacks to run processes in images; empty if nothing."""
    if not sys.platform.startswith("linux"):
        return "Linux"
    absent = [tool for tool in _TOOLS if not shutil.which(tool)]
    if absent:
        return f"the programs {', '.join(absent)}"
    if os.geteuid() != 0:
        return "the rights of root"
    # Containers of CI systems often have root without this right.
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "the right to mount file systems" if probe.returncode else ""


class ImageRuntime:
    """Pulls images from localaws's registry and unpacks each once."""

    def __init__(self, folder: Path, registry: str) -> None:
        """`folder` is buildah's storage, and `registry` HOST:PORT."""
        self._folder = folder
        self._registry = registry
        self._lock = threading.Lock()

    def prepare(self, reference: str, token: str, folder: Path) -> Prepared:
        """Pull an image and return what runs it in `folder`.

        Args:
            reference: REPOSITORY:TAG or REPOSITORY@DIGEST.
            token: the authorization token of GetAuthorizationToken.

        Raises:
            ImageError: it cannot be pulled or unpacked, or it has no program.
        """
        login = folder / "login.json"
        login.touch(mode=0o600)
        login.write_text(json.dumps({"auths": {self._registry: {"auth": token}}}))
        try:
            with self._lock:
                buildah = Buildah(self._folder)
                image = buildah.pull(f"{self._registry}/{reference}", login)
                config = buildah.config(image)
                command = _command(config, reference)
                root = buildah.unpacked(image)
        finally:
            login.unlink()
        _make_readable(folder / "model")
        run = ("unshare", "--mount", "sh", "-c", _SCRIPT, "sh")
        place = [str(root), str(folder), config.get("User") or "0:0", config.get("WorkingDir") or "/"]
        env = dict(variable.split("=", 1) for variable in config.get("Env") or [])
        # What container engines set in addition to the image's variables.
        return Prepared([*run, *place, *command], {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", **env})


def _command(config: dict[str, Any], reference: str) -> list[str]:
    if CONTENTS_LABEL in (config.get("Labels") or {}):
        raise ImageError(
            f"{reference} has no Python: it was built without buildah. Install buildah and build the image again."
        )
    if not config.get("Entrypoint"):
        raise ImageError(f"{reference} has no ENTRYPOINT. SageMaker runs it with the argument serve.")
    return [*config["Entrypoint"], "serve"]


def _make_readable(model: Path) -> None:
    """Let the image's user read the model, as on SageMaker. Only processes that it is mounted for can reach it."""
    for path in (model, *model.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
