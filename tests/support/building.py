"""Runs the build of a CodeBuild project on this machine, with the project's environment and commands."""

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
    """Run the build phase in a folder with the project's source, as any principal.

    localaws runs builds as the project's role only. The packages that a build needs are available here already.

    Args:
        override: variables that take precedence over the project's variables, which take precedence over `environ`.
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
        timeout=300,
        check=False,
    )
