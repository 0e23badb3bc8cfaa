"""The measured matrix of clients and servers: data, page, and what they say about other versions."""

import ast
import json
import sys
from collections import defaultdict
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import get_args
from unittest.mock import MagicMock

import pytest

from mlflow_common.errors import PlatformError
from mlflow_platform.compatibility import measuring
from mlflow_platform.compatibility.matrix import Matrix, Operation, load
from mlflow_platform.compatibility.measuring import APP, CLIENTS, PROGRAM, operations
from mlflow_platform.compatibility.page import PAGE, page
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.mlflow_versions import supported_versions

OLD, NEW = "works", "RestException: no such API"
MATRIX = Matrix(
    "2026-11-29",
    ("2.13.2", "2.16.2", "3.0.1", "3.17.2"),
    ("2.16", "3.0"),
    {"log_model": "Log a model"},
    {
        "2.13.2": {"2.16": {"log_model": OLD}, "3.0": {"log_model": OLD}},
        "2.16.2": {"2.16": {"log_model": OLD}, "3.0": {"log_model": OLD}},
        "3.0.1": {"2.16": {"log_model": NEW}, "3.0": {"log_model": OLD}},
        "3.17.2": {"2.16": {"log_model": NEW}, "3.0": {"log_model": OLD}},
    },
)


def test_the_page_shows_the_data() -> None:
    assert (REPOSITORY / PAGE).read_text() == page(load())


def test_every_supported_server_and_the_app_are_measured_with_every_operation() -> None:
    found = load()
    assert found.servers == (*supported_versions(), APP)
    assert list(found.operations) == list(operations()) == list(get_args(Operation))
    assert [client.rsplit(".", 1)[0] for client in found.clients[: len(CLIENTS)]] == list(CLIENTS)
    assert {
        (client, server, tuple(results)) for client, rows in found.results.items() for server, results in rows.items()
    } == {(client, server, tuple(found.operations)) for client in found.clients for server in found.servers}


def test_a_measurement_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    clients: dict[str, MagicMock] = defaultdict(MagicMock)
    clients["s3"].get_paginator.return_value.paginate.return_value = [{"Contents": [{"Key": "3.0/model"}]}]
    clients["iam"].list_role_policies.return_value = {"PolicyNames": ["Artifacts"]}
    servers = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server"
    arns = iter(f"{servers}/{version}" for version in supported_versions())
    clients["sagemaker"].create_mlflow_tracking_server.side_effect = lambda **_: {"TrackingServerArn": next(arns)}
    clients["sagemaker"].create_mlflow_app.side_effect = PlatformError("no Apps here")
    monkeypatch.setattr(measuring, "_interpreter", lambda *_: Path(sys.executable))
    clock = SimpleNamespace(now=lambda: 0.0, sleep=lambda _: None)
    given = measuring.Measuring(Path(), {}, clients.__getitem__, clock, lambda _: None, "word", "1.0")
    with pytest.raises(PlatformError, match="no Apps here"):
        measuring.measure(given, date(2026, 11, 29))
    deleted = [
        call.kwargs["TrackingServerName"] for call in clients["sagemaker"].delete_mlflow_tracking_server.mock_calls
    ]
    assert deleted == list(supported_versions())
    clients["s3"].delete_object.assert_called_once_with(Bucket="compat-word", Key="3.0/model")
    clients["s3"].delete_bucket.assert_called_once_with(Bucket="compat-word")
    clients["iam"].delete_role_policy.assert_called_once_with(RoleName="compat-word", PolicyName="Artifacts")
    clients["iam"].delete_role.assert_called_once_with(RoleName="compat-word")


def test_the_program_tries_every_operation_that_it_defines() -> None:
    used = {node.attr for node in ast.walk(ast.parse(PROGRAM.read_text())) if isinstance(node, ast.Attribute)}
    assert set(operations()) <= used


def test_what_is_known_about_logging_models_was_measured() -> None:
    found = load()
    able = {
        (client, server)
        for client in found.clients
        for server in found.servers
        if found.error(client, server, "log_model") is None
    }
    assert ("2.16.2", "2.16") in able
    assert ("3.0.1", "2.16") not in able
    assert (found.clients[-1], "3.0") in able


@pytest.mark.parametrize(
    ("client", "server", "works"),
    [
        ("3.17.2", "2.16", False),
        ("3.17.2", "3.0", True),
        ("3.9.0", "2.16", False),
        ("3.99.0", "3.10", True),
        ("2.9.2", "2.16", True),
        ("2.22.0", "3.0", True),
        ("3.5.0rc1", "2.16", False),
        ("4.0.0", "3.0", True),
    ],
)
def test_other_versions_are_judged_like_the_nearest_measured_one(client: str, server: str, works: bool) -> None:
    assert (MATRIX.error(client, server, "log_model") is None) is works


def test_names_the_newest_client_that_can() -> None:
    assert MATRIX.client_for("2.16", ["log_model"]) == "2.16.2"
    assert MATRIX.client_for("3.0", ["log_model"]) == "3.17.2"


def test_names_no_upgrade_of_the_newest_server() -> None:
    assert "make upgrade TO=3.0 ENV=prod" in MATRIX.repair("2.16", ["log_model"], "ENV=prod")
    assert MATRIX.repair("3.0", ["log_model"], "ENV=prod") == (
        "Install a client that can (`pip install mlflow==3.17.2`)"
    )


def test_a_client_that_cannot_log_a_model_tries_the_registry_with_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    servers, given = {"2.16": "arn"}, MagicMock(word="w", progress=lambda _: None)
    monkeypatch.setattr(measuring, "_interpreter", lambda *_: Path(sys.executable))
    monkeypatch.setattr(measuring, "_servers", lambda _: nullcontext(servers))
    lent: list[str] = []

    def run(command: list[str], _: object) -> str:
        lent.append(command[-1])
        model = "" if len(lent) == 1 else f"runs:/{len(lent)}/model"
        return "RESULT " + json.dumps({"client": f"2.{len(lent)}", "results": {}, "model": model})

    monkeypatch.setattr(measuring, "_run", run)
    measuring.measure(given, date(2026, 11, 30))
    assert lent == ["", "", "runs:/2/model", "runs:/2/model"]


def test_the_page_marks_what_does_not_work_and_shows_the_error() -> None:
    text = page(MATRIX)
    assert "| 3.17.2 | **no** |" in text
    assert "| 3.17.2 | 2.16 | log model | `RestException: no such API` |" in text
