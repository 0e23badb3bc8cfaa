"""MLflow's REST paths and the `sagemaker-mlflow` IAM action of each.

Sources: the 61 actions of
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html
and the routes of MLflow 2.13 to 3.17 (`mlflow.server.handlers.get_endpoints`). AWS publishes no table of paths, but
its actions have the names of MLflow's operations. A path without a matching action (data sets, assessments,
webhooks, …) has none: only `sagemaker-mlflow:*` could allow it.
"""

import re

UNKNOWN = "-"
ACCESS_UI = "AccessUI"
_API = re.compile(r"/(?:ajax-)?api/[0-9.]+/mlflow/(.*)")

_ACTIONS = {
    "POST experiments/create": "CreateExperiment",
    "GET experiments/get": "GetExperiment",
    "GET experiments/get-by-name": "GetExperimentByName",
    "POST experiments/search": "SearchExperiments",
    "GET experiments/search": "SearchExperiments",
    "POST experiments/update": "UpdateExperiment",
    "POST experiments/delete": "DeleteExperiment",
    "POST experiments/restore": "RestoreExperiment",
    "POST experiments/set-experiment-tag": "SetExperimentTag",
    "POST runs/create": "CreateRun",
    "GET runs/get": "GetRun",
    "POST runs/search": "SearchRuns",
    "POST runs/update": "UpdateRun",
    "POST runs/delete": "DeleteRun",
    "POST runs/restore": "RestoreRun",
    "POST runs/log-metric": "LogMetric",
    "POST runs/log-parameter": "LogParam",
    "POST runs/log-batch": "LogBatch",
    "POST runs/log-inputs": "LogInputs",
    "POST runs/outputs": "LogOutputs",
    "POST runs/log-model": "LogModel",
    "POST runs/set-tag": "SetTag",
    "POST runs/delete-tag": "DeleteTag",
    "GET metrics/get-history": "GetMetricHistory",
    "GET metrics/get-history-bulk": "GetMetricHistory",
    "GET metrics/get-history-bulk-interval": "GetMetricHistory",
    "GET artifacts/list": "ListArtifacts",
    # AWS has no CreateLoggedModel; LogModel is the one action that logs a model.
    "POST logged-models": "LogModel",
    "POST logged-models/search": "SearchLoggedModels",
    "GET logged-models/*": "GetLoggedModel",
    "PATCH logged-models/*": "FinalizeLoggedModel",
    "DELETE logged-models/*": "DeleteLoggedModel",
    "PATCH logged-models/*/tags": "SetLoggedModelTags",
    "DELETE logged-models/*/tags/*": "DeleteLoggedModelTag",
    "POST logged-models/*/params": "LogLoggedModelParams",
    "GET logged-models/*/artifacts/directories": "ListLoggedModelArtifacts",
    "POST traces": "StartTrace",
    "GET traces": "SearchTraces",
    "POST traces/search": "SearchTraces",
    "POST traces/delete-traces": "DeleteTraces",
    "GET traces/get": "GetTraceInfo",
    "GET traces/batchGet": "GetTraceInfo",
    "POST traces/batchGetInfos": "GetTraceInfo",
    "GET traces/*": "GetTraceInfo",
    "PATCH traces/*": "EndTrace",
    "GET traces/*/info": "GetTraceInfo",
    "PATCH traces/*/tags": "SetTraceTag",
    "DELETE traces/*/tags": "DeleteTraceTag",
    "POST registered-models/create": "CreateRegisteredModel",
    "GET registered-models/get": "GetRegisteredModel",
    "GET registered-models/search": "SearchRegisteredModels",
    "POST registered-models/rename": "RenameRegisteredModel",
    "PATCH registered-models/update": "UpdateRegisteredModel",
    "DELETE registered-models/delete": "DeleteRegisteredModel",
    "POST registered-models/get-latest-versions": "GetLatestModelVersions",
    "GET registered-models/get-latest-versions": "GetLatestModelVersions",
    "POST registered-models/set-tag": "SetRegisteredModelTag",
    "DELETE registered-models/delete-tag": "DeleteRegisteredModelTag",
    "POST registered-models/alias": "SetRegisteredModelAlias",
    "DELETE registered-models/alias": "DeleteRegisteredModelAlias",
    "GET registered-models/alias": "GetModelVersionByAlias",
    "POST model-versions/create": "CreateModelVersion",
    "GET model-versions/get": "GetModelVersion",
    "GET model-versions/search": "SearchModelVersions",
    "PATCH model-versions/update": "UpdateModelVersion",
    "DELETE model-versions/delete": "DeleteModelVersion",
    "POST model-versions/transition-stage": "TransitionModelVersionStage",
    "GET model-versions/get-download-uri": "GetDownloadURIForModelVersionArtifacts",
    "POST model-versions/set-tag": "SetModelVersionTag",
    "DELETE model-versions/delete-tag": "DeleteModelVersionTag",
}
ACTIONS = frozenset({*_ACTIONS.values(), ACCESS_UI})


def action_of(method: str, path: str) -> str:
    """The IAM action of a tracking call, without its prefix; "-" where AWS has none."""
    found = _API.fullmatch(path)
    if not found:
        # Pages, scripts, files and queries of the user interface. The rest below /api (proxied artifacts) has no
        # action, and neither have writes elsewhere, such as OpenTelemetry's `POST /v1/traces`:
        # https://mlflow.org/docs/latest/genai/tracing/integrations/listing/bedrock-agentcore/
        reads = method in ("GET", "HEAD") or path == "/graphql"
        return ACCESS_UI if reads and not path.startswith(("/api/", "/ajax-api/")) else UNKNOWN
    route = found[1]
    return _ACTIONS.get(f"{method} {route}") or _ACTIONS.get(f"{method} {_with_stars(route)}", UNKNOWN)


def _with_stars(route: str) -> str:
    """`logged-models/m-1/tags/a/b` as `logged-models/*/tags/*`: a tag's key may contain slashes."""
    parts = route.split("/")
    if parts[0] not in ("logged-models", "traces") or len(parts) < 2:
        return route
    parts[1] = "*"
    if len(parts) > 3 and parts[2] == "tags":
        parts[3:] = ["*"]
    return "/".join(parts)
