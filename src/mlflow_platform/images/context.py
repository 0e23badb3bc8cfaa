"""What an image is built from (the build context), and the tag that is derived from it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow_common.errors import InputError
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.images.requirements import normalise

SERVING = REPOSITORY / "serving"
_TAG_DIGEST = 16
_PYTHON = re.compile(r"3\.[0-9]{1,2}")
# A fixed time in each zip member, so that equal contexts give equal archives.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class BuildContext:
    """The inputs of one image. Equal inputs have equal tags.

    Attributes:
        python: the minor version of Python, such as "3.12".
        base_image: the image that the Dockerfile begins with.
        files: the files of the context by their relative paths.
    """

    python: str
    base_image: str
    files: Mapping[str, bytes]

    @property
    def tag(self) -> str:
        """The image's tag, such as `py3.12-0123456789abcdef`: the digest of all inputs."""
        inputs = {
            "base_image": self.base_image,
            "python": self.python,
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()},
        }
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        return f"py{self.python}-{digest[:_TAG_DIGEST]}"

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments of the build, by the names that the Dockerfile declares."""
        return {"BASE_IMAGE": self.base_image, "PYTHON_VERSION": self.python}

    def archive(self) -> bytes:
        """The context as a zip file, the form in which CodeBuild takes a source from S3."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(self.files):
                member = zipfile.ZipInfo(name, _EPOCH)
                member.external_attr = (0o755 if name == "serve" else 0o644) << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, self.files[name])
        return content.getvalue()

    def write(self, folder: Path) -> None:
        """Write the context's files into a folder."""
        for name, content in self.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o755 if name == "serve" else 0o644)


def make_context(
    requirements: str, python: str, *, source: str, base_image: str | None = None, serving: Path = SERVING
) -> BuildContext:
    """The build context for a model's requirements.

    Args:
        requirements: the content of the model's requirements.txt.
        python: the Python that the model was logged with, such as "3.12.4" or "3.12".
        source: where the requirements are from, for messages.
        base_image: replaces the base image of `serving/base_images.json`.

    Raises:
        InputError: the requirements cannot be used (see `normalise`), or there is no base image for this Python.
    """
    minor = ".".join(python.strip().split(".")[:2])
    if not _PYTHON.fullmatch(minor):
        raise InputError(f"{python!r} is not a version of Python. Use one such as 3.12.")
    if base_image is None:
        known: dict[str, str] = json.loads((serving / "base_images.json").read_text())
        if minor not in known:
            raise InputError(
                f"serving/base_images.json has no base image for Python {minor} (it has: {', '.join(known)}). "
                "Name one with --base-image."
            )
        base_image = known[minor]
    code = ["Dockerfile", "serve", *(file.relative_to(serving).as_posix() for file in _modules(serving))]
    files = {name: (serving / name).read_bytes() for name in code}
    return BuildContext(minor, base_image, files | {"requirements.txt": normalise(requirements, source).encode()})


def _modules(serving: Path) -> list[Path]:
    return sorted((serving / "mlflow_serving").rglob("*.py"))


def read_file(file: Path) -> str:
    """The text of a requirements file.

    Raises:
        InputError: there is no such file, or it is not UTF-8 text.
    """
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"there is no requirements file {file}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8 text.") from None
