"""CodeBuild: adds UpdateProject, the check of the service role, projects without a source, and builds that run."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from localaws.builds.builds import Builds
from localaws.builds.role import CODEBUILD, check_network
from localaws.call import current_call
from localaws.errors import AwsError
from localaws.moto_methods import original
from localaws.services.context import ServiceContext

# UpdateProject's fields; moto stores them under the same names.
# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_UpdateProject.html
FIELDS = (
    "description", "source", "sourceVersion", "artifacts", "cache", "environment", "serviceRole", "timeoutInMinutes",
    "queuedTimeoutInMinutes", "tags", "vpcConfig", "logsConfig", "concurrentBuildLimit",
)  # fmt: skip


def install(context: ServiceContext) -> None:
    """Changes moto's CodeBuild."""
    from moto.codebuild.exceptions import ResourceNotFoundException
    from moto.codebuild.models import CodeBuildBackend
    from moto.codebuild.responses import CodeBuildResponse
    from moto.core.responses import ActionResult

    create = original(CodeBuildResponse.create_project)

    def check_role(self: Any) -> None:
        role = self._get_param("serviceRole") or ""
        if role.startswith("arn:"):  # moto refuses anything else.
            project = f"arn:aws:codebuild:{self.region}:{self.current_account}:project/{self._get_param('name')}"
            context.principals.check_trust(role, CODEBUILD, project)
            if (self._get_param("vpcConfig") or {}).get("vpcId"):
                check_network(context.principals.is_allowed, role)

    @wraps(create)
    def create_project(self: Any) -> Any:
        _check_project(self._get_param)
        check_role(self)
        answer = create(self)
        limit = self._get_param("concurrentBuildLimit")
        if limit is not None:
            self.codebuild_backend.codebuild_projects[self._get_param("name")].project_metadata[
                "concurrentBuildLimit"
            ] = limit
        return answer

    def update_project(self: Any) -> Any:
        name = self._get_param("name")
        project = self.codebuild_backend.codebuild_projects.get(name)
        if project is None:
            raise ResourceNotFoundException(f"Project cannot be found: {name}")
        _check_project(self._get_param)
        check_role(self)
        given = {field: self._get_param(field) for field in FIELDS}
        project.project_metadata.update({field: value for field, value in given.items() if value is not None})
        # The AWS provider takes a project out of its network with an empty vpcConfig, and then expects none:
        # https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/codebuild/project_test.go (vpc)
        if given["vpcConfig"] == {}:
            del project.project_metadata["vpcConfig"]
        return ActionResult({"project": project.project_metadata})

    delete = original(CodeBuildBackend.delete_project)

    @wraps(delete)
    def delete_project(self: Any, project_name: str) -> None:
        """Takes the ARN, too, with which the AWS provider deletes a project."""
        delete(self, project_name.rpartition("/")[2])

    CodeBuildBackend.delete_project = delete_project
    CodeBuildResponse.create_project = create_project
    CodeBuildResponse.update_project = update_project
    _allow_no_source()
    _run_builds(context.builds)


def _check_project(get: Callable[[str], Any]) -> None:
    """Refuse a project without what its types need.

    Sources: API_ProjectSource, API_ProjectCache, API_S3LogsConfig, and
    https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/codebuild_project
    """
    source, cache = get("source") or {}, get("cache") or {}
    logs = (get("logsConfig") or {}).get("s3Logs") or {}
    for wrong, message in (
        (source.get("type") == "NO_SOURCE" and not source.get("buildspec"), "NO_SOURCE needs a buildspec"),
        (cache.get("type") == "LOCAL" and not cache.get("modes"), "a local cache needs modes"),
        (cache.get("type") == "S3" and not cache.get("location"), "a cache in S3 needs a location"),
        (logs.get("status") == "ENABLED" and not logs.get("location"), "logs in S3 need a location"),
    ):
        if wrong:
            raise AwsError("InvalidInputException", f"Invalid project: {message}.")


def _allow_no_source() -> None:
    """Takes projects without a location where AWS needs none and moto does.

    Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ProjectSource.html and
    API_ProjectArtifacts.html
    """
    from moto.codebuild import responses

    validate = original(responses._validate_required_params_source)

    @wraps(validate)
    def validate_source(source: dict[str, Any]) -> None:
        if source.get("type") not in ("NO_SOURCE", "CODEPIPELINE"):
            validate(source)

    validate_output = original(responses._validate_required_params_artifacts)

    @wraps(validate_output)
    def validate_artifacts(artifacts: dict[str, Any]) -> None:
        if artifacts.get("type") != "CODEPIPELINE":
            validate_output(artifacts)

    responses._validate_required_params_source = validate_source
    responses._validate_required_params_artifacts = validate_artifacts


def _run_builds(builds: Builds) -> None:
    """Replaces moto's operations on builds: moto runs nothing and calls every build a success."""
    from moto.codebuild.responses import CodeBuildResponse
    from moto.core.responses import ActionResult

    def start_build(self: Any) -> Any:
        given = json.loads(self.body)
        project = self.codebuild_backend.codebuild_projects.get(given["projectName"])
        if project is None:
            raise AwsError("ResourceNotFoundException", f"Project cannot be found: {given['projectName']}")
        initiator = current_call.get().principal.rpartition(":")[2]
        return ActionResult({"build": builds.start(dict(project.project_metadata), given, initiator)})

    def batch_get_builds(self: Any) -> Any:
        wanted = json.loads(self.body)["ids"]
        found = builds.describe(wanted)
        missing = sorted(set(wanted) - {build["id"] for build in found})
        return ActionResult({"builds": found, "buildsNotFound": missing})

    def list_builds(_self: Any) -> Any:
        return ActionResult({"ids": builds.names()})

    def list_builds_for_project(self: Any) -> Any:
        name = json.loads(self.body)["projectName"]
        if name not in self.codebuild_backend.codebuild_projects:
            raise AwsError("ResourceNotFoundException", f"The provided project {name} does not exist")
        return ActionResult({"ids": builds.names(name)})

    def stop_build(self: Any) -> Any:
        return ActionResult({"build": builds.stop(json.loads(self.body)["id"])})

    for operation in (start_build, batch_get_builds, list_builds, list_builds_for_project, stop_build):
        setattr(CodeBuildResponse, operation.__name__, operation)
