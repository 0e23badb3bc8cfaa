"""The IAM action that a tracking call requires."""

import pytest

from localaws.mlflow_actions import ACTIONS, action_of
from localaws.tracking.presigned_upload import PATH

PATHS = [
    ("POST", "/api/2.0/mlflow/runs/create", "CreateRun"),
    ("POST", "/ajax-api/2.0/mlflow/runs/search", "SearchRuns"),
    ("GET", "/api/2.0/mlflow/experiments/get-by-name", "GetExperimentByName"),
    ("POST", "/api/2.0/mlflow/runs/outputs", "LogOutputs"),
    ("POST", "/api/2.0/mlflow/logged-models", "LogModel"),
    ("POST", "/api/2.0/mlflow/logged-models/search", "SearchLoggedModels"),
    ("GET", "/api/2.0/mlflow/logged-models/m-1", "GetLoggedModel"),
    ("PATCH", "/api/2.0/mlflow/logged-models/m-1", "FinalizeLoggedModel"),
    ("DELETE", "/api/2.0/mlflow/logged-models/m-1/tags/a/b", "DeleteLoggedModelTag"),
    ("GET", "/api/2.0/mlflow/logged-models/m-1/artifacts/directories", "ListLoggedModelArtifacts"),
    ("POST", "/api/3.0/mlflow/traces", "StartTrace"),
    ("POST", "/api/3.0/mlflow/traces/search", "SearchTraces"),
    ("GET", "/api/2.0/mlflow/traces/tr-1/info", "GetTraceInfo"),
    ("GET", "/api/3.0/mlflow/traces/tr-1", "GetTraceInfo"),
    ("DELETE", "/api/3.0/mlflow/traces/tr-1/tags", "DeleteTraceTag"),
    ("POST", "/api/2.0/mlflow/registered-models/alias", "SetRegisteredModelAlias"),
    ("GET", "/api/2.0/mlflow/registered-models/alias", "GetModelVersionByAlias"),
    ("DELETE", "/api/2.0/mlflow/registered-models/alias", "DeleteRegisteredModelAlias"),
    ("GET", "/", "AccessUI"),
    ("GET", "/static-files/main.js", "AccessUI"),
    ("GET", "/get-artifact", "AccessUI"),
    ("POST", "/graphql", "AccessUI"),
]


@pytest.mark.parametrize(("method", "path", "action"), PATHS)
def test_maps_calls_to_actions(method: str, path: str, action: str) -> None:
    assert action_of(method, path) == action


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/2.0/mlflow/runs/create"),
        ("POST", "/api/3.0/mlflow/datasets/create"),
        ("POST", "/api/3.0/mlflow/traces/tr-1/assessments"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/x"),
        ("GET", "/api/2.0/mlflow/"),
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("GET", "/ajax-api/2.0/mlflow/webhooks"),
        ("POST", "/api/2.0/mlflow/webhooks/1/test"),
        ("POST", "/api/3.0/mlflow/gateway/secrets/create"),
        ("POST", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("GET", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/gateway/chat/mlflow/invocations"),
        ("POST", "/v1/traces"),
        ("DELETE", "/"),
        ("POST", "/x/mlflow/artifacts/presigned-upload-url"),
        ("POST", "//api/2.0/mlflow/runs/delete"),
    ],
)
def test_maps_unknown_calls_to_no_action(method: str, path: str) -> None:
    assert action_of(method, path) == "-"


def test_every_aws_action_has_a_call() -> None:
    # The list of https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html
    text = """
        AccessUI CreateExperiment CreateModelVersion CreateRegisteredModel CreateRun DeleteExperiment DeleteLoggedModel
        DeleteLoggedModelTag DeleteModelVersion DeleteModelVersionTag DeleteRegisteredModel DeleteRegisteredModelAlias
        DeleteRegisteredModelTag DeleteRun DeleteTag DeleteTraceTag DeleteTraces EndTrace FinalizeLoggedModel
        GetDownloadURIForModelVersionArtifacts GetExperiment GetExperimentByName GetLatestModelVersions GetLoggedModel
        GetMetricHistory GetModelVersion GetModelVersionByAlias GetRegisteredModel GetRun GetTraceInfo ListArtifacts
        ListLoggedModelArtifacts LogBatch LogInputs LogLoggedModelParams LogMetric LogModel LogOutputs LogParam
        RenameRegisteredModel RestoreExperiment RestoreRun SearchExperiments SearchLoggedModels SearchModelVersions
        SearchRegisteredModels SearchRuns SearchTraces SetExperimentTag SetLoggedModelTags SetModelVersionTag
        SetRegisteredModelAlias SetRegisteredModelTag SetTag SetTraceTag StartTrace TransitionModelVersionStage
        UpdateExperiment UpdateModelVersion UpdateRegisteredModel UpdateRun
    """
    listed = text.split()
    assert len(listed) == 61
    assert set(listed) == ACTIONS


@pytest.mark.parametrize(
    ("path", "signs"),
    [
        ("/api/2.0/mlflow/artifacts/presigned-upload-url", True),
        ("/ajax-api/2.0/mlflow/artifacts/presigned-upload-url", True),
        ("/x/mlflow/artifacts/presigned-upload-url", False),
        ("/x/api/2.0/mlflow/artifacts/presigned-upload-url", False),
    ],
)
def test_upload_urls_are_signed_only_below_the_api(path: str, signs: bool) -> None:
    """Elsewhere, the right to open the UI would be enough to write artifacts with the server's role."""
    assert (PATH.fullmatch(path) is not None) is signs
