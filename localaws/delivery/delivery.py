"""Connects repositories, pipelines and events."""

from collections.abc import Iterator
from typing import Any

from botocore.config import Config

from localaws.clients import client
from localaws.credentials import Credentials
from localaws.delivery.deliveries import Deliveries
from localaws.delivery.events import SESSION, Events
from localaws.delivery.record import Execution
from localaws.delivery.repositories import Repositories
from localaws.delivery.role import CODEPIPELINE, EVENTS
from localaws.delivery.watcher import Watcher
from localaws.principals import Principals, random_id
from localaws.settings import Settings

_CLIENTS = Config(retries={"total_max_attempts": 3}, read_timeout=60, s3={"addressing_style": "path"})


class Delivery:
    """CodeCommit's repositories, CodePipeline's executions, and EventBridge's targets, of one localaws."""

    def __init__(self, settings: Settings, principals: Principals, administrator: Credentials) -> None:
        self._settings = settings
        self._principals = principals
        self.repositories = Repositories(settings.home / "repositories")
        self.deliveries = Deliveries(self.repositories, self._assume, self._changed)
        self.events = Events(settings.account, self._target, lambda service: self._client(service, administrator))
        self.watcher = Watcher(self.repositories, self._pushed)

    def close(self) -> None:
        """Stop the watcher and every execution."""
        self.watcher.close()
        self.deliveries.close()

    def pushed_to(self, region: str, repository: str, branch: str) -> Iterator[tuple[dict[str, Any], str, str]]:
        """The pipelines that a push starts by themselves: structure, ARN and type of trigger.

        Sources: PollForSourceChanges and DetectChanges are true by default
        (https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeCommit.html and
        action-reference-CodestarConnectionSource.html).
        """
        from moto.codepipeline.models import codepipeline_backends

        for one in list(codepipeline_backends[self._settings.account][region].pipelines.values()):
            for action in one.pipeline["stages"][0]["actions"]:
                trigger = _trigger(action, repository, branch)
                if trigger:
                    yield one.pipeline, one.metadata["pipelineArn"], trigger
                    break

    def _pushed(self, repository: str, branch: str, before: str | None, commit: str) -> None:
        region, account = self._settings.region, self._settings.account
        for pipeline, arn, trigger in self.pushed_to(region, repository, branch):
            self.deliveries.start(pipeline, arn, trigger, commit)
        if "/" not in repository:
            # https://docs.aws.amazon.com/codecommit/latest/userguide/monitoring-events.html
            detail = {
                "event": "referenceUpdated" if before else "referenceCreated",
                "repositoryName": repository,
                "referenceType": "branch",
                "referenceName": branch,
                "referenceFullName": f"refs/heads/{branch}",
                "commitId": commit,
                **({"oldCommitId": before} if before else {}),
            }
            resource = f"arn:aws:codecommit:{region}:{account}:{repository}"
            self.events.put(region, "aws.codecommit", "CodeCommit Repository State Change", detail, [resource])

    def _changed(self, execution: Execution, arn: str, state: str) -> None:
        """https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html."""
        detail = {
            "pipeline": execution.pipeline["name"],
            "execution-id": execution.id,
            "state": state,
            "version": execution.pipeline["version"],
            "execution-trigger": {
                "trigger-type": execution.trigger["triggerType"],
                "trigger-detail": execution.trigger["triggerDetail"],
            },
            "pipeline-execution-attempt": 1.0,
        }
        kind = "CodePipeline Pipeline Execution State Change"
        self.events.put(arn.split(":")[3], "aws.codepipeline", kind, detail, [arn])

    def _assume(self, role: str, pipeline: str) -> Any:
        credentials = self._principals.assume(role, f"codepipeline-{random_id()}", CODEPIPELINE, pipeline)
        return lambda service: self._client(service, credentials)

    def _target(self, role: str, rule: str, service: str) -> Any:
        return self._client(service, self._principals.assume(role, f"{SESSION}{random_id()}", EVENTS, rule))

    def _client(self, service: str, credentials: Credentials) -> Any:
        return client(service, credentials, self._settings.region, self._settings.url, _CLIENTS)


def _trigger(action: dict[str, Any], repository: str, branch: str) -> str:
    """The type of the execution's trigger if a push to a branch starts it; otherwise empty."""
    configuration = action.get("configuration") or {}
    if configuration.get("BranchName") != branch:
        return ""
    provider = action["actionTypeId"]["provider"]
    if provider == "CodeCommit" and configuration.get("RepositoryName") == repository:
        return "PollForSourceChanges" if configuration.get("PollForSourceChanges", "true") == "true" else ""
    if provider == "CodeStarSourceConnection" and configuration.get("FullRepositoryId") == repository:
        return "Webhook" if configuration.get("DetectChanges", "true") == "true" else ""
    return ""
