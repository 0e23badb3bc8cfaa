"""The images of repositories. moto keeps them, so that ECR's API and the registry show the same."""

import hashlib
import json
import threading
from typing import Any

from localaws.errors import AwsError

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class Images:
    """The images of one region's repositories."""

    def __init__(self, account: str, region: str) -> None:
        self._account = account
        self._region = region
        self._lock = threading.Lock()

    def require(self, repository: str) -> Any:
        """A repository, as moto keeps it.

        Raises:
            AwsError: NAME_UNKNOWN, there is no such repository.
        """
        from moto.ecr.models import ecr_backends

        found = ecr_backends[self._account][self._region].repositories.get(repository)
        if found is None:
            message = (
                f"The repository with name '{repository}' does not exist in the registry with id '{self._account}'"
            )
            raise AwsError("NAME_UNKNOWN", message, 404)
        return found

    def find(self, repository: str, reference: str) -> Any:
        """The image with a tag or a digest; None if there is none."""
        images = list(self.require(repository).images)
        return next((one for one in images if reference == one.image_digest or reference in one.image_tags), None)

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository, sorted."""
        return sorted(tag for image in list(self.require(repository).images) for tag in image.image_tags)

    def put(self, repository: str, content: bytes, media_type: str, tag: str | None) -> str:
        """Store a manifest, with a tag if one is given, and return its digest. Its layers must be stored already.

        Raises:
            AwsError: TAG_INVALID, the tag exists and the repository is immutable.
        """
        from moto.ecr.models import ecr_backends

        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        with self._lock:
            found = self.require(repository)
            tagged = self.find(repository, tag) if tag else None
            # Also for the same image: https://github.com/aws/containers-roadmap/issues/2179
            if tagged is not None and found.is_tag_immutable():
                message = (
                    f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten "
                    "because the repository is immutable."
                )
                raise AwsError("TAG_INVALID", message, 400)
            same = self.find(repository, digest)
            if same is not None and (tag is None or tag in same.image_tags):
                return digest
            backend = ecr_backends[self._account][self._region]
            backend.put_image(repository, content.decode(), tag, media_type, digest)
        return digest


def parse_manifest(content: bytes, content_type: str) -> tuple[str, list[str], list[str]]:
    """The media type of a manifest, and the digests of the files and of the manifests that it names.

    Raises:
        AwsError: MANIFEST_INVALID, it is not a manifest that ECR accepts.
    """
    try:
        manifest = json.loads(content)
        media_type = manifest.get("mediaType") or content_type.partition(";")[0].strip()
        if media_type in INDEXES:
            return media_type, [], [one["digest"] for one in manifest["manifests"]]
        if media_type in MANIFESTS:
            return media_type, [manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])], []
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AwsError("MANIFEST_INVALID", "The image manifest is not valid JSON of a manifest", 400) from None
    raise AwsError("MANIFEST_INVALID", f"Unsupported manifest media type {media_type}", 400)
