"""The files of the registry: layers and configurations by digest, in a folder for each repository."""

import hashlib
import shutil
import uuid
from pathlib import Path

CHUNK = 1 << 20


class UnknownUploadError(Exception):
    """There is no such upload."""


class WrongDigestError(Exception):
    """The content does not have the digest that the client named."""


class Blobs:
    """Complete files are named after their digests and never change. Layers belong to one repository, as in ECR."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, repository: str, digest: str) -> Path | None:
        """The file with a digest; None if the repository does not have it."""
        file = self._blob(repository, digest)
        return file if file.is_file() else None

    def begin(self, repository: str) -> str:
        """Begin an upload and return its id."""
        upload = str(uuid.uuid4())
        file = self._upload(repository, upload)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        return upload

    def size(self, repository: str, upload: str) -> int:
        """The number of bytes of an upload.

        Raises:
            UnknownUploadError: there is no such upload.
        """
        try:
            return self._upload(repository, upload).stat().st_size
        except FileNotFoundError:
            raise UnknownUploadError(upload) from None

    def append(self, repository: str, upload: str, content: bytes) -> None:
        """Append a part to an upload.

        Raises:
            UnknownUploadError: there is no such upload.
        """
        self.size(repository, upload)
        with self._upload(repository, upload).open("ab") as file:
            file.write(content)

    def complete(self, repository: str, upload: str, digest: str) -> None:
        """Turn an upload into the file with that digest.

        Raises:
            UnknownUploadError: there is no such upload.
            WrongDigestError: its content has another digest. The upload is deleted.
        """
        self.size(repository, upload)
        source = self._upload(repository, upload)
        with source.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if found != digest:
            source.unlink()
            raise WrongDigestError(found)
        target = self._blob(repository, digest)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        source.replace(target)

    def forget(self, repository: str) -> None:
        """Delete everything of a repository."""
        shutil.rmtree(self._repository(repository), ignore_errors=True)

    def _repository(self, name: str) -> Path:
        # A name may have slashes: "a/b" must not be a folder of "a".
        return self._folder / name.replace("/", "%")

    def _blob(self, repository: str, digest: str) -> Path:
        return self._repository(repository) / "blobs" / digest.replace(":", "-")

    def _upload(self, repository: str, upload: str) -> Path:
        return self._repository(repository) / "uploads" / f"{upload}.part"
