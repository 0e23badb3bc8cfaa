"""A CodeBuild project's build, run on this machine: the environment and the command that the project has."""

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
    """Runs the build's one command in a folder that holds the source. The packages that it needs are here already.

    Args:
        override: wins over the project's own variables, which win over `environ`.
    """
    (found,) = localaws.client("codebuild").batch_get_projects(names=[project])["projects"]
    given = {one["name"]: one["value"] for one in found["environment"]["environmentVariables"]}
    (command,) = json.loads(found["source"]["buildspec"])["phases"]["build"]["commands"]
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
