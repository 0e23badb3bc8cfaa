"""Which images an endpoint runs with LOCALAWS_CONTAINERS=1: those of this account in localaws's registry."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localaws.endpoints.image import program
from localaws.endpoints.reasons import DeploymentError

OWN, OTHER = "123456789012", "111122223333"


def run(uri: str) -> list[str]:
    """The images that are unpacked for a URI."""
    prepared: list[str] = []

    def prepare(name: str, *_: Any) -> Any:
        prepared.append(name)
        return SimpleNamespace(command=["serve"], env={})

    token = {"authorizationData": [{"authorizationToken": "x"}]}
    clients: Any = SimpleNamespace(ecr=SimpleNamespace(get_authorization_token=lambda: token))
    runtime: Any = SimpleNamespace(prepare=prepare)
    program(uri, OWN, runtime, clients, Path())
    return prepared


@pytest.mark.parametrize("host", ["127.0.0.1:4577", f"{OWN}.dkr.ecr.us-east-1.amazonaws.com"])
def test_an_image_of_this_account_is_run(host: str) -> None:
    assert run(f"{host}/serving:1") == ["serving:1"]


@pytest.mark.parametrize("host", [f"{OTHER}.dkr.ecr.us-east-1.amazonaws.com", "docker.io", "localhost:5000"])
def test_no_other_image_is_replaced_by_one_of_the_same_name(host: str) -> None:
    with pytest.raises(DeploymentError, match=f"The image {host}/serving:1 is not in localaws's registry"):
        run(f"{host}/serving:1")
