"""LOCALAWS_CONTAINERS=1: endpoints run in the image of localaws's registry that their model names."""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localaws import daemon
from localaws.images.docker_command import Docker
from localaws.images.runtime import missing
from localaws.settings import REPOSITORY
from tests.localaws.endpoints.hosted import Hosted
from tests.serving.models import LIBRARIES, SPLIT, requirements
from tests.support.running import RunningLocalAws, free_port, settings_of

BASE = os.environ.get("LOCALAWS_BASE_IMAGE", "")
HOW = "docs/guides/serving-images.md ('Test the image itself') says how to install and make what this test needs."


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[Hosted]:
    """A localaws of its own that runs endpoints in their images."""
    settings = replace(settings_of(tmp_path / "home", free_port()), cache=tmp_path / "cache")
    given = {"LOCALAWS_CONTAINERS": "1", "LOCALAWS_CACHE": str(settings.cache)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        daemon.up(settings)
    archives = tmp_path / "archives"
    archives.mkdir()
    try:
        yield Hosted(RunningLocalAws(settings), archives)
    finally:
        daemon.down(settings)


def build(hosted: Hosted, folder: Path) -> str:
    """Build the serving image as CodeBuild does, push it to localaws's registry, and return its URI."""
    context = folder / "context"
    shutil.copytree(REPOSITORY / "serving", context)
    (context / "requirements.txt").write_text(requirements(*LIBRARIES, "fastapi", "uvicorn"))
    ecr = hosted.localaws.client("ecr")
    address = ecr.create_repository(repositoryName="serving")["repository"]["repositoryUri"]
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    cache = str(hosted.localaws.settings.cache)
    docker = Docker({"HOME": str(folder), "LOCALAWS_CACHE": cache, "LOCALAWS_BASE_IMAGE": BASE})
    docker.login(address.partition("/")[0], user, password)
    assert docker.build(context, f"{address}:1", {"PYTHON_VERSION": "3.11"}) == 0
    assert docker.push(f"{address}:1") == 0
    return f"{address}:1"


@pytest.mark.skipif(bool(missing()), reason=f"to run images, this machine lacks {missing()}. {HOW}")
@pytest.mark.skipif(not BASE, reason=f"LOCALAWS_BASE_IMAGE is not set. {HOW}")
def test_an_endpoint_runs_in_its_image_and_keeps_its_log(contained: Hosted, iris: Path, tmp_path: Path) -> None:
    image = build(contained, tmp_path)
    model = contained.model(iris, image=image)
    contained.sagemaker.create_endpoint(EndpointName="inside", EndpointConfigName=contained.config(model))
    described = contained.settled("inside", seconds=300)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    assert contained.predict("inside", SPLIT) == [0, 1, 2]
    (note,) = contained.localaws.settings.run.rglob("endpoint-inside-*.json")
    process = Path("/proc") / str(json.loads(note.read_text())["pid"])
    assert (process / "root/opt/ml/model/MLmodel").is_file()
    assert (process / "root/opt/venv/bin/python").exists()
    assert "Uid:\t10001\t" in (process / "status").read_text()
    contained.delete("inside")
    assert not process.exists()
    (lines,) = contained.log("inside").values()
    assert lines

    # An image of another account is not in the registry.
    model = contained.model(iris, image="111122223333.dkr.ecr.us-east-1.amazonaws.com/serving:1")
    contained.sagemaker.create_endpoint(EndpointName="absent", EndpointConfigName=contained.config(model))
    described = contained.settled("absent")
    assert described["EndpointStatus"] == "Failed"
    assert "is not in localaws's registry" in described["FailureReason"]
