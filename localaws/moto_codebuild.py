"""CodeBuild projects that can be changed: moto only makes them, and forgets their limit of builds."""

from typing import Any

# UpdateProject's fields, which moto keeps under the same names.
# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_UpdateProject.html
FIELDS = (
    "description", "source", "sourceVersion", "artifacts", "cache", "environment", "serviceRole", "timeoutInMinutes",
    "queuedTimeoutInMinutes", "tags", "vpcConfig", "logsConfig", "concurrentBuildLimit",
)  # fmt: skip


def let_projects_change() -> None:
    """Adds UpdateProject, and the limit of concurrent builds, to moto's CodeBuild; a second time it does nothing."""
    from moto.codebuild.exceptions import ResourceNotFoundException
    from moto.codebuild.responses import CodeBuildResponse
    from moto.core.responses import ActionResult

    if hasattr(CodeBuildResponse, "update_project"):
        return
    create = CodeBuildResponse.create_project

    def create_project(self: Any) -> Any:
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
        given = {field: self._get_param(field) for field in FIELDS}
        project.project_metadata.update({field: value for field, value in given.items() if value is not None})
        return ActionResult({"project": project.project_metadata})

    CodeBuildResponse.create_project = create_project
    CodeBuildResponse.update_project = update_project
