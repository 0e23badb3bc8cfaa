"""CodeBuild: adds UpdateProject, the limit of concurrent builds and the check of the service role to moto."""

from functools import wraps
from typing import Any

from localaws.iam.trust import Service
from localaws.services.context import ServiceContext

# UpdateProject's fields; moto stores them under the same names.
# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_UpdateProject.html
FIELDS = (
    "description", "source", "sourceVersion", "artifacts", "cache", "environment", "serviceRole", "timeoutInMinutes",
    "queuedTimeoutInMinutes", "tags", "vpcConfig", "logsConfig", "concurrentBuildLimit",
)  # fmt: skip
# Source of the condition keys, an account's id and a project's ARN:
# https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
CODEBUILD = Service(
    "codebuild.amazonaws.com",
    "InvalidInputException",
    "CodeBuild is not authorized to perform: sts:AssumeRole on service role. Please verify that: 1) The provided "
    "service role exists, 2) The role name is case-sensitive and matches exactly, and 3) The role has the necessary "
    "trust policy configured.",
)


def install(context: ServiceContext) -> None:
    """Changes moto's CodeBuild."""
    from moto.codebuild.exceptions import ResourceNotFoundException
    from moto.codebuild.responses import CodeBuildResponse
    from moto.core.responses import ActionResult

    create = getattr(CodeBuildResponse.create_project, "__wrapped__", CodeBuildResponse.create_project)

    def check_role(self: Any) -> None:
        role = self._get_param("serviceRole") or ""
        if role.startswith("arn:"):  # moto refuses anything else.
            project = f"arn:aws:codebuild:{self.region}:{self.current_account}:project/{self._get_param('name')}"
            context.principals.check_trust(role, CODEBUILD, project)

    @wraps(create)
    def create_project(self: Any) -> Any:
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
        check_role(self)
        given = {field: self._get_param(field) for field in FIELDS}
        project.project_metadata.update({field: value for field, value in given.items() if value is not None})
        return ActionResult({"project": project.project_metadata})

    CodeBuildResponse.create_project = create_project
    CodeBuildResponse.update_project = update_project
