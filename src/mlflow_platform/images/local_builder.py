"""Builds an image on this machine with docker, podman or buildah, and pushes it."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_common.waiting import Progress
from mlflow_platform.images.building import InterruptedBuildError

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

    from mlflow_platform.images.context import BuildContext
    from mlflow_platform.images.repository import ImageRepository

PROGRAMS = ("docker", "podman", "buildah")
# SageMaker's instances of the usual types. An image for another processor does not start there.
_PLATFORM = "linux/amd64"
_TAIL = 20
_INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# BuildKit would add an attestation, and with it an index of manifests, which SageMaker does not accept:
# https://docs.docker.com/build/metadata/attestations/
_BUILDKIT = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}

# Runs a program with these variables in addition to the present ones, writes text to it, and returns its exit status.
Run = Callable[[Sequence[str], Mapping[str, str], str, Callable[[str], None]], int]


class LocalBuilder:
    """Builds images with a program of this machine."""

    def __init__(
        self, program: str, ecr: ECRClient, *, progress: Progress, show: Callable[[str], None], run: Run | None = None
    ) -> None:
        """`show` is called with each line that the program prints.

        Raises:
            PreconditionError: the program is not installed.
        """
        if run is None and shutil.which(program) is None:
            raise PreconditionError(
                f"{program} is not installed or not on the PATH. Install it, or leave out --builder."
            )
        self._program, self._ecr, self._progress, self._show = program, ecr, progress, show
        self._run = run or _run

    def build(self, context: BuildContext, repository: ImageRepository) -> None:
        """Build the image of a context and push it.

        Raises:
            PlatformError: the program failed; the details are the end of its output.
            InputError: the package index of the environment has a password.
        """
        _refuse_passwords(os.environ)
        uri = repository.uri(context.tag)
        try:
            with TemporaryDirectory() as folder:
                source, secret = Path(folder, "source"), Path(folder, "auth.json")
                context.write(source)
                self._progress(f"building {uri} with {self._program}")
                self._do("build", self._build_command(context, uri, source))
                self._progress(f"pushing {uri}")
                self._push(repository, uri, secret)
        except KeyboardInterrupt:
            raise InterruptedBuildError(f"interrupted. {self._program} was ended, and nothing was pushed.") from None

    def _build_command(self, context: BuildContext, uri: str, source: Path) -> list[str]:
        arguments = [f"--build-arg={name}={value}" for name, value in context.arguments.items()]
        arguments += [f"--build-arg={name}={os.environ[name]}" for name in _INDEXES if os.environ.get(name)]
        # Docker writes this form by default; SageMaker documents it as accepted.
        form = [] if self._program == "docker" else ["--format=docker"]
        return [self._program, "build", f"--platform={_PLATFORM}", *form, *arguments, f"--tag={uri}", str(source)]

    def _push(self, repository: ImageRepository, uri: str, secret: Path) -> None:
        (granted,) = self._ecr.get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(granted["authorizationToken"]).decode().partition(":")
        login = ["--username", user, "--password-stdin"]
        if self._program == "docker":
            self._do("login", ["docker", "login", *login, repository.registry], password)
            try:
                self._do("push", ["docker", "push", uri])
            finally:
                self._run(["docker", "logout", repository.registry], {}, "", lambda _: None)
            return
        # localaws serves plain HTTP. Docker accepts that on the loopback address by itself.
        plain = ["--tls-verify=false"] if repository.registry.rpartition(":")[0] in _LOOPBACK else []
        auth = [f"--authfile={secret}", *plain]
        self._do("login", [self._program, "login", *auth, *login, repository.registry], password)
        self._do("push", [self._program, "push", *auth, uri])

    def _do(self, what: str, command: Sequence[str], text: str = "") -> None:
        last: deque[str] = deque(maxlen=_TAIL)

        def take(line: str) -> None:
            last.append(line)
            self._show(line)

        status = self._run(command, _BUILDKIT, text, take)
        if status:
            raise PlatformError(f"`{self._program} {what}` ended with status {status}. It printed:", list(last))


def _refuse_passwords(environ: Mapping[str, str]) -> None:
    """Refuse package indexes with a password: everyone who may pull the image could read it in the image's history."""
    for name in _INDEXES:
        if any("@" in word.partition("://")[2].partition("/")[0] for word in environ.get(name, "").split()):
            raise InputError(
                f"{name} has a user name or a password, which would stay in the image. Name an index that needs none."
            )


def _run(command: Sequence[str], variables: Mapping[str, str], text: str, take: Callable[[str], None]) -> int:
    with subprocess.Popen(
        command,
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the program's streams are pipes")
        try:
            process.stdin.write(text)
            process.stdin.close()
            for line in process.stdout:
                if line.strip():
                    take(line.rstrip())
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            raise
