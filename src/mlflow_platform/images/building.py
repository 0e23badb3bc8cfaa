"""Builds an image unless the repository has it already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import Progress
from mlflow_platform.images.context import BuildContext
from mlflow_platform.images.repository import ImageRepository

# The exit status of a program that Ctrl-C ended.
_INTERRUPTED = 130


class InterruptedBuildError(PlatformError):
    """The user interrupted the build, and it was stopped."""

    status = _INTERRUPTED


class Builder(Protocol):
    """One way to build an image and push it into a repository."""

    def build(self, context: BuildContext, repository: ImageRepository) -> None:
        """Build the image of `context` and push it with the tag `context.tag`.

        Raises:
            PlatformError: the build failed; the details are the end of its log.
        """
        ...


@dataclass(frozen=True)
class BuiltImage:
    """An image in the repository. `built` is false if it was there already."""

    uri: str
    digest: str
    built: bool


def build_image(
    context: BuildContext, repository: ImageRepository, builder: Builder, *, progress: Progress
) -> BuiltImage:
    """Return the image of a context, after building it if the repository does not have it.

    Raises:
        PreconditionError: the repository or the build project does not exist.
        PlatformError: the build failed.
    """
    uri = repository.uri(context.tag)
    progress(f"looking for {uri}")
    if digest := repository.digest(context.tag):
        return BuiltImage(uri, digest, built=False)
    try:
        builder.build(context, repository)
    except InterruptedBuildError:
        raise
    except PlatformError:
        # The tag is immutable. If another build of the same inputs was faster, its image is the wanted one.
        if digest := repository.digest(context.tag):
            return BuiltImage(uri, digest, built=False)
        raise
    if digest := repository.digest(context.tag):
        return BuiltImage(uri, digest, built=True)
    raise PlatformError(f"the build succeeded, but the repository has no image {uri}. Run the same command again.")
