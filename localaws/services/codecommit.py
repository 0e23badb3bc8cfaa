"""CodeCommit: repositories are bare git repositories below localaws's home."""

from functools import wraps
from typing import Any

from localaws.delivery.repositories import RepositoryError
from localaws.errors import AwsError
from localaws.moto_methods import original
from localaws.services.context import ServiceContext


def install(context: ServiceContext) -> None:
    """Changes moto's CodeCommit, and adds branches and commits."""
    from moto.codecommit.responses import CodeCommitResponse as Response
    from moto.core.responses import ActionResult

    repositories = context.delivery.repositories
    create = original(Response.create_repository)
    delete = original(Response.delete_repository)

    @wraps(create)
    def create_repository(self: Any) -> Any:
        answer = create(self)
        repositories.create(self._get_param("repositoryName"))
        return answer

    @wraps(delete)
    def delete_repository(self: Any) -> Any:
        if self._get_param("repositoryName") in self.codecommit_backend.repositories:
            repositories.delete(self._get_param("repositoryName"))
        return delete(self)

    def get_branch(self: Any) -> Any:
        name, branch = self._get_param("repositoryName"), self._get_param("branchName")
        self.codecommit_backend.get_repository(name)
        try:
            commit = repositories.head(name, branch)
        except RepositoryError as error:
            raise AwsError("BranchDoesNotExistException", str(error)) from None
        return ActionResult({"branch": {"branchName": branch, "commitId": commit.id}})

    def list_branches(self: Any) -> Any:
        name = self._get_param("repositoryName")
        self.codecommit_backend.get_repository(name)
        return ActionResult({"branches": sorted(repositories.heads(name))})

    Response.create_repository = create_repository
    Response.delete_repository = delete_repository
    Response.get_branch = get_branch
    Response.list_branches = list_branches
