"""The MLflow client: which servers it can log to, model names, experiments, versions."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform import tracking
from mlflow_platform.compatibility.matrix import Operation
from mlflow_platform.environment import REPOSITORY, Environment, TrackingServer


def at_version(environment: Environment, version: str) -> TrackingServer:
    return replace(environment.server, mlflow_version=version)


@pytest.mark.parametrize("server", ["2.13", "2.16"])
def test_refuses_an_mlflow_3_client_for_an_mlflow_2_server(environment: Environment, server: str) -> None:
    refusal = (
        rf"runs MLflow {server}, and the MLflow 3.17.2 on this machine cannot log a model there. Install a client that "
        rf"can \(`pip install mlflow==2.16.2`\), or upgrade the server \(`make upgrade TO=3.0 ENV=staging`\)\."
    )
    with pytest.raises(PreconditionError, match=refusal):
        tracking.check_client(at_version(environment, server), ["runs", "log_model"], "3.17.2")


def test_refuses_before_it_loads_mlflow(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "version", lambda _: "3.17.2")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    session: Any = None
    with pytest.raises(PreconditionError, match="cannot list a folder of a run's artifacts there"):
        tracking.connect(at_version(environment, "2.16"), session, ["runs", "list_artifacts"])


@pytest.mark.parametrize(
    ("server", "client", "needs"),
    [
        ("3.0", "3.17.2", get_args(Operation)),
        ("2.16", "2.16.2", ["runs", "log_model"]),
        ("3.0", "2.16.2", ["runs", "log_model", "registry"]),
        # What these need is in every API since 2.13, so that no deployment or sweep is refused without a reason.
        ("2.13", "3.17.2", ["experiments", "runs", "upload_artifacts", "download_artifacts"]),
        ("2.13", "3.17.2", ["registry", "aliases"]),
    ],
)
def test_accepts_clients_that_can(
    environment: Environment, server: str, client: str, needs: Sequence[Operation]
) -> None:
    tracking.check_client(at_version(environment, server), needs, client)


def test_every_script_names_what_it_needs() -> None:
    scripts = {file.stem: file.read_text() for file in (REPOSITORY / "scripts").glob("*.py")}
    connecting = {name for name, text in scripts.items() if "tracking.connect(" in text}
    assert {"log_run", "sweep", "deploy_model", "promote", "validate_endpoint", "compare_runs", "clean_up"} < connecting
    # The type of the third argument is checked by mypy.
    assert not [name for name in connecting if re.search(r"tracking\.connect\([^,]*,[^,]*\)", scripts[name])]


@pytest.mark.parametrize("name", ["iris", "a", "fraud-2", "A" * 63])
def test_accepts_valid_model_names(name: str) -> None:
    tracking.check_model_name(name)


@pytest.mark.parametrize("name", ["my_model", "v1.2", "a b", "-a", "a-", "", "A" * 64, "ä"])
def test_rejects_model_names_that_sagemaker_refuses(name: str) -> None:
    with pytest.raises(InputError, match="letters, digits and hyphens"):
        tracking.check_model_name(name)


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V02", "a b", "a.b", "a" * 256, ""])
def test_rejects_the_aliases_that_mlflow_refuses_and_no_others(alias: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils import validation

    def check(name: str) -> None:
        validation._validate_model_alias_name(name)
        validation._validate_model_alias_name_reserved(name)

    with pytest.raises(MlflowException):
        check(alias)
    with pytest.raises(InputError, match="is not a valid alias"):
        tracking.check_alias(alias)
    for good in ("champion", "v1-candidate", "vnext", "2024_01", "a" * 255, "späť"):
        check(good)
        tracking.check_alias(good)


def test_creates_an_experiment_once(mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    assert tracking.experiment_id(client, "new") == tracking.experiment_id(client, "new")


def test_uses_an_experiment_that_another_process_creates_meanwhile(
    mlflow_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow_here.MlflowClient()
    theirs = client.create_experiment("shared")
    look, looks = client.get_experiment_by_name, iter([None])
    monkeypatch.setattr(client, "get_experiment_by_name", lambda name: next(looks, look(name)))
    assert tracking.experiment_id(client, "shared") == theirs


def test_names_a_deleted_experiment(mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    client.delete_experiment(client.create_experiment("old"))
    with pytest.raises(InputError, match=r"'old' has been deleted. Restore it"):
        tracking.experiment_id(client, "old")


def test_registering_again_creates_the_next_version_and_moves_the_alias(mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    versions = []
    for _ in range(2):
        run = client.create_run("0")
        model = client.create_logged_model("0", name="model", source_run_id=run.info.run_id)
        client.finalize_logged_model(model.model_id, "READY")
        versions.append(
            tracking.register(client, name="iris", model_uri=model.model_uri, run_id=run.info.run_id, alias="champion")
        )
    assert versions == ["1", "2"]
    champion = client.get_model_version_by_alias("iris", "champion")
    assert (str(champion.version), champion.run_id) == ("2", run.info.run_id)


def test_the_users_own_settings_take_precedence() -> None:
    environ = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "9"}
    tracking.prepare(environ)
    assert environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "9"
    assert environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] == "true"


def test_connect_sets_the_global_tracking_and_registry_uri(
    environment: Environment, mlflow_here: Any, aws: Any
) -> None:
    import boto3

    client = tracking.connect(environment.server, boto3.session.Session(region_name="us-east-1"), ["runs"])
    assert client.tracking_uri == mlflow_here.get_tracking_uri() == environment.server.arn
    assert mlflow_here.get_registry_uri() == environment.server.arn


def test_mlflow_does_not_search_all_folders_for_databricks_at_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    # `delitem` of an absent key would not remove the entry after the test.
    monkeypatch.setitem(sys.modules, "dbruntime", None)
    del sys.modules["dbruntime"]
    tracking.not_in_databricks()
    assert sys.modules["dbruntime"] is None
    with pytest.raises(ModuleNotFoundError):
        import_module("dbruntime")


def test_databricks_own_runtime_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "dbruntime", None)
    del sys.modules["dbruntime"]
    (tmp_path / "dbruntime.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    tracking.not_in_databricks()
    assert "dbruntime" not in sys.modules
