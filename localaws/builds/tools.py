"""The programs that CodeBuild's images have and a build may call: `docker` and `aws`."""

import importlib.util
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Variables with which programs of this machine find package indexes, proxies and certificates. AWS's builds have none.
_NETWORK = ("PIP_", "UV_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@dataclass(frozen=True)
class BuildTools:
    """The folder with a build's programs, and the variables that these need."""

    folder: Path
    variables: dict[str, str]


class Tools:
    """Makes the programs of builds."""

    def __init__(self, cache: Path, base_image: str) -> None:
        """`base_image`: see `Settings`."""
        self._cache = cache
        self._base_image = base_image

    def make(self, folder: Path, *, privileged: bool) -> BuildTools:
        """Write the programs of one build. `docker` works in privileged builds only, as in CodeBuild."""
        folder.mkdir(parents=True)
        aws = "awscli" if importlib.util.find_spec("awscli") else "localaws.images.aws_command"
        for name, module in (("docker", "localaws.images.docker_command"), ("aws", aws)):
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
            program.chmod(0o755)
        variables = {
            "LOCALAWS_PRIVILEGED": "1" if privileged else "",
            "LOCALAWS_CACHE": str(self._cache),
            "LOCALAWS_BASE_IMAGE": self._base_image,
        }
        return BuildTools(folder, variables)


def network_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """This machine's settings for package indexes, proxies and certificates."""
    return {name: value for name, value in environ.items() if name.startswith(_NETWORK)}
