"""The actions that localaws runs: sources, builds and manual approvals. Each acts with the pipeline's role.

Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference.html
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from localaws.delivery.record import FAILED, SUCCEEDED, ActionRun, Execution
from localaws.delivery.repositories import Repositories
from localaws.principals import random_id

# Makes a client of a service for the pipeline's role.
Clients = Callable[[str], Any]
_POLL_SECONDS = 0.2
# https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
_APPROVAL_SECONDS = 7 * 24 * 3600
_VARIABLE = re.compile(r"#\{([^.}]+)\.([^}]+)\}")


class ActionError(Exception):
    """An action that cannot succeed; the text is for its error details."""


def run_action(run: ActionRun, execution: Execution, clients: Clients, repositories: Repositories) -> None:
    """Run one action to its end and record its result.

    Raises:
        ActionError: the action failed.
        botocore.exceptions.ClientError: the pipeline's role may not do what the action needs.
    """
    run.configuration = {
        name: resolved(value, execution) for name, value in (run.declaration.get("configuration") or {}).items()
    }
    kind = run.declaration["actionTypeId"]
    name = f"{kind['category']}/{kind['provider']}"
    if name in ("Source/CodeCommit", "Source/CodeStarSourceConnection"):
        _source(run, execution, clients, repositories)
    elif name in ("Build/CodeBuild", "Test/CodeBuild"):
        _build(run, execution, clients)
    elif name == "Approval/Manual":
        _approval(run, execution, clients)
    else:
        raise ActionError(f"localaws does not run actions of type {name}")


def resolved(text: str, execution: Execution) -> str:
    """A configuration's value with the variables of earlier actions, such as `#{SourceVariables.CommitId}`.

    Raises:
        ActionError: no action of that namespace has set the variable.
    """

    def value(found: re.Match[str]) -> str:
        namespace, name = found.groups()
        known = execution.variables | {"codepipeline": {"PipelineExecutionId": execution.id}}
        if name not in known.get(namespace, {}):
            raise ActionError(f"An action configuration has the unresolved variable {found.group()}")
        return known[namespace][name]

    return _VARIABLE.sub(value, text)


def _source(run: ActionRun, execution: Execution, clients: Clients, repositories: Repositories) -> None:
    configuration = run.configuration
    if configuration.get("OutputArtifactFormat", "CODE_ZIP") != "CODE_ZIP":
        raise ActionError("localaws passes on sources as CODE_ZIP only")
    # https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeCommit.html and
    # action-reference-CodestarConnectionSource.html
    if run.declaration["actionTypeId"]["provider"] == "CodeCommit":
        name = configuration["RepositoryName"]
        # The role needs codecommit:GetBranch, as on AWS.
        clients("codecommit").get_branch(repositoryName=name, branchName=configuration["BranchName"])
    else:
        name = configuration["FullRepositoryId"]
    commit = repositories.head(name, configuration["BranchName"])
    store = execution.pipeline["artifactStore"]
    (artifact,) = run.declaration["outputArtifacts"]
    key = f"{execution.pipeline['name'][:20]}/{artifact['name'][:10]}/{random_id(7)}"
    clients("s3").put_object(
        Bucket=store["location"], Key=key, Body=repositories.archive(name, commit.id), **_encryption(store)
    )
    execution.artifacts[artifact["name"]] = (store["location"], key)
    run.external_id = commit.id
    run.variables = {
        "BranchName": configuration["BranchName"],
        "CommitId": commit.id,
        "CommitMessage": commit.message,
        "AuthorDate": commit.author_date,
        "RepositoryName": name.rpartition("/")[2],
    }
    execution.revisions.append(
        {
            "name": artifact["name"],
            "revisionId": commit.id,
            "revisionSummary": commit.message,
            "revisionChangeIdentifier": commit.id,
        }
    )
    run.end(SUCCEEDED, summary=commit.message)


def _encryption(store: Mapping[str, Any]) -> dict[str, str]:
    key = store.get("encryptionKey")
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["id"]} if key else {}


def _build(run: ActionRun, execution: Execution, clients: Clients) -> None:
    configuration = run.configuration
    if run.declaration.get("outputArtifacts"):
        raise ActionError("localaws passes on no output artifacts of builds")
    primary = configuration.get("PrimarySource") or run.declaration["inputArtifacts"][0]["name"]
    if primary not in execution.artifacts:
        raise ActionError(f"there is no artifact {primary}")
    bucket, key = execution.artifacts[primary]
    variables = json.loads(configuration.get("EnvironmentVariables", "[]"))
    commits = [one["revisionId"] for one in execution.revisions if one["name"] == primary]
    variables += [{"name": "CODEBUILD_RESOLVED_SOURCE_VERSION", "value": one} for one in commits]
    codebuild = clients("codebuild")
    started = codebuild.start_build(
        projectName=configuration["ProjectName"],
        sourceTypeOverride="S3",
        sourceLocationOverride=f"{bucket}/{key}",
        environmentVariablesOverride=variables,
    )
    run.external_id = started["build"]["id"]
    while True:
        (build,) = codebuild.batch_get_builds(ids=[run.external_id])["builds"]
        if build["buildComplete"]:
            break
        if execution.abandon.wait(_POLL_SECONDS):
            raise ActionError("The execution was stopped.")
    if build["buildStatus"] != "SUCCEEDED":
        reasons = [one["message"] for phase in build["phases"] for one in phase.get("contexts", [])]
        raise ActionError("; ".join(reasons) or f"Build terminated with state: {build['buildStatus']}")
    # The variables that the buildspec exports are those of the action's namespace.
    run.variables = {one["name"]: one["value"] for one in build.get("exportedEnvironmentVariables") or []}
    run.end(SUCCEEDED)


def _approval(run: ActionRun, execution: Execution, clients: Clients) -> None:
    configuration = run.configuration
    run.token = str(uuid.uuid4())
    topic = configuration.get("NotificationArn")
    if topic:
        # https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals-json-format.html
        approval = {
            "pipelineName": execution.pipeline["name"],
            "stageName": run.stage,
            "actionName": run.declaration["name"],
            "token": run.token,
            "customData": configuration.get("CustomData", ""),
        }
        subject = f"APPROVAL NEEDED: Action {run.declaration['name']} is waiting for approval."
        clients("sns").publish(TopicArn=topic, Subject=subject[:100], Message=json.dumps({"approval": approval}))
    deadline = time.monotonic() + _APPROVAL_SECONDS
    while not run.answered.wait(_POLL_SECONDS):
        if execution.abandon.is_set():
            raise ActionError("The execution was stopped.")
        if time.monotonic() > deadline:
            raise ActionError("The approval timed out after 7 days.")
    if run.status == FAILED:
        raise ActionError(f"Rejected by {run.updated_by}: {run.summary}")
