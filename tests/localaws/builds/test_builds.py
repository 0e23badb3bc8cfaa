"""CodeBuild builds run their commands: source, variables, phases, log, status."""

import io
import json
import os
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import RunningLocalAws

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/builds"
BUCKET = "builds-source"


@pytest.fixture(scope="module")
def codebuild(localaws: RunningLocalAws) -> Any:
    trust = {"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    localaws.client("iam").create_role(RoleName="builds", AssumeRolePolicyDocument=document)
    localaws.client("s3").create_bucket(Bucket=BUCKET)
    return localaws.client("codebuild")


def project(codebuild: Any, name: str, source: dict[str, Any], **more: Any) -> None:
    environment = {
        "type": "LINUX_CONTAINER",
        "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
        "computeType": "BUILD_GENERAL1_SMALL",
        "environmentVariables": more.pop("variables", []),
    }
    codebuild.create_project(
        name=name,
        source=source,
        artifacts={"type": "NO_ARTIFACTS"},
        environment=environment,
        serviceRole=ROLE,
        **more,
    )


def buildspec(**phases: Any) -> str:
    return json.dumps({"version": "0.2", "phases": phases})


def finished(codebuild: Any, build: str, seconds: float = 180) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        (found,) = codebuild.batch_get_builds(ids=[build])["builds"]
        if found["buildComplete"]:
            return dict(found)
        time.sleep(0.1)
    raise TimeoutError(build)


def start(codebuild: Any, name: str, **given: Any) -> str:
    return str(codebuild.start_build(projectName=name, **given)["build"]["id"])


def log(localaws: RunningLocalAws, build: dict[str, Any]) -> list[str]:
    logs = localaws.client("logs")
    where = {"logGroupName": build["logs"]["groupName"], "logStreamName": build["logs"]["streamName"]}
    return [event["message"] for event in logs.get_log_events(**where)["events"]]


def statuses(build: dict[str, Any]) -> dict[str, str]:
    return {phase["phaseType"]: phase.get("phaseStatus", "") for phase in build["phases"]}


def test_commands_run_with_the_source_the_variables_and_the_role_of_the_project(
    localaws: RunningLocalAws, codebuild: Any
) -> None:
    localaws.client("s3").put_object(Bucket=BUCKET, Key="one/data/words.txt", Body=b"from the bucket")
    localaws.client("ssm").put_parameter(Name="/builds/secret", Value="a parameter", Type="String")
    commands = {
        "install": {"commands": ["export FROM_INSTALL=kept"]},
        "build": {
            "commands": [
                "cat data/words.txt",
                "echo $GREETING $SECRET $FROM_INSTALL",
                "python -c 'import os; print(os.environ[\"CODEBUILD_BUILD_ID\"])'",
            ]
        },
        "post_build": {"commands": ["echo finished"]},
    }
    source = {"type": "S3", "location": f"{BUCKET}/one/", "buildspec": buildspec(**commands)}
    variables = [
        {"name": "GREETING", "value": "overridden"},
        {"name": "SECRET", "value": "/builds/secret", "type": "PARAMETER_STORE"},
    ]
    project(codebuild, "runs", source, variables=variables)
    started = start(codebuild, "runs", environmentVariablesOverride=[{"name": "GREETING", "value": "hello"}])
    build = finished(codebuild, started)
    assert build["buildStatus"] == "SUCCEEDED", build
    lines = log(localaws, build)
    assert any("from the bucket" in line for line in lines)
    assert "hello a parameter kept" in lines
    assert started in lines
    assert "finished" in lines
    assert list(statuses(build)) == [
        "SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD",
        "COMPLETED",
    ]  # fmt: skip
    assert codebuild.list_builds_for_project(projectName="runs")["ids"] == [started]
    reads = [call for call in localaws.calls("one/data/words.txt") if call["operation"] == "GetObject"]
    assert any(":assumed-role/builds/AWSCodeBuild-" in call["principal"] for call in reads)


def test_a_build_reads_a_branch_of_codecommit_and_exports_variables(
    localaws: RunningLocalAws, codebuild: Any, tmp_path: Path
) -> None:
    localaws.client("codecommit").create_repository(repositoryName="built")
    exported = {"exported-variables": ["FOUND", "UNSET"]}
    spec = json.dumps({"version": "0.2", "env": exported, "phases": {"build": {"commands": ["FOUND=$(cat word)"]}}})
    commit(localaws, "built", tmp_path, {"buildspec.yml": spec, "word": "from the repository"})
    location = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/built"
    project(codebuild, "checks-out", {"type": "CODECOMMIT", "location": location}, sourceVersion="main")
    build = finished(codebuild, start(codebuild, "checks-out"))
    assert build["buildStatus"] == "SUCCEEDED", build
    assert build["exportedEnvironmentVariables"] == [
        {"name": "FOUND", "value": "from the repository"},
        {"name": "UNSET", "value": ""},
    ]
    replaced = finished(codebuild, start(codebuild, "checks-out", sourceVersion="missing"))
    assert replaced["buildStatus"] == "FAILED"


def commit(localaws: RunningLocalAws, name: str, folder: Path, files: dict[str, str]) -> None:
    """Push files to the main branch of a repository of localaws."""
    for file, text in files.items():
        (folder / file).write_text(text)
    remote = str(localaws.settings.home / "repositories" / f"{name}.git")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (
        ["init", "-q", "-b", "main", "."],
        ["add", "-A"],
        [*author, "commit", "-q", "-m", "change"],
        ["push", "-q", remote, "main"],
    ):
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True)


