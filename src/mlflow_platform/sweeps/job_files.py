"""What the jobs of a sweep read from the artifact bucket: the training code, and a data file of the user's own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.factory.project import Project, upload
from mlflow_platform.sweeps import tuning_job

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mlflow_platform.environment import Environment

# Modules that training on the user's own file imports in addition to `training`. A job's image does not have them.
_PACKAGES = ("src/mlflow_common", "src/mlflow_platform/__init__.py", "src/mlflow_platform/validation")


def archive(*, packages: bool) -> bytes:
    """The training code as SageMaker's training toolkit reads it, with the packages that read files if wanted."""
    files = Project.read(REPOSITORY / "training").files(REPOSITORY / "training" / "job.py")
    for name in _PACKAGES if packages else ():
        path = REPOSITORY / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            files[file.relative_to(REPOSITORY).as_posix()] = file.read_bytes()
    return tuning_job.archive(files)


def upload_code(environment: Environment, s3: S3Client, *, packages: bool) -> str:
    """Upload the training code. Returns its URI."""
    files = {"sourcedir.tar.gz": archive(packages=packages)}
    return f"{upload(files, s3, environment.bucket, _prefix(environment, 'code'))}/sourcedir.tar.gz"


def upload_data(environment: Environment, s3: S3Client, file: Path, digest: str) -> str:
    """Upload a data file whose SHA-256 is `digest`. Returns the URI of its folder, which is named after its content.

    Raises:
        InputError: the file has changed since.
    """
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(f"{file} has changed since this command read it. Run the command again.")
    return upload({file.name: content}, s3, environment.bucket, _prefix(environment, "data"))


def _prefix(environment: Environment, folder: str) -> str:
    return f"{environment.artifact_store}/pipelines/sweeps/{folder}".removeprefix(f"s3://{environment.bucket}/")
