"""The build context, its tag, and the files of the repository that go into it."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.images.context import SERVING, BuildContext, make_context, read_file

REQUIREMENTS = "mlflow==3.17.2\nscikit-learn==1.7.2\n"


def made(requirements: str = REQUIREMENTS, python: str = "3.12.4", **more: object) -> BuildContext:
    return make_context(requirements, python, source="r.txt", **more)


def test_equal_environments_share_one_tag() -> None:
    assert made().tag == made("scikit_learn==1.7.2\n# a comment\nmlflow==3.17.2", "3.12.11").tag
    assert made().tag.startswith("py3.12-")


@pytest.mark.parametrize(
    "other",
    [
        {"requirements": "mlflow==3.17.1\nscikit-learn==1.7.2"},
        {"python": "3.11"},
        {"base_image": "example.com/python:3.12"},
    ],
)
def test_each_input_changes_the_tag(other: dict[str, str]) -> None:
    assert made(**other).tag != made().tag


@pytest.mark.parametrize("name", ["Dockerfile", "serve", "mlflow_serving/batching.py", "base_images.json"])
def test_a_change_of_what_the_image_is_made_of_changes_the_tag(tmp_path: Path, name: str) -> None:
    serving = tmp_path / "serving"
    shutil.copytree(SERVING, serving, ignore=shutil.ignore_patterns("__pycache__"))
    before = made(serving=serving).tag
    assert before == made().tag
    file = serving / name
    file.write_text(
        file.read_text().replace("3.12.12", "3.12.99") if name.endswith("json") else file.read_text() + "\n"
    )
    assert made(serving=serving).tag != before


def test_the_archive_holds_every_file_once_and_is_the_same_each_time() -> None:
    context = made()
    assert context.archive() == made().archive()
    with zipfile.ZipFile(io.BytesIO(context.archive())) as archive:
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
        assert archive.read("requirements.txt") == REQUIREMENTS.encode()
    code = {file.relative_to(SERVING).as_posix() for file in (SERVING / "mlflow_serving").rglob("*.py")}
    assert set(modes) == {"Dockerfile", "serve", "requirements.txt"} | code
    assert modes["serve"] == 0o755


def test_the_dockerfile_takes_the_arguments_of_the_context_and_copies_its_files() -> None:
    text = (SERVING / "Dockerfile").read_text()
    for name in made().arguments:
        assert f"ARG {name}" in text
    for name in ("serve", "mlflow_serving", "requirements.txt"):
        assert f"COPY {name} " in text
    assert "\nUSER 10001:10001\n" in text


def test_every_base_image_is_pinned_to_a_patch_version_of_its_python() -> None:
    for python, image in json.loads((SERVING / "base_images.json").read_text()).items():
        assert image.rpartition(":")[2].startswith(f"{python}."), image
        assert image.endswith("-slim-bookworm")
    default = json.loads((SERVING / "base_images.json").read_text())["3.12"]
    assert f"ARG BASE_IMAGE={default}\n" in (SERVING / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("python", "complaint"),
    [("3.8.10", "has no base image for Python 3.8 (it has: 3.10"), ("three", "'three' is not a version of Python")],
)
def test_refuses_a_python_without_a_base_image(python: str, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        made(python=python)
    assert complaint in refused.value.message
    if python.startswith("3."):
        assert made(python=python, base_image="example.com/old").base_image == "example.com/old"


def test_a_requirements_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no requirements file"):
        read_file(tmp_path / "none.txt")
    (tmp_path / "r.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_file(tmp_path / "r.txt")
