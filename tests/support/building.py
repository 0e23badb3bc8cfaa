"""Runs a CodeBuild project's build on this machine, with the project's environment and commands."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.running import RunningLocalAws


def build(
    localaws: RunningLocalAws, project: str, folder: Path, environ: Mapping[str, str], override: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Runs a build in a folder that holds the project's source. Packages are not installed: they are here already.

    Where the source holds the packed tool, the command that unpacks it runs first.

    Args:
        override: wins over the project's own variables, which win over `environ`.
    """
    (found,) = localaws.client("codebuild").batch_get_projects(names=[project])["projects"]
    given = {one["name"]: one["value"] for one in found["environment"]["environmentVariables"]}
    phases = json.loads(found["source"]["buildspec"])["phases"]
    unpack, _ = phases["install"]["commands"]
    (command,) = phases["build"]["commands"]
    if (folder / "tool.json.gz").exists():
        command = f"{unpack} && {command}"
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**environ, **given, **override, "PATH": path},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
