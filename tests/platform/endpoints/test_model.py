"""Finding a model by its URI, and naming exactly what is wrong with one."""

from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.endpoints.model import Model, check_uri, find, registered_name

STORE = "s3://bucket/store"


@pytest.fixture
def client(mlflow_here: Any) -> Any:
    client = mlflow_here.MlflowClient()
    client.create_experiment("s3", artifact_location=STORE)
    return client


@pytest.fixture
def run_id(client: Any) -> str:
    """A run in S3 with a model `model`, which is version 1 of `iris`, with the alias `champion`."""
    experiment = client.get_experiment_by_name("s3").experiment_id
    run = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, name="model", source_run_id=run)
    client.finalize_logged_model(model.model_id, "READY")
    from mlflow.entities import LoggedModelOutput

    client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
    client.create_registered_model("iris")
    client.create_model_version("iris", model.model_uri, run_id=run, model_id=model.model_id)
    client.set_registered_model_alias("iris", "champion", "1")
    client.create_registered_model("empty")
    return str(run)


@pytest.mark.parametrize("uri", ["models:/iris@champion", "models:/iris/1"])
def test_finds_a_registered_model_and_resolves_its_alias(client: Any, run_id: str, uri: str) -> None:
    found = find(uri, client)
    assert (found.uri, found.name, found.version, found.run_id) == ("models:/iris/1", "iris", "1", run_id)
    assert found.location.startswith(f"{STORE}/models/m-")


@pytest.mark.filterwarnings("ignore:.*transition_model_version_stage:FutureWarning")
def test_finds_the_latest_version_of_all_and_of_a_stage(client: Any, run_id: str) -> None:
    source = client.get_model_version("iris", "1").source
    for _ in range(2):
        client.create_model_version("iris", source, run_id=run_id)
    client.transition_model_version_stage("iris", "2", "Production")
    assert find("models:/iris/latest", client).uri == "models:/iris/3"
    assert find("models:/iris/production", client).uri == "models:/iris/2"
    with pytest.raises(InputError, match="the model iris has no version in stage Staging"):
        find("models:/iris/Staging", client)
    with pytest.raises(InputError, match="the model empty has no version"):
        find("models:/empty/latest", client)


def test_finds_a_runs_model_by_its_name(client: Any, run_id: str) -> None:
    found = find(f"runs:/{run_id}/model", client)
    assert (found.run_id, found.name) == (run_id, None)
    assert found.location == find("models:/iris/1", client).location


def test_the_newest_of_several_models_with_one_name_counts(
    client: Any, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.entities import LoggedModelOutput

    first = find(f"runs:/{run_id}/model", client).location
    experiment = client.get_experiment_by_name("s3").experiment_id
    newest = client.create_logged_model(experiment, name="model", source_run_id=run_id)
    client.finalize_logged_model(newest.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(newest.model_id, step=1)])
    read = client.get_run

    def reordered(run: str, turned: bool) -> Any:
        found = read(run)
        found.outputs.model_outputs.sort(key=lambda output: output.model_id == newest.model_id, reverse=turned)
        return found

    # The order in which a server names a run's models means nothing.
    for turned in (False, True):
        monkeypatch.setattr(client, "get_run", lambda run, turned=turned: reordered(run, turned))
        found = find(f"runs:/{run_id}/model", client).location
        assert (found != first, found) == (True, newest.artifact_location)


