"""Builds an image in AWS CodeBuild, so that this machine needs no Docker. Follows the build's log."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mlflow_common.errors import PlatformError, PreconditionError, error_code, error_message, is_denied
from mlflow_common.waiting import Clock, Progress
from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.images.building import InterruptedBuildError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

    from mlflow_platform.environment import Environment
    from mlflow_platform.images.context import BuildContext
    from mlflow_platform.images.repository import ImageRepository

Show = Callable[[str], None]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds
# AWS ends a build after its project's time-out; this bound only ends a wait for a build that AWS forgot.
_TIMEOUT = 9 * 60 * 60.0
_TAIL = 20


@dataclass(frozen=True)
class Clients:
    """The AWS clients that a build needs."""

    codebuild: Any
    s3: S3Client
    logs: CloudWatchLogsClient


class CodeBuildBuilder:
    """Builds images with the environment's CodeBuild project."""

    def __init__(
        self, clients: Clients, environment: Environment, *, progress: Progress, show: Show, clock: Clock
    ) -> None:
        """`show` is called with each line of the build's log.

        Raises:
            PreconditionError: the environment has no build project.
        """
        if not environment.image_build_project:
            raise PreconditionError(
                f"{environment.name} has no project that builds images. Set image_build = {{}} and run "
                f"`{environment.ref.apply_command}`, or build on this machine with --builder docker."
            )
        self._clients, self._environment = clients, environment
        self._project = environment.image_build_project
        self._progress, self._show, self._clock = progress, show, clock

    def build(self, context: BuildContext, repository: ImageRepository) -> None:
        """Build the image of a context in CodeBuild, which pushes it.

        The context is uploaded for this build only and deleted after it. Ctrl-C stops the build.

        Raises:
            PreconditionError: the project or the bucket does not exist.
            PlatformError: the build failed; the details are the end of its log.
        """
        # Two builds of one context must not delete each other's source.
        store = self._environment.artifact_store
        bucket, key = split_uri(f"{store}/images/{context.tag}-{secrets.token_hex(4)}.zip")
        build = ""
        self._progress(f"uploading the build's source to s3://{bucket}/{key}")
        self._upload(bucket, key, context.archive())
        try:
            build = self._start(f"{bucket}/{key}", context, repository)
            self._progress(f"building {repository.uri(context.tag)} in CodeBuild ({build})")
            self._follow(build)
        except KeyboardInterrupt:
            raise self._stopped(build) from None
        finally:
            self._clients.s3.delete_object(Bucket=bucket, Key=key)

    def _upload(self, bucket: str, key: str, content: bytes) -> None:
        s3 = self._clients.s3
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=content, Tagging=urlencode(self._environment.tags))
        except s3.exceptions.ClientError as error:
            if error_code(error) == "NoSuchBucket":
                raise PreconditionError(
                    f"the bucket {bucket} does not exist. Create it with `{self._environment.ref.apply_command}`."
                ) from None
            raise

    def _start(self, source: str, context: BuildContext, repository: ImageRepository) -> str:
        variables = {"IMAGE": repository.uri(context.tag), **context.arguments}
        client = self._clients.codebuild
        try:
            started = client.start_build(
                projectName=self._project,
                sourceTypeOverride="S3",
                sourceLocationOverride=source,
                environmentVariablesOverride=[
                    {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
                ],
            )
        except client.exceptions.ClientError as error:
            match error_code(error):
                case "ResourceNotFoundException":
                    raise PreconditionError(
                        f"the CodeBuild project {self._project} does not exist. "
                        f"Create it with `{self._environment.ref.apply_command}`."
                    ) from None
                case "AccountLimitExceededException":
                    raise PlatformError(
                        f"CodeBuild cannot start another build now: {error_message(error).rstrip('.')}. Wait for a "
                        "running build to end, then run the same command again."
                    ) from None
            raise
        return str(started["build"]["id"])

    def _follow(self, build: str) -> None:
        """Wait until a build has ended, and show its log meanwhile."""
        log = _BuildLog(self._clients.logs, self._show)
        deadline = self._clock.now() + _TIMEOUT
        pause = _FIRST_PAUSE
        while True:
            (found,) = self._clients.codebuild.batch_get_builds(ids=[build])["builds"]
            log.follow(found.get("logs") or {})
            if found["buildComplete"]:
                break
            if self._clock.now() > deadline:
                raise PlatformError(f"the build {build} has not ended after {_TIMEOUT / 3600:.0f} hours. Stop it.")
            self._clock.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        if found["buildStatus"] != "SUCCEEDED":
            log.follow(found.get("logs") or {})
            raise PlatformError(
                f"the build {build} ended with status {found['buildStatus']}{_reason(found)}. Its log ends with:",
                log.tail,
            )

    def _stopped(self, build: str) -> InterruptedBuildError:
        if not build:
            return InterruptedBuildError("interrupted before the build was started. Nothing was built.")
        self._clients.codebuild.stop_build(id=build)
        return InterruptedBuildError(f"interrupted. The build {build} is being stopped, and pushes no image.")


class _BuildLog:
    """The log of one build. Remembers its last lines."""

    def __init__(self, logs: CloudWatchLogsClient, show: Show) -> None:
        self._logs, self._show = logs, show
        self._next: str | None = None
        self._last: deque[str] = deque(maxlen=_TAIL)

    @property
    def tail(self) -> list[str]:
        """The last lines."""
        return list(self._last)

    def follow(self, where: dict[str, Any]) -> None:
        """Show the lines that are new. The log does not exist before the build has started."""
        group, stream = where.get("groupName"), where.get("streamName")
        if not group or not stream:
            return
        while True:
            token: dict[str, Any] = {"nextToken": self._next} if self._next else {}
            try:
                page = self._logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
            except self._logs.exceptions.ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return
                if is_denied(error):
                    self._last.append(f"(these credentials may not read the log group {group})")
                    return
                raise
            for event in page["events"]:
                for line in event.get("message", "").splitlines():
                    if text := line.rstrip():
                        self._last.append(text)
                        self._show(text)
            following = page["nextForwardToken"]
            # At the end of a stream, the token stays the same (CloudWatch Logs API, GetLogEvents).
            if following == self._next or not page["events"]:
                self._next = following
                return
            self._next = following


def _reason(build: dict[str, Any]) -> str:
    """The phase in which a build failed, and CodeBuild's message about it."""
    for phase in build.get("phases", []):
        if phase.get("phaseStatus") not in (None, "SUCCEEDED"):
            messages = " ".join(context.get("message", "") for context in phase.get("contexts", []))
            detail = f": {' '.join(messages.split())}" if messages.strip() else ""
            return f" in phase {phase['phaseType']}{detail.rstrip('.')}"
    return ""