def test_a_failed_command_fails_the_build_and_post_build_still_runs(localaws: RunningLocalAws, codebuild: Any) -> None:
    commands = {
        "build": {"commands": ["echo before", "exit_with() { return 7; }; exit_with", "echo never"]},
        "post_build": {"commands": ["echo cleaned up"]},
    }
    project(codebuild, "fails", {"type": "NO_SOURCE", "buildspec": buildspec(**commands)})
    build = finished(codebuild, start(codebuild, "fails"))
    assert build["buildStatus"] == "FAILED"
    assert statuses(build)["BUILD"] == "FAILED"
    (context,) = next(phase for phase in build["phases"] if phase["phaseType"] == "BUILD")["contexts"]
    assert context["message"].endswith("Reason: exit status 7")
    lines = log(localaws, build)
    assert "cleaned up" in lines
    assert "never" not in lines


def test_a_failed_install_ends_the_build(localaws: RunningLocalAws, codebuild: Any) -> None:
    commands = {"install": {"commands": ["false"]}, "build": {"commands": ["echo never"]}}
    project(codebuild, "no-install", {"type": "NO_SOURCE", "buildspec": buildspec(**commands)})
    build = finished(codebuild, start(codebuild, "no-install"))
    assert build["buildStatus"] == "FAILED"
    assert statuses(build)["INSTALL"] == "FAILED"
    assert "never" not in log(localaws, build)


def test_stopping_a_build_ends_its_processes_and_concurrent_builds_are_limited(codebuild: Any) -> None:
    source = {"type": "NO_SOURCE", "buildspec": buildspec(build={"commands": ["sleep 60"]})}
    project(codebuild, "slow", source, concurrentBuildLimit=1)
    build = start(codebuild, "slow")
    with pytest.raises(ClientError, match=r"AccountLimitExceededException.*Cannot have more than 1 builds in queue"):
        start(codebuild, "slow")
    codebuild.stop_build(id=build)
    assert finished(codebuild, build, 20)["buildStatus"] == "STOPPED"
    codebuild.stop_build(id=start(codebuild, "slow"))


