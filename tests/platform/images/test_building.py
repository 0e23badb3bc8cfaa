"""Builds in CodeBuild and on this machine: skipped, followed, failed, interrupted, overtaken by another build."""

import base64
import json
import tarfile
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.environment import Environment, EnvironmentRef, TrackingServer
from mlflow_platform.images.building import InterruptedBuildError, build_image
from mlflow_platform.images.codebuild import Clients, CodeBuildBuilder
from mlflow_platform.images.context import BuildContext, make_context
from mlflow_platform.images.local_builder import LocalBuilder
from mlflow_platform.images.model_requirements import read_requirements
from mlflow_platform.images.repository import ImageRepository, image_for

BUCKET, PROJECT, REPOSITORY = "artifacts", "mlflow-staging-serving-image", "mlflow-staging-serving"
URL = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}"
REQUIREMENTS = "mlflow==3.17.2\nscikit-learn==1.7.2\n"
BUILD = f"{PROJECT}:1"


def environment(**more: Any) -> Environment:
    ref = EnvironmentRef("staging")
    given = {"serving_repository": URL, "image_build_project": PROJECT} | more
    return Environment(
        ref=ref,
        project="mlflow",
        account="123456789012",
        region="us-east-1",
        server=TrackingServer("arn", "mlflow-staging-3-0", "3.0", ref),
        artifact_store=f"s3://{BUCKET}",
        bucket=BUCKET,
        endpoint_role="arn:aws:iam::123456789012:role/endpoints",
        **given,
    )