def test_finds_a_model_among_a_runs_artifacts_as_mlflow_2_stores_it(
    client: Any, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.entities import FileInfo

    monkeypatch.setattr(client, "list_artifacts", lambda _, path: [FileInfo(f"{path}/MLmodel", False, 1)])
    found = find(f"runs:/{run_id}/nested/old", client)
    assert found.location == f"{STORE}/{run_id}/artifacts/nested/old"


def test_finds_a_logged_model_by_its_id(client: Any, run_id: str) -> None:
    (model,) = client.search_logged_models([client.get_experiment_by_name("s3").experiment_id])
    found = find(model.model_uri, client)
    assert (found.uri, found.run_id, found.name) == (model.model_uri, run_id, None)
    assert found.location == find("models:/iris/1", client).location


@pytest.mark.parametrize("path", [".", "./", "./."])
def test_finds_a_model_at_the_root_of_a_runs_artifacts(
    client: Any, run_id: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    from mlflow.entities import FileInfo

    requested = []

    def listed(run: str, folder: str | None) -> list[FileInfo]:
        requested.append((run, folder))
        return [FileInfo("MLmodel", False, 1)]

    monkeypatch.setattr(client, "list_artifacts", listed)
    assert find(f"runs:/{run_id}/{path}", client).location == f"{STORE}/{run_id}/artifacts"
    assert requested == [(run_id, None)]


@pytest.mark.parametrize("path", ["..", "../../elsewhere", "a/../../b"])
def test_rejects_a_path_that_leads_out_of_the_run(client: Any, run_id: str, path: str) -> None:
    with pytest.raises(InputError, match="leads out of the run's artifacts"):
        find(f"runs:/{run_id}/{path}", client)


@pytest.mark.parametrize("name", ["it's", "a (b) & c;d", "模型"])
def test_unusual_names_are_found_and_explained(client: Any, name: str) -> None:
    client.create_registered_model(name)
    with pytest.raises(InputError, match="has no version 3"):
        find(f"models:/{name}/3", client)


@pytest.mark.parametrize("uri", ["s3://bucket/some/model/", "s3://bucket/model.tar.gz"])
def test_an_s3_uri_needs_no_tracking_server(uri: str) -> None:
    assert find(uri, None) == Model(uri=uri, location=uri.rstrip("/"))


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("models:/nope@champion", r"there is no registered model 'nope' \(there are: .*iris.*\)\. Register one with"),
        ("models:/nope/1", "there is no registered model 'nope'"),
        ("models:/nope/latest", "there is no registered model 'nope'"),
        ("models:/iris@best", r"the model iris has no alias 'best' \(it has: champion\)"),
        ("models:/iris/9", r"the model iris has no version 9 \(it has: version 1\)"),
        ("models:/empty/1", r"the model empty has no version 1 \(it has: none\)"),
        (f"runs:/{'0' * 32}/model", "there is no run 000"),
        (f"models:/m-{'0' * 32}", "there is no logged model m-000"),
    ],
)
def test_names_what_is_unknown_and_what_exists(client: Any, run_id: str, uri: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        find(uri, client)


def test_names_a_runs_models_if_the_path_is_wrong(client: Any, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "list_artifacts", lambda *_: [])
    with pytest.raises(InputError, match=r"has no model 'modle' \(it has: model\)"):
        find(f"runs:/{run_id}/modle", client)


def test_refuses_a_model_outside_s3(client: Any, mlflow_here: Any) -> None:
    model = client.create_logged_model("0", name="model")
    client.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model("here")
    client.create_model_version("here", model.model_uri, model_id=model.model_id)
    with pytest.raises(PreconditionError, match="an endpoint can only read S3"):
        find("models:/here/1", client)


def test_reads_only_locations_in_the_environments_stores_unless_the_user_names_them(
    client: Any, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = ["s3://bucket/stor", "s3://former", STORE]
    assert find("models:/iris/1", client, stores) == find("models:/iris/1", client)
    elsewhere = "s3://another-bucket/secret"
    assert find(elsewhere, client, stores).location == elsewhere
    monkeypatch.setattr(client, "get_model_version_download_uri", lambda *_: elsewhere)
    with pytest.raises(PreconditionError, match=f"the files of models:/iris/1 are at {elsewhere}, outside of .*trust"):
        find("models:/iris/1", client, stores)
    monkeypatch.setattr(client, "get_model_version_download_uri", lambda *_: f"{STORE}/../../x")
    with pytest.raises(PreconditionError, match="outside of this environment's artifact stores"):
        find("models:/iris@champion", client, stores)


def test_lists_no_artifacts_outside_of_the_environments_stores(
    client: Any, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    monkeypatch.setattr(client, "list_artifacts", lambda run, _: listed.append(run))
    with pytest.raises(PreconditionError, match=f"the files of runs:/{run_id}/other are at {STORE}"):
        find(f"runs:/{run_id}/other", client, ["s3://another"])
    with pytest.raises(PreconditionError, match=f"are at {STORE}/models/m-"):
        find(f"runs:/{run_id}/model", client, ["s3://another"])
    assert listed == []


@pytest.mark.parametrize(
    "uri",
    ["iris", "models:/iris", "models:/iris/newest", "models:/a@b@c", "runs:/abc/model", "s3://bucket", "http://x/y"],
)
def test_rejects_other_uris_and_names_the_valid_forms(uri: str) -> None:
    with pytest.raises(InputError, match="models:/NAME@ALIAS"):
        check_uri(uri)


def test_only_registered_models_have_a_name() -> None:
    assert registered_name("models:/iris@champion") == registered_name("models:/iris/3") == "iris"
    assert registered_name("models:/iris/latest") == "iris"
    assert registered_name("s3://bucket/iris") is None