def test_the_source_may_be_a_zip_file_with_its_own_buildspec(localaws: RunningLocalAws, codebuild: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("buildspec.yml", "version: 0.2\nphases:\n  build:\n    commands:\n      - sh run.sh\n")
        archive.writestr("run.sh", "echo from the archive\n")
    localaws.client("s3").put_object(Bucket=BUCKET, Key="source.zip", Body=content.getvalue())
    project(codebuild, "zipped", {"type": "S3", "location": f"{BUCKET}/source.zip"})
    build = finished(codebuild, start(codebuild, "zipped"))
    assert build["buildStatus"] == "SUCCEEDED", build
    assert "from the archive" in log(localaws, build)


@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        ("outside//tmp/localaws-outside", b"x", "refused"),
        ("broken/buildspec.yml", b"version: 0.2\nphases: [", "YAML_FILE_ERROR"),
        ("old/buildspec.yml", b"version: 0.1\nphases: {}", "version 0.2"),
        ("absent/other.txt", b"", "buildspec.yml"),
    ],
    ids=["a key that leads out of the folder", "a broken buildspec", "an old buildspec", "no buildspec"],
)
def test_a_source_that_cannot_be_built_fails_the_download_phase(
    localaws: RunningLocalAws, codebuild: Any, key: str, content: bytes, message: str
) -> None:
    folder = key.partition("/")[0]
    localaws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
    project(codebuild, f"bad-{folder}", {"type": "S3", "location": f"{BUCKET}/{folder}/"})
    build = finished(codebuild, start(codebuild, f"bad-{folder}"))
    assert build["buildStatus"] == "FAILED"
    (context,) = next(phase for phase in build["phases"] if phase["phaseType"] == "DOWNLOAD_SOURCE")["contexts"]
    assert message in context["message"]


def test_an_unknown_project_or_build_is_refused(codebuild: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        start(codebuild, "unknown")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        codebuild.stop_build(id="unknown:1")
    assert codebuild.batch_get_builds(ids=["unknown:1"])["buildsNotFound"] == ["unknown:1"]


def test_a_start_replaces_the_source_and_refuses_unknown_overrides(localaws: RunningLocalAws, codebuild: Any) -> None:
    spec = buildspec(build={"commands": ["cat name.txt", "docker push a/b:1"]})
    project(codebuild, "replaced", {"type": "S3", "location": f"{BUCKET}/folder/", "buildspec": spec})
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("name.txt", "from the other source")
    localaws.client("s3").put_object(Bucket=BUCKET, Key="other.zip", Body=content.getvalue())
    build = finished(codebuild, start(codebuild, "replaced", sourceLocationOverride=f"{BUCKET}/other.zip"))
    lines = log(localaws, build)
    assert any("from the other source" in line for line in lines)
    # Docker needs a privileged project, as in CodeBuild.
    assert any("Cannot connect to the Docker daemon" in line for line in lines)
    assert build["buildStatus"] == "FAILED"
    assert build["source"]["location"] == f"{BUCKET}/other.zip"
    with pytest.raises(ClientError, match="localaws does not have imageOverride"):
        start(codebuild, "replaced", imageOverride="another")


def test_a_project_in_a_vpc_needs_a_role_that_may_look_it_up(localaws: RunningLocalAws, codebuild: Any) -> None:
    vpc = {"vpcId": "vpc-0123456789abcdef0", "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    source = {"type": "NO_SOURCE", "buildspec": buildspec(build={"commands": ['echo "index $PIP_INDEX_URL"']})}
    index = {"name": "PIP_INDEX_URL", "value": "https://packages.example.com/simple"}
    with pytest.raises(ClientError, match="Not authorized to perform DescribeSecurityGroups"):
        project(codebuild, "in-a-vpc", source, vpcConfig=vpc, variables=[index])
    allow = {
        "Effect": "Allow",
        "Action": ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "logs:*"],
        "Resource": "*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    localaws.client("iam").put_role_policy(RoleName="builds", PolicyName="network", PolicyDocument=document)
    project(codebuild, "in-a-vpc", source, vpcConfig=vpc, variables=[index])
    build = finished(codebuild, start(codebuild, "in-a-vpc"))
    assert build["buildStatus"] == "SUCCEEDED"
    assert any(f"index {index['value']}" in line for line in log(localaws, build))
    localaws.client("iam").delete_role_policy(RoleName="builds", PolicyName="network")
    with pytest.raises(ClientError, match="Not authorized to perform DescribeSecurityGroups"):
        codebuild.update_project(name="in-a-vpc", vpcConfig=vpc, serviceRole=ROLE)
    left = codebuild.update_project(name="in-a-vpc", vpcConfig={}, serviceRole=ROLE)["project"]
    assert "vpcConfig" not in left
    codebuild.delete_project(name=left["arn"])
    assert codebuild.batch_get_projects(names=["in-a-vpc"])["projects"] == []
