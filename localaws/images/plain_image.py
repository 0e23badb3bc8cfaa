"""An image without buildah: the requirements are installed here, to see that they can be, and the image holds the code.

It is a real image in the registry, but without Python: localaws's endpoints run in the environment of the model's
requirements instead.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from localaws.images.failure import ImageError
from localaws.venvs import BuildError, Venvs

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
# Where serving/Dockerfile puts the files of its context.
# Marks an image that cannot be run.
CONTENTS_LABEL = "localaws.contents"
_FOLDER = "opt/serving"
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class PlainImage:
    """An image: its manifest, and its files by their digests."""

    manifest: bytes
    blobs: dict[str, bytes]

    def save(self, folder: Path) -> None:
        """Write the image into a new folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in {_MANIFEST: self.manifest, **self.blobs}.items():
            (folder / name).write_bytes(content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read an image that `save` wrote."""
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        return cls(files.pop(_MANIFEST), files)


def build(context: Path, arguments: dict[str, str], venvs: Path) -> PlainImage:
    """Install a context's requirements here, and make an image of its files.

    Raises:
        ImageError: there is no requirements.txt, or the requirements cannot be installed.
    """
    requirements = context / "requirements.txt"
    if not (context / "Dockerfile").is_file() or not requirements.is_file():
        raise ImageError(
            "without buildah, localaws builds serving images only: a context needs a Dockerfile and a requirements.txt"
        )
    try:
        python = Venvs(venvs).python(requirements, arguments.get("PYTHON_VERSION") or None)
    except (BuildError, OSError) as error:
        raise ImageError(f"the requirements cannot be installed:\n{error}") from None
    print(f"The requirements were installed in {python.parent.parent}.", flush=True)
    return _image(context)


def _image(context: Path) -> PlainImage:
    tar = _tar(context)
    layer = gzip.compress(tar, mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": ["python", f"/{_FOLDER}/serve"],
                "Cmd": ["serve"],
                "Labels": {CONTENTS_LABEL: "the code without a Python environment"},
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": _digest(config)},
        "layers": [{"mediaType": LAYER, "size": len(layer), "digest": _digest(layer)}],
    }
    return PlainImage(json.dumps(manifest).encode(), {_digest(config): config, _digest(layer): layer})


def _tar(context: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for file in sorted(one for one in context.rglob("*") if one.is_file()):
            member = tarfile.TarInfo(f"{_FOLDER}/{file.relative_to(context)}")
            member.size = file.stat().st_size
            member.mode = 0o755 if os.access(file, os.X_OK) else 0o644
            with file.open("rb") as opened:
                tar.addfile(member, opened)
    return content.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
