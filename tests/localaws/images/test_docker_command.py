"""The `docker` of builds: it needs a privileged build, installs the requirements, and says what it cannot do."""

import json
from pathlib import Path

import pytest

from localaws.images import docker_command, plain_image
from localaws.images.buildah import Buildah
from localaws.images.plain_image import PlainImage
from localaws.venvs import BuildError, Venvs


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(Buildah, "is_installed", lambda: False)
    return {"LOCALAWS_PRIVILEGED": "1", "LOCALAWS_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    for name in ("Dockerfile", "requirements.txt", "serve"):
        (folder / name).write_text(name)
    return folder


def test_a_build_that_is_not_privileged_has_no_docker(capsys: pytest.CaptureFixture[str]) -> None:
    assert docker_command.main(["push", "a/b:1"], {}) == 1
    assert "Cannot connect to the Docker daemon" in capsys.readouterr().err


def test_requirements_that_do_not_resolve_fail_the_build(
    environ: dict[str, str], context: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_venvs: Venvs, _requirements: Path, _python: str | None) -> Path:
        raise BuildError("nosuchpackage was not found")

    monkeypatch.setattr(Venvs, "python", refuse)
    assert docker_command.main(["build", "--tag", "a/b:1", str(context)], environ) == 1
    assert "nosuchpackage was not found" in capsys.readouterr().err


def test_a_build_without_buildah_makes_an_image_of_the_code(
    environ: dict[str, str], context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = []

    def python(_venvs: Venvs, _requirements: Path, version: str | None) -> Path:
        versions.append(version)
        return Path("/venv/bin/python")

    monkeypatch.setattr(Venvs, "python", python)
    given = environ | {"PYTHON_VERSION": "3.12"}
    arguments = ["build", "--build-arg", "PYTHON_VERSION", "--build-arg", "UNSET", "--tag", "a/b:1", str(context)]
    assert docker_command.main(arguments, given) == 0
    assert versions == ["3.12"]
    image = PlainImage.load(Path(environ["HOME"]) / ".docker" / "a%b:1")
    manifest = json.loads(image.manifest)
    assert {manifest["config"]["digest"], manifest["layers"][0]["digest"]} == set(image.blobs)


def test_a_push_without_a_login_is_refused(
    environ: dict[str, str], context: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain_image._image(context).save(Path(environ["HOME"]) / ".docker" / "127.0.0.1:1%b:1")
    assert docker_command.main(["push", "127.0.0.1:1/b:1"], environ) == 1
    assert "no basic auth credentials" in capsys.readouterr().err


def test_a_context_without_requirements_is_refused(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert docker_command.main(["build", "--tag", "a/b:1", str(tmp_path)], environ) == 1
    assert "needs a Dockerfile and a requirements.txt" in capsys.readouterr().err
