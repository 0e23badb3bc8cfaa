"""Measures the matrix: a server of each version and an App on localaws, a Python environment for each client."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import Clock, Progress, wait_for
from mlflow_platform.compatibility.matrix import Matrix, numbers
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.mlflow_versions import supported_versions
from mlflow_platform.tracking_server import CHANGING, RUNNING, find, find_app

PROGRAM = REPOSITORY / "scripts" / "lib" / "compatibility_client.py"
SERVERS = supported_versions()
APP = "3.10"
# Clients other than the one of this environment, by the lock file of the server of the same version.
CLIENTS = SERVERS
_LOCKS = Path("localaws/servers")
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_ACCESS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
_SECONDS = 600.0


@dataclass(frozen=True)
class Measuring:
    """What the measurement works with. `word` makes the names unique; `plugin` is the plugin's version."""

    repository: Path
    environ: Mapping[str, str]
    client: Callable[[str], Any]
    clock: Clock
    progress: Progress
    word: str
    plugin: str


def measure(given: Measuring, today: date) -> Matrix:
    """Try every operation with each client and server.

    Raises:
        PlatformError: an environment or a server could not be made, or a client printed no results.
    """
    given.progress("making the clients' environments")
    interpreters = [_interpreter(given, version) for version in CLIENTS] + [Path(sys.executable)]
    results: dict[str, dict[str, dict[str, str]]] = {}
    # A model of an earlier client at each server, for clients that cannot log one there.
    lent: dict[str, str] = {}
    with _servers(given) as servers:
        for place, interpreter in enumerate(interpreters):
            for version, arn in servers.items():
                given.progress(f"client {[*CLIENTS, 'of this environment'][place]}, server {version}")
                tried = _try(given, interpreter, arn, f"{given.word}-{place}", lent.get(version, ""))
                results.setdefault(tried["client"], {})[version] = tried["results"]
                lent[version] = lent.get(version) or tried["model"]
    clients = tuple(sorted(results, key=numbers))
    return Matrix(today.isoformat(), clients, tuple(servers), operations(), results)


def operations() -> dict[str, str]:
    """The operations of the client's program with what their documentation says, in the order of their definition."""
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"))
    (listed,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Operations"]
    functions = [node for node in listed.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {node.name: (ast.get_docstring(node) or "").rstrip(".") for node in functions}


def _interpreter(given: Measuring, version: str) -> Path:
    """The Python of a client's environment below .cache. It is made if it does not exist."""
    folder = given.repository / ".cache" / "compatibility" / version
    python = folder / "bin" / "python"
    done = folder / ".done"
    if not done.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        lock = str(given.repository / _LOCKS / f"mlflow-{version}.lock")
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], given)
        _run([uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", lock], given)
        plugin = f"sagemaker-mlflow=={given.plugin}"
        _run([uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", plugin], given)
        done.touch()
    return python


def _run(command: list[str], given: Measuring) -> str:
    done = subprocess.run(
        command, env=dict(given.environ), cwd=given.repository, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()] or ["it printed nothing"]
        raise PlatformError(f"{Path(command[0]).name} {Path(command[1]).name} failed: {lines[-1]}")
    return done.stdout


def _try(given: Measuring, interpreter: Path, arn: str, word: str, model: str) -> Any:
    printed = _run([str(interpreter), str(PROGRAM), arn, word, model], given)
    found = [line for line in printed.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise PlatformError(f"the client in {interpreter} printed no results")
    return json.loads(found[-1].removeprefix("RESULT "))


@contextmanager
def _servers(given: Measuring) -> Iterator[dict[str, str]]:
    """The ARN of a running server of each version and of an App, in a bucket and with a role of their own."""
    sagemaker, name = given.client("sagemaker"), f"compat-{given.word}"
    with _bucket(given, name), _role(given, name) as role, _made(sagemaker, name, role) as made:
        with ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(lambda arn: _wait(given, sagemaker, arn), made.values()))
        yield made


@contextmanager
def _bucket(given: Measuring, name: str) -> Iterator[None]:
    s3 = given.client("s3")
    s3.create_bucket(Bucket=name)
    try:
        yield
    finally:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name)
        for page in pages:
            for one in page.get("Contents", []):
                s3.delete_object(Bucket=name, Key=one["Key"])
        s3.delete_bucket(Bucket=name)


@contextmanager
def _role(given: Measuring, name: str) -> Iterator[str]:
    iam = given.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]["Arn"]
    try:
        iam.put_role_policy(RoleName=name, PolicyName="Artifacts", PolicyDocument=json.dumps(_ACCESS))
        yield arn
    finally:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


@contextmanager
def _made(sagemaker: Any, name: str, role: str) -> Iterator[dict[str, str]]:
    made: dict[str, str] = {}
    try:
        for version in SERVERS:
            made[version] = sagemaker.create_mlflow_tracking_server(
                TrackingServerName=f"{name}-{version.replace('.', '-')}",
                ArtifactStoreUri=f"s3://{name}/{version}",
                RoleArn=role,
                MlflowVersion=version,
            )["TrackingServerArn"]
        made[APP] = sagemaker.create_mlflow_app(Name=name, ArtifactStoreUri=f"s3://{name}/app", RoleArn=role)["Arn"]
        yield made
    finally:
        for arn in made.values():
            if ":mlflow-app/" in arn:
                sagemaker.delete_mlflow_app(Arn=arn)
            else:
                sagemaker.delete_mlflow_tracking_server(TrackingServerName=arn.rpartition("/")[2])


def _wait(given: Measuring, sagemaker: Any, arn: str) -> None:
    def look() -> Any:
        return find_app(sagemaker, arn) if ":mlflow-app/" in arn else find(sagemaker, arn.rpartition("/")[2])

    found = wait_for(
        look,
        settled=lambda seen: seen is not None and seen.status not in CHANGING,
        describe=lambda seen: f"{arn.rpartition(':')[2]}: {seen.status if seen else 'not there yet'}",
        progress=given.progress,
        clock=given.clock,
        timeout=_SECONDS,
    )
    if found.status not in RUNNING:
        raise PlatformError(f"{arn} is {found.status}")
