"""The `docker` of builds: login, build and push, without Docker.

It builds with buildah where that is installed, and otherwise as `plain_image` describes. Registries speak plain HTTP:
localaws's own is on the loopback address.
"""

import argparse
import base64
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from localaws.images.buildah import Buildah
from localaws.images.failure import ImageError
from localaws.images.plain_image import PlainImage, build

# Docker's own words: https://docs.docker.com/engine/daemon/troubleshoot/
_NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


class Docker:
    """The commands, in one build."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        cache = Path(environ["LOCALAWS_CACHE"])
        self._venvs = cache / "venvs"
        self._containers = cache / "containers"
        self._home = Path(environ["HOME"]) / ".docker"
        self._credentials = self._home / "config.json"

    def login(self, registry: str, user: str, password: str) -> None:
        """Check a password, and keep it for `push`.

        Raises:
            ImageError: the registry refuses it.
        """
        answer = _client(user, password).get(f"http://{registry}/v2/")
        if answer.status_code != 200:
            raise ImageError(
                f"Error response from daemon: login attempt to http://{registry}/v2/ failed with status: "
                f"{answer.status_code} {answer.reason_phrase}"
            )
        self._home.mkdir(parents=True, exist_ok=True)
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._credentials.write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
        print("Login Succeeded")

    def build(self, context: Path, tag: str, arguments: dict[str, str]) -> int:
        """Build an image and return the exit status.

        Raises:
            ImageError: it cannot be built.
        """
        wanted = self._environ.get("LOCALAWS_BASE_IMAGE") or arguments.get("BASE_IMAGE", "")
        if wanted and Buildah.is_installed():
            buildah = Buildah(self._containers)
            try:
                base = buildah.base(wanted)
            except ImageError as error:
                if self._environ.get("LOCALAWS_BASE_IMAGE"):
                    raise
                print(f"localaws: {error}. Set LOCALAWS_BASE_IMAGE to a base image that this machine has.")
            else:
                return buildah.build(context, tag, base, {**arguments, "BASE_IMAGE": base})
        print("localaws: the image is built without a Python environment (docs/guides/serving-images.md).", flush=True)
        image = build(context, arguments, self._venvs)
        image.save(self._folder(tag))
        return 0

    def push(self, tag: str) -> int:
        """Push an image and return the exit status.

        Raises:
            ImageError: there is no such image, nobody has logged in, or the registry refuses the image.
        """
        if not self._folder(tag).is_dir():
            buildah = Buildah(self._containers)
            status = buildah.push(tag, self._credentials)
            buildah.remove(tag)
            return status
        self._upload(tag, PlainImage.load(self._folder(tag)))
        return 0

    def _upload(self, tag: str, image: PlainImage) -> None:
        registry, _, rest = tag.partition("/")
        name, _, label = rest.rpartition(":")
        auths = json.loads(self._credentials.read_text())["auths"] if self._credentials.is_file() else {}
        if registry not in auths:
            raise ImageError("no basic auth credentials")
        user, _, password = base64.b64decode(auths[registry]["auth"]).decode().partition(":")
        client, url = _client(user, password), f"http://{registry}/v2/{name}"
        for digest, content in image.blobs.items():
            _require(client.post(f"{url}/blobs/uploads/", params={"digest": digest}, content=content))
        kind = json.loads(image.manifest)["mediaType"]
        headers = {"content-type": kind}
        answer = _require(client.put(f"{url}/manifests/{label}", content=image.manifest, headers=headers))
        print(f"{label}: digest: {answer.headers['docker-content-digest']} size: {len(image.manifest)}")

    def _folder(self, tag: str) -> Path:
        return self._home / tag.replace("/", "%")


def main(arguments: list[str], environ: Mapping[str, str] = os.environ) -> int:
    """Run one command, and return the exit status."""
    if not environ.get("LOCALAWS_PRIVILEGED"):
        print(_NO_DAEMON, file=sys.stderr)
        return 1
    given = _parser().parse_args(arguments)
    docker = Docker(environ)
    try:
        match given.command:
            case "login":
                docker.login(given.registry, given.username, sys.stdin.read().strip())
                return 0
            case "build":
                return docker.build(given.context.resolve(), given.tag, _arguments(given.build_arg, environ))
            case _:
                return docker.push(given.image)
    except ImageError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="docker", description="localaws's docker")
    commands = parser.add_subparsers(dest="command", required=True)
    login = commands.add_parser("login")
    login.add_argument("--username", "-u", required=True)
    login.add_argument("--password-stdin", action="store_true", required=True)
    login.add_argument("registry")
    building = commands.add_parser("build")
    building.add_argument("--build-arg", action="append", default=[])
    building.add_argument("--tag", "-t", required=True)
    building.add_argument("context", type=Path)
    push = commands.add_parser("push")
    push.add_argument("image")
    return parser


def _arguments(given: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The build arguments. `--build-arg NAME` takes the value of the variable, if it is set."""
    pairs = (one.partition("=") for one in given)
    values = {name: value if separator else environ.get(name) for name, separator, value in pairs}
    return {name: value for name, value in values.items() if value is not None}


def _client(user: str, password: str) -> httpx.Client:
    return httpx.Client(auth=(user, password), timeout=60, trust_env=False)


def _require(answer: httpx.Response) -> httpx.Response:
    """An answer of success.

    Raises:
        ImageError: the registry refuses. The message is the registry's, as docker shows it.
    """
    if answer.is_success:
        return answer
    try:
        (error, *_) = answer.json()["errors"]
        raise ImageError(f"{error['code'].replace('_', ' ').lower()}: {error['message']}")
    except (ValueError, KeyError):
        raise ImageError(f"the registry answered with status {answer.status_code}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