@pytest.fixture
def aws(aws: Callable[[str], Any]) -> Any:
    """As a session, with a bucket and a repository."""
    aws("s3").create_bucket(Bucket=BUCKET)
    aws("ecr").create_repository(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE")
    return SimpleNamespace(client=aws)


def context() -> BuildContext:
    return make_context(REQUIREMENTS, "3.12", source="r.txt")


def push(session: Any, tag: str) -> None:
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": []}
    session.client("ecr").put_image(repositoryName=REPOSITORY, imageManifest=json.dumps(manifest), imageTag=tag)


class CodeBuild:
    """CodeBuild's API for one build: each look at it makes a step."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, *steps: Callable[[], None], status: str = "SUCCEEDED", refusal: str = "") -> None:
        self.steps, self.status, self.refusal = list(steps), status, refusal
        self.started: dict[str, Any] = {}
        self.stopped: list[str] = []

    def start_build(self, **given: Any) -> Any:
        if self.refusal:
            raise ClientError(
                {"Error": {"Code": self.refusal, "Message": "Cannot have more than 1 builds"}}, "StartBuild"
            )
        self.started = given
        return {"build": {"id": BUILD}}

    def batch_get_builds(self, ids: list[str]) -> Any:
        assert ids == [BUILD]
        found: dict[str, Any] = {"logs": {"groupName": "builds", "streamName": "1"}, "buildComplete": not self.steps}
        if self.steps:
            self.steps.pop(0)()
        else:
            failed = {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": "exit status 1"}]}
            found |= {"buildStatus": self.status, "phases": [] if self.status == "SUCCEEDED" else [failed]}
        return {"builds": [found]}

    def stop_build(self, **given: Any) -> None:
        self.stopped.append(given["id"])


def builder(session: Any, codebuild: CodeBuild, shown: list[str] | None = None) -> CodeBuildBuilder:
    clients = Clients(codebuild, session.client("s3"), session.client("logs"))
    clock = SimpleNamespace(now=lambda: 0.0, sleep=lambda _: None)
    show = (shown if shown is not None else []).append
    return CodeBuildBuilder(clients, environment(), progress=lambda _: None, show=show, clock=clock)


def build(session: Any, codebuild: CodeBuild, shown: list[str] | None = None) -> Any:
    repository = ImageRepository(session.client("ecr"), environment())
    return build_image(context(), repository, builder(session, codebuild, shown), progress=lambda _: None)


def sources(session: Any) -> list[str]:
    return [item["Key"] for item in session.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def log(session: Any, *lines: str) -> None:
    logs = session.client("logs")
    if not logs.describe_log_groups()["logGroups"]:
        logs.create_log_group(logGroupName="builds")
        logs.create_log_stream(logGroupName="builds", logStreamName="1")
    events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
    logs.put_log_events(logGroupName="builds", logStreamName="1", logEvents=events)


def test_an_image_that_exists_is_not_built_again(aws: Any) -> None:
    push(aws, context().tag)
    codebuild = CodeBuild()
    built = build(aws, codebuild)
    assert (built.built, built.uri, codebuild.started) == (False, f"{URL}:{context().tag}", {})


def test_a_build_gets_its_source_and_variables_and_its_log_is_followed(aws: Any) -> None:
    read = []

    def begin() -> None:
        (key,) = sources(aws)
        read.append(aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())
        log(aws, "Step 1", "Step 2")

    def end() -> None:
        log(aws, "pushed")
        push(aws, context().tag)

    codebuild, shown = CodeBuild(begin, lambda: None, end), []
    built = build(aws, codebuild, shown)
    assert built.built
    assert built.digest.startswith("sha256:")
    assert shown == ["Step 1", "Step 2", "pushed"]
    assert read == [context().archive()]
    assert sources(aws) == []
    variables = {one["name"]: one["value"] for one in codebuild.started["environmentVariablesOverride"]}
    assert variables == {"IMAGE": f"{URL}:{context().tag}", **context().arguments}
    assert codebuild.started["sourceLocationOverride"].startswith(f"{BUCKET}/images/{context().tag}-")


def test_a_failed_build_ends_with_its_reason_and_the_end_of_its_log_and_leaves_nothing(aws: Any) -> None:
    codebuild = CodeBuild(lambda: log(aws, *(f"line {n}" for n in range(30))), lambda: log(aws, "No matching version"),
                          status="FAILED")  # fmt: skip
    with pytest.raises(PlatformError) as failed:
        build(aws, codebuild)
    assert failed.value.status == 1
    assert "ended with status FAILED in phase BUILD: exit status 1" in failed.value.message
    assert failed.value.details[-1] == "No matching version"
    assert len(failed.value.details) == 20
    assert sources(aws) == []


def test_a_build_that_lost_the_race_for_the_tag_counts_as_done(aws: Any) -> None:
    built = build(aws, CodeBuild(lambda: push(aws, context().tag), status="FAILED"))
    assert (built.built, built.uri) == (False, f"{URL}:{context().tag}")


def test_ctrl_c_stops_the_build(aws: Any) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    codebuild = CodeBuild(interrupt)
    with pytest.raises(InterruptedBuildError) as interrupted:
        build(aws, codebuild)
    assert interrupted.value.status == 130
    assert codebuild.stopped == [BUILD]
    assert sources(aws) == []


@pytest.mark.parametrize(
    ("code", "kind", "complaint"),
    [
        ("ResourceNotFoundException", PreconditionError, f"the CodeBuild project {PROJECT} does not exist"),
        ("AccountLimitExceededException", PlatformError, "CodeBuild cannot start another build now"),
    ],
)
def test_a_build_that_cannot_start_is_explained(aws: Any, code: str, kind: type, complaint: str) -> None:
    with pytest.raises(PlatformError) as refused:
        build(aws, CodeBuild(refusal=code))
    assert type(refused.value) is kind
    assert complaint in refused.value.message
    assert sources(aws) == []


def test_a_missing_repository_bucket_or_project_is_a_precondition(aws: Any) -> None:
    aws.client("ecr").delete_repository(repositoryName=REPOSITORY)
    with pytest.raises(PreconditionError, match=f"the image repository {REPOSITORY} does not exist"):
        build(aws, CodeBuild())
    with pytest.raises(PreconditionError, match="name no image repository"):
        ImageRepository(aws.client("ecr"), environment(serving_repository=None))
    with pytest.raises(PreconditionError, match="has no project that builds images"):
        CodeBuildBuilder(
            Clients(None, None, None),  # type: ignore[arg-type]
            environment(image_build_project=None),
            progress=lambda _: None,
            show=lambda _: None,
            clock=None,
        )
    aws.client("ecr").create_repository(repositoryName=REPOSITORY)
    aws.client("s3").delete_bucket(Bucket=BUCKET)
    with pytest.raises(PreconditionError, match=f"the bucket {BUCKET} does not exist"):
        build(aws, CodeBuild())


class Ran:
    """Records the commands of a local build; those that begin with `fails` end with status 1."""

    def __init__(self, fails: Sequence[str] = ()) -> None:
        self.fails = list(fails)
        self.commands: list[list[str]] = []
        self.written: list[str] = []

    def __call__(self, command: Sequence[str], _variables: Any, text: str, take: Callable[[str], None]) -> int:
        self.commands.append(list(command))
        self.written.append(text)
        take("a line")
        return int(bool(self.fails) and list(command[: len(self.fails)]) == self.fails)


@pytest.mark.parametrize("program", ["docker", "podman", "buildah"])
def test_a_local_build_builds_logs_in_and_pushes(aws: Any, program: str) -> None:
    ran = Ran()
    local = LocalBuilder(program, aws.client("ecr"), progress=lambda _: None, show=lambda _: None, run=ran)
    local.build(context(), ImageRepository(aws.client("ecr"), environment()))
    commands = [command[:2] for command in ran.commands]
    assert commands[:3] == [[program, "build"], [program, "login"], [program, "push"]]
    assert "--platform=linux/amd64" in ran.commands[0]
    assert f"--tag={URL}:{context().tag}" in ran.commands[0]
    assert (["docker", "logout"] in commands) == (program == "docker")
    (granted,) = aws.client("ecr").get_authorization_token()["authorizationData"]
    password = base64.b64decode(granted["authorizationToken"]).decode().partition(":")[2]
    assert ran.written[1] == password
    assert not any(password in word for command in ran.commands for word in command)


def test_a_failed_local_build_pushes_nothing_and_shows_the_end_of_the_output(aws: Any) -> None:
    ran = Ran(["docker", "build"])
    local = LocalBuilder("docker", aws.client("ecr"), progress=lambda _: None, show=lambda _: None, run=ran)
    with pytest.raises(PlatformError) as failed:
        local.build(context(), ImageRepository(aws.client("ecr"), environment()))
    assert (failed.value.message, failed.value.details) == (
        "`docker build` ended with status 1. It printed:",
        ("a line",),
    )
    assert len(ran.commands) == 1


@pytest.mark.parametrize(
    "index", [f"https://me:{'secret'}@index.example/simple", "https://a.example https://t@b.example"]
)
def test_the_password_of_a_package_index_does_not_get_into_an_image(
    aws: Any, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    ran = Ran()
    local = LocalBuilder("docker", aws.client("ecr"), progress=lambda _: None, show=lambda _: None, run=ran)
    repository = ImageRepository(aws.client("ecr"), environment())
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index)
    with pytest.raises(InputError, match="PIP_EXTRA_INDEX_URL has a user name or a password") as refused:
        local.build(context(), repository)
    assert ran.commands == []
    assert "secret" not in refused.value.message
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://index.example/~me@home/simple")
    local.build(context(), repository)


def test_a_program_that_is_not_installed_is_a_precondition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PreconditionError, match="podman is not installed"):
        LocalBuilder("podman", None, progress=lambda _: None, show=lambda _: None)


def put(session: Any, key: str, text: str) -> None:
    session.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def test_the_image_of_a_model_is_found_by_its_requirements(aws: Any) -> None:
    put(aws, "m/requirements.txt", "scikit-learn==1.7.2\nmlflow==3.17.2\n")
    put(aws, "m/python_env.yaml", "python: 3.12.4\nbuild_dependencies:\n- pip\n")
    found = (aws.client("ecr"), aws.client("s3"), environment(), f"s3://{BUCKET}/m")
    assert image_for(*found) is None
    push(aws, context().tag)
    assert image_for(*found) == f"{URL}:{context().tag}"


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "there is no MLflow model with a requirements.txt"),
        ({"m/requirements.txt": "mlflow"}, "does not name its Python version"),
        ({"m/requirements.txt": "mlflow", "m/python_env.yaml": "python: [3]"}, "does not name its Python version"),
    ],
)
def test_a_model_that_does_not_say_what_it_needs_is_refused(aws: Any, files: dict[str, str], complaint: str) -> None:
    for key, text in files.items():
        put(aws, key, text)
    with pytest.raises(InputError, match=complaint):
        read_requirements(aws.client("s3"), f"s3://{BUCKET}/m")


def test_the_requirements_of_an_archive_are_read_from_it(aws: Any, tmp_path: Any) -> None:
    for name, text in {"MLmodel": "a", "python_env.yaml": "python: '3.11'\n", "requirements.txt": "mlflow"}.items():
        (tmp_path / name).write_text(text)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        for name in ("MLmodel", "python_env.yaml", "requirements.txt"):
            tar.add(tmp_path / name, f"./{name}")
    s3 = aws.client("s3")
    s3.upload_file(str(tmp_path / "model.tar.gz"), BUCKET, "a/model.tar.gz")
    found = read_requirements(s3, f"s3://{BUCKET}/a/model.tar.gz")
    assert (found.text, found.python) == ("mlflow", "3.11")
    with pytest.raises(InputError, match="there is no archive"):
        read_requirements(s3, f"s3://{BUCKET}/b/model.tar.gz")
    put(aws, "c/model.tar.gz", "not an archive")
    with pytest.raises(InputError, match=r"is not a tar\.gz archive"):
        read_requirements(s3, f"s3://{BUCKET}/c/model.tar.gz")
