"""Builds and mounts images with buildah, which needs no daemon (Debian package `buildah`)."""

import configparser
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localaws.images.failure import ImageError

# Without a daemon, overlay file systems or cgroups. `chroot` isolation uses this machine's network.
_STORAGE = ("--storage-driver", "vfs")
_CERTIFICATES = Path("/etc/ssl/certs")
_PIP_SETTINGS = Path("/etc/pip.conf")


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        """`folder` keeps images and containers."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._global = ["buildah", *_STORAGE, "--root", str(folder / "storage"), "--runroot", str(folder / "run")]

    @staticmethod
    def is_installed() -> bool:
        """Whether buildah can be started."""
        return shutil.which("buildah") is not None

    def base(self, image: str) -> str:
        """The name of a base image that is in the storage afterwards.

        Args:
            image: an image's name, which is pulled; or the path of a tar file of a root file system, which is imported.

        Raises:
            ImageError: it cannot be pulled or imported.
        """
        file = Path(image)
        if file.is_absolute():
            return self._import(file)
        status, output = self._quietly("pull", "--policy", "missing", image)
        if status:
            raise ImageError(f"the base image {image} cannot be pulled: {_last(output)}")
        return image

    def build(self, context: Path, tag: str, base: str, arguments: Mapping[str, str]) -> int:
        """Build an image from a context with a Dockerfile. The output goes to this process's; returns the status."""
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        return self._loudly(
            "build", "--isolation", "chroot", "--format", "docker", "--layers=false", "--pull-never", *self._host(),
            "--from", base, *given, "--tag", tag, str(context),
        )  # fmt: skip

    def push(self, tag: str, credentials: Path) -> int:
        """Push an image to a registry that speaks plain HTTP. Returns the status."""
        return self._loudly("push", "--tls-verify=false", "--authfile", str(credentials), tag, f"docker://{tag}")

    def remove(self, tag: str) -> None:
        """Remove an image."""
        self._quietly("rmi", tag)

    def pull(self, image: str, credentials: Path) -> str:
        """Pull an image from a registry that speaks plain HTTP. Returns the image's id.

        Raises:
            ImageError: it cannot be pulled.
        """
        output = self._required(
            f"{image} cannot be pulled",
            *("pull", "--quiet", "--policy", "always", "--tls-verify=false", "--authfile", str(credentials), image),
        )
        return _last(output)

    def config(self, image: str) -> dict[str, Any]:
        """An image's configuration: its `Entrypoint`, `Env`, `User` and so on.

        Raises:
            ImageError: there is no such image.
        """
        described = json.loads(self._required(f"{image} cannot be inspected", "inspect", "--type", "image", image))
        config: dict[str, Any] = described["OCIv1"].get("config") or {}
        return config

    def unpacked(self, image: str) -> Path:
        """The folder with an image's files. They are unpacked once for each image and must not be changed.

        Raises:
            ImageError: they cannot be unpacked.
        """
        name = f"localaws-{image[:32]}"
        status, output = self._quietly("mount", name)
        if status:
            self._required(f"{image} cannot be unpacked", "from", "--pull-never", "--name", name, image)
            output = self._required(f"{image} cannot be unpacked", "mount", name)
        return Path(_last(output))

    def _required(self, problem: str, *command: str) -> str:
        status, output = self._quietly(*command)
        if status:
            raise ImageError(f"{problem}: {_last(output)}")
        return output

    def _import(self, file: Path) -> str:
        try:
            about = file.stat()
        except OSError as error:
            raise ImageError(f"LOCALAWS_BASE_IMAGE names {file}, which cannot be read: {error.strerror}") from None
        key = hashlib.sha256(f"{file}\0{about.st_size}\0{about.st_mtime_ns}".encode()).hexdigest()[:16]
        name = f"localhost/localaws-base:{key}"
        if self._quietly("images", "--quiet", name)[0] == 0:
            return name
        container = f"localaws-base-{key}"
        self._quietly("rm", container)
        for command in (
            ("from", "--name", container, "scratch"),
            ("add", "--quiet", container, str(file), "/"),
            ("commit", "--quiet", "--rm", container, name),
        ):
            status, output = self._quietly(*command)
            if status:
                raise ImageError(f"{file} cannot be imported as an image: {_last(output)}")
        return name

    def _host(self) -> list[str]:
        """This machine's certificates and pip settings, mounted for the build only."""
        mounts = []
        if _CERTIFICATES.is_dir():
            mounts += ["--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"]
        settings = configparser.ConfigParser(interpolation=None)
        settings.read(_PIP_SETTINGS)
        certificate = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
        if certificate and Path(certificate).is_relative_to(_CERTIFICATES):
            if "global" not in settings:
                settings["global"] = {}
            settings["global"]["cert"] = certificate
        if settings.sections():
            file = self._folder / "pip.conf"
            with file.open("w") as written:
                settings.write(written)
            mounts += ["--volume", f"{file}:{_PIP_SETTINGS}:ro"]
        return mounts

    def _quietly(self, *command: str) -> tuple[int, str]:
        done = subprocess.run(
            [*self._global, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.returncode, done.stdout

    def _loudly(self, *command: str) -> int:
        return subprocess.run([*self._global, *command], stderr=subprocess.STDOUT, check=False).returncode


def _last(output: str) -> str:
    lines: Sequence[str] = output.strip().splitlines()
    return lines[-1].strip() if lines else "buildah gave no reason"
