"""The settings of one localaws (port, folder, account), which are read once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

REPOSITORY = Path(__file__).resolve().parent.parent
# The header that every request to /_localaws/ must have. A web page cannot send it to another origin.
CONTROL_HEADER = "x-localaws"


@dataclass(frozen=True)
class Settings:
    """One localaws: two with different homes and ports run side by side.

    Attributes:
        port: the loopback TCP port that all services share.
        home: the data folder.
        idle_minutes: minutes without a request after which it stops by itself.
        cache: virtual environments, which `down` keeps and homes share.
        enforce_iam: refuse calls that the caller's and the resource's policies do not allow.
        speed: divides the waiting times of deployments and the periods of alarms, which are minutes on AWS.
        base_image: what builds of images begin with instead of the Dockerfile's base image: a tar file of a root
            file system, or an image; empty for the Dockerfile's.
        containers: run endpoints in their images, see `localaws/images/runtime.py`.
    """

    port: int
    home: Path
    idle_minutes: float
    cache: Path
    enforce_iam: bool = False
    speed: float = 60.0
    base_image: str = ""
    containers: bool = False
    account: str = "123456789012"
    region: str = "us-east-1"
    host: str = "127.0.0.1"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Reads LOCALAWS_PORT, _HOME, _IDLE_MINUTES, _CACHE, _SPEED, _BASE_IMAGE, _CONTAINERS and _ENFORCE_IAM (1: on).

        Raises:
            ValueError: a value is not a number, neither 1 nor 0 nor empty, or not a path, or the port is out of range.
        """
        port = _number(environ, "LOCALAWS_PORT", "4577")
        if not 1 <= port <= 65535 or port != int(port):
            raise ValueError(f"LOCALAWS_PORT={environ['LOCALAWS_PORT']} is not a port: use 1 to 65535.")
        return cls(
            port=int(port),
            home=_path(environ, "LOCALAWS_HOME", REPOSITORY / ".localaws"),
            idle_minutes=_number(environ, "LOCALAWS_IDLE_MINUTES", "240"),
            cache=_path(environ, "LOCALAWS_CACHE", REPOSITORY / ".cache" / "localaws"),
            enforce_iam=_switch(environ, "LOCALAWS_ENFORCE_IAM"),
            speed=_number(environ, "LOCALAWS_SPEED", "60"),
            base_image=environ.get("LOCALAWS_BASE_IMAGE", ""),
            containers=_switch(environ, "LOCALAWS_CONTAINERS"),
        )

    @property
    def url(self) -> str:
        """The endpoint URL for every AWS client."""
        return f"http://{self.host}:{self.port}"

    @property
    def logs(self) -> Path:
        """One log file for localaws itself and one for each process that it starts."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """The lock and the process notes, from which later commands derive what is running."""
        return self.home / "run"

    @property
    def token_file(self) -> Path:
        """The token that the MLflow servers' own ports require, in this start of localaws."""
        return self.run / "token"

    @property
    def data(self) -> Path:
        """The state: databases, and the files that `down` saves. `reset` deletes it."""
        return self.home / "data"

    @property
    def command_file(self) -> Path:
        """The lock of the commands that start and stop. Every home of localaws has it."""
        return self.run / "command"

    @property
    def saved(self) -> Path:
        """Named copies of the state. `reset` keeps them."""
        return self.home / "saved"

    @property
    def terraform(self) -> Path:
        """The mirror of the Terraform tree, with Terraform's states; `reset` deletes the states."""
        return self.home / "terraform"

    @property
    def env_file(self) -> Path:
        """The variables a client needs, KEY=VALUE a line; an empty value means: unset it."""
        return self.home / "env"


def no_proxy(environ: Mapping[str, str]) -> str:
    """NO_PROXY with its present entries and those that clients behind a proxy need to reach localaws."""
    given = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    return ",".join(dict.fromkeys(filter(None, [*given.split(","), Settings.host, "localhost", ".localhost"])))


def _path(environ: Mapping[str, str], name: str, default: Path) -> Path:
    given = environ.get(name) or default
    try:
        return Path(given).resolve()
    except (OSError, RuntimeError) as error:  # A RuntimeError before Python 3.13: symbolic links that form a loop.
        raise ValueError(f"{name}={given} is not a path: {error}.") from None


def _switch(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "")
    if text not in ("", "0", "1"):
        raise ValueError(f"{name}={text} is neither 1 nor 0 nor empty.")
    return text == "1"


def _number(environ: Mapping[str, str], name: str, default: str) -> float:
    text = environ.get(name) or default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number) or number <= 0:
        raise ValueError(f"{name}={text} is not a positive number.")
    return number
