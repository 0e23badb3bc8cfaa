"""CodePipeline on localaws: a push runs the buildspec, an approval lets it go on, a rule starts a build."""

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import RunningLocalAws, allow_everything
from tests.support.waiting import eventually

ACCOUNT = "123456789012"
BUCKET = "delivery-artifacts"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/delivery"
BUILD = """\
version: 0.2
env:
  exported-variables: [MODEL]
phases:
  build:
    commands:
      - echo "built $CODEBUILD_RESOLVED_SOURCE_VERSION for $WHO"
      - sh ./step.sh
      - MODEL=models:/iris/1
"""


@pytest.fixture(scope="module")
def account(localaws: RunningLocalAws) -> RunningLocalAws:
    services = ["codebuild.amazonaws.com", "codepipeline.amazonaws.com", "events.amazonaws.com"]
    statements = [{"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}]
    iam = localaws.client("iam")
    trust = {"Version": "2012-10-17", "Statement": statements}
    # The tests of this file may run in several processes, which share localaws.
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="delivery", AssumeRolePolicyDocument=json.dumps(trust))
    allow_everything(localaws, "delivery")
    localaws.client("s3").create_bucket(Bucket=BUCKET)
    return localaws


def action(category: str, provider: str, configuration: dict[str, str], **more: Any) -> dict[str, Any]:
    kind = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": provider, "actionTypeId": kind, "configuration": configuration, **more}


def structure(name: str, *later: dict[str, Any]) -> dict[str, Any]:
    source = action(
        "Source",
        "CodeCommit",
        {"RepositoryName": name, "BranchName": "main"},
        outputArtifacts=[{"name": "Code"}],
        namespace="Code",
    )
    variables = json.dumps([{"name": "WHO", "value": "#{Code.BranchName}"}])
    build = action(
        "Build",
        "CodeBuild",
        {"ProjectName": name, "EnvironmentVariables": variables},
        inputArtifacts=[{"name": "Code"}],
        namespace="Build",
    )
    stages = [("Source", source), ("Build", build), *((one["name"], one) for one in later)]
    return {
        "name": name,
        "roleArn": ROLE,
        "pipelineType": "V2",
        "artifactStore": {"type": "S3", "location": BUCKET},
        "stages": [{"name": stage, "actions": [one]} for stage, one in stages],
    }


def project(account: RunningLocalAws, name: str, kind: str = "CODEPIPELINE", **source: str) -> None:
    account.client("codebuild").create_project(
        name=name,
        source={"type": kind, **source},
        artifacts={"type": "CODEPIPELINE" if kind == "CODEPIPELINE" else "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "a", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=ROLE,
    )


def push(account: RunningLocalAws, name: str, folder: Path, step: str) -> str:
    """Commit and push to the repository of localaws. Returns the commit."""
    folder.mkdir(exist_ok=True)
    (folder / "buildspec.yml").write_text(BUILD)
    (folder / "step.sh").write_text(step)
    remote = account.settings.home / "repositories" / f"{name}.git"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    commands = (
        ["init", "-q", "-b", "main", "."],
        ["add", "-A"],
        [*author, "commit", "-q", "-m", "change"],
        ["push", "-q", str(remote), "main"],
    )
    for command in commands:
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True)
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def executions(account: RunningLocalAws, name: str) -> list[dict[str, Any]]:
    found = account.client("codepipeline").list_pipeline_executions(pipelineName=name)
    return list(found["pipelineExecutionSummaries"])


def outcome(account: RunningLocalAws, name: str, commit: str) -> str:
    """The status of a commit's execution, when it has ended."""

    def look() -> str:
        for one in executions(account, name):
            revisions = [revision["revisionId"] for revision in one["sourceRevisions"]]
            if commit in revisions and one["status"] != "InProgress":
                return str(one["status"])
        return ""

    return eventually(look, 120)


def create(account: RunningLocalAws, name: str) -> None:
    """A pipeline with an approval, and its empty repository. Its first execution finds no branch."""
    account.client("codecommit").create_repository(repositoryName=name)
    project(account, name)
    account.client("codepipeline").create_pipeline(
        pipeline=structure(name, action("Approval", "Manual", {"CustomData": "Deploy #{Build.MODEL}?"}))
    )
    assert eventually(lambda: [one["status"] for one in executions(account, name)] == ["Failed"], 120)


def test_a_push_builds_the_commit_and_waits_for_approval(account: RunningLocalAws, tmp_path: Path) -> None:
    pipelines = account.client("codepipeline")
    create(account, "approved")
    commit = push(account, "approved", tmp_path / "code", "true\n")

    def pending() -> Any:
        stage = pipelines.get_pipeline_state(name="approved")["stageStates"][2]
        return stage["actionStates"][0].get("latestExecution", {}).get("token")

    token = eventually(pending, 120)
    where = {"pipelineName": "approved", "stageName": "Manual", "actionName": "Manual"}
    yes = {"summary": "looks good", "status": "Approved"}
    with pytest.raises(ClientError, match="InvalidApprovalTokenException"):
        pipelines.put_approval_result(**where, result=yes, token="1a2b3c4d-1111-2222-3333-444455556666")
    pipelines.put_approval_result(**where, result=yes, token=token)
    assert outcome(account, "approved", commit) == "Succeeded"
    with pytest.raises(ClientError, match="ApprovalAlreadyCompletedException"):
        pipelines.put_approval_result(**where, result=yes, token=token)
    details = pipelines.list_action_executions(pipelineName="approved")["actionExecutionDetails"]
    exported = next(one["output"]["outputVariables"] for one in details if one["actionName"] == "CodeBuild")
    assert exported == {"MODEL": "models:/iris/1"}
    asked = next(one["input"]["resolvedConfiguration"] for one in details if one["actionName"] == "Manual")
    assert asked == {"CustomData": "Deploy models:/iris/1?"}
    build = next(one for one in details if one["actionName"] == "CodeBuild")
    (found,) = account.client("codebuild").batch_get_builds(
        ids=[build["output"]["executionResult"]["externalExecutionId"]]
    )["builds"]
    logs = {"logGroupName": found["logs"]["groupName"], "logStreamName": found["logs"]["streamName"]}
    lines = [event["message"] for event in account.client("logs").get_log_events(**logs)["events"]]
    assert f"built {commit} for main" in lines


def test_a_failed_build_stops_the_pipeline_before_the_approval(account: RunningLocalAws, tmp_path: Path) -> None:
    pipelines = account.client("codepipeline")
    create(account, "broken")
    commit = push(account, "broken", tmp_path / "code", "exit 3\n")
    assert outcome(account, "broken", commit) == "Failed"
    stages = pipelines.get_pipeline_state(name="broken")["stageStates"]
    assert stages[1]["latestExecution"]["status"] == "Failed"
    message = stages[1]["actionStates"][0]["latestExecution"]["errorDetails"]["message"]
    assert message == "Error while executing command: sh ./step.sh. Reason: exit status 3"
    assert "latestExecution" not in stages[2]


def test_the_approval_of_a_model_package_starts_a_build(account: RunningLocalAws, tmp_path: Path) -> None:
    written = tmp_path / "written"
    buildspec = json.dumps(
        {
            "version": "0.2",
            "phases": {"build": {"commands": [f'echo "$PACKAGE" >{written}.new', f"mv {written}.new {written}"]}},
        }
    )
    project(account, "deploy", "NO_SOURCE", buildspec=buildspec)
    events, sagemaker = account.client("events"), account.client("sagemaker")
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelApprovalStatus": ["Approved"],
            "ModelPackageGroupName": ["delivered"],
            "UpdatedModelPackageFields": ["ModelApprovalStatus", {"exists": False}],
        },
    }
    events.put_rule(Name="approved", EventPattern=json.dumps(pattern))
    override = '{"environmentVariablesOverride": [{"name": "PACKAGE", "value": <arn>}]}'
    events.put_targets(
        Rule="approved",
        Targets=[
            {
                "Id": "deploy",
                "Arn": f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/deploy",
                "RoleArn": ROLE,
                "InputTransformer": {"InputPathsMap": {"arn": "$.detail.ModelPackageArn"}, "InputTemplate": override},
            }
        ],
    )
    sagemaker.create_model_package_group(ModelPackageGroupName="delivered")
    package = sagemaker.create_model_package(
        ModelPackageGroupName="delivered", ModelApprovalStatus="PendingManualApproval"
    )["ModelPackageArn"]
    builds = account.client("codebuild")
    assert builds.list_builds_for_project(projectName="deploy")["ids"] == []
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    assert eventually(written.exists, 120)
    assert written.read_text().strip() == package
    started = builds.list_builds_for_project(projectName="deploy")["ids"]
    sagemaker.update_model_package(ModelPackageArn=package, CustomerMetadataProperties={"team": "ml"})
    approved = sagemaker.create_model_package(ModelPackageGroupName="delivered", ModelApprovalStatus="Approved")
    # The update deploys nothing: only the package that is created as approved starts another build.
    assert eventually(lambda: len(builds.list_builds_for_project(projectName="deploy")["ids"]) > len(started), 120)
    assert len(builds.list_builds_for_project(projectName="deploy")["ids"]) == len(started) + 1
    for arn in (package, approved["ModelPackageArn"]):
        sagemaker.delete_model_package(ModelPackageName=arn)
    assert sagemaker.list_model_packages(ModelPackageGroupName="delivered")["ModelPackageSummaryList"] == []


def test_refuses_a_structure_that_aws_refuses(account: RunningLocalAws) -> None:
    pipelines = account.client("codepipeline")
    wrong = structure("wrong")
    wrong["stages"][1]["actions"][0]["inputArtifacts"] = [{"name": "Missing"}]
    with pytest.raises(ClientError, match="Input Artifact Bundle Missing in action CodeBuild is not declared"):
        pipelines.create_pipeline(pipeline=wrong)
    unknown = structure("wrong") | {"roleArn": f"{ROLE}-missing"}
    with pytest.raises(ClientError, match="CodePipeline is not authorized to perform AssumeRole on role"):
        pipelines.create_pipeline(pipeline=unknown)
