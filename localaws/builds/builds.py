"""CodeBuild's operations on builds. moto keeps the projects; it runs nothing and calls every build a success."""

import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from localaws.builds.builder import Builder, Job
from localaws.builds.record import IN_PROGRESS, BuildRecord
from localaws.errors import AwsError

# Minutes: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_CreateProject.html
DEFAULT_TIMEOUT = 60


_SOURCE_OVERRIDES = {
    "sourceTypeOverride": "type",
    "sourceLocationOverride": "location",
    "buildspecOverride": "buildspec",
}
_OVERRIDES = {*_SOURCE_OVERRIDES, "environmentVariablesOverride", "timeoutInMinutesOverride"}


class Builds:
    """All builds of one localaws, newest last."""

    def __init__(self, builder: Builder, environment: Mapping[str, str]) -> None:
        """`environment` is what AWS clients in a build need to find localaws."""
        self._builder = builder
        self._environment = environment
        self._records: dict[str, BuildRecord] = {}
        self._numbers: defaultdict[str, int] = defaultdict(int)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self, project: Mapping[str, Any], given: Mapping[str, Any], initiator: str) -> dict[str, Any]:
        """StartBuild.

        Args:
            project: the project as BatchGetProjects returns it.
            given: the request.

        Raises:
            AwsError: AccountLimitExceededException if the project's limit of concurrent builds is reached;
                InvalidInputException for a variable of an unknown type, or for an override that localaws does not have.
        """
        project = _overridden(project, given)
        variables, parameters = _variables(project, given)
        name = project["name"]
        with self._lock:
            self._check_limit(project)
            self._numbers[name] += 1
            identifier = f"{name}:{uuid.uuid4()}"
            arn = str(project["arn"]).replace(":project/", ":build/").rpartition("/")[0]
            details = {
                "arn": f"{arn}/{identifier}",
                "buildNumber": self._numbers[name],
                "initiator": initiator,
                "source": project["source"],
                "environment": project["environment"],
                "serviceRole": project["serviceRole"],
                "logs": _logs(project, identifier),
                "timeoutInMinutes": project.get("timeoutInMinutes") or DEFAULT_TIMEOUT,
            }
            record = BuildRecord(identifier, name, details)
            self._records[identifier] = record
        timeout = 60.0 * int(given.get("timeoutInMinutesOverride") or details["timeoutInMinutes"])
        job = Job(record, project, variables, parameters, timeout, self._environment)
        thread = threading.Thread(target=self._builder.run, args=(job,), name=f"build {identifier}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return record.describe()

    def describe(self, identifiers: list[str]) -> list[dict[str, Any]]:
        """BatchGetBuilds: the builds that exist."""
        return [self._records[one].describe() for one in identifiers if one in self._records]

    def names(self, project: str | None = None) -> list[str]:
        """ListBuilds and ListBuildsForProject: the newest first."""
        return [record.id for record in reversed(self._records.values()) if project in (None, record.project)]

    def stop(self, identifier: str) -> dict[str, Any]:
        """StopBuild.

        Raises:
            AwsError: ResourceNotFoundException.
        """
        record = self._records.get(identifier)
        if record is None:
            raise AwsError("ResourceNotFoundException", f"Build {identifier} cannot be found.")
        record.stop_requested.set()
        return record.describe()

    def close(self) -> None:
        """Stop every build and wait for it."""
        for record in list(self._records.values()):
            record.stop_requested.set()
        for thread in self._threads:
            thread.join(10)

    def _check_limit(self, project: Mapping[str, Any]) -> None:
        # The message follows that of AWS, as quoted in awslabs/landing-zone-accelerator-on-aws#249.
        limit, name = project.get("concurrentBuildLimit"), project["name"]
        running = [one for one in self._records.values() if one.project == name and one.status == IN_PROGRESS]
        if limit is not None and int(limit) > 0 and len(running) >= int(limit):
            raise AwsError(
                "AccountLimitExceededException", f"Cannot have more than {limit} builds in queue for the project"
            )


def _overridden(project: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The project with the settings that StartBuild replaces for one build.

    Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
    """
    unknown = sorted(name for name in given if name.endswith("Override") and name not in _OVERRIDES)
    if unknown:
        raise AwsError("InvalidInputException", f"localaws does not have {unknown[0]}")
    source = dict(project["source"])
    for name, replaced in _SOURCE_OVERRIDES.items():
        if name in given:
            source[replaced] = given[name]
    version = {"sourceVersion": given["sourceVersion"]} if given.get("sourceVersion") else {}
    return {**project, "source": source, **version}


def _variables(project: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The plain variables and the parameters of a build; StartBuild's overrides win."""
    plain: dict[str, str] = {}
    parameters: dict[str, str] = {}
    own = project["environment"].get("environmentVariables") or []
    for variable in [*own, *(given.get("environmentVariablesOverride") or [])]:
        name, kind = variable["name"], variable.get("type") or "PLAINTEXT"
        if kind not in ("PLAINTEXT", "PARAMETER_STORE"):
            raise AwsError("InvalidInputException", f"localaws has no variables of type {kind}: {name}")
        (plain if kind == "PLAINTEXT" else parameters)[name] = variable["value"]
        (parameters if kind == "PLAINTEXT" else plain).pop(name, None)
    return plain, parameters


def _logs(project: Mapping[str, Any], identifier: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/codebuild/latest/APIReference/API_CloudWatchLogsConfig.html."""
    name, _, build = identifier.partition(":")
    config = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {}
    stream = f"{config['streamName']}/{build}" if config.get("streamName") else build
    return {
        "groupName": config.get("groupName") or f"/aws/codebuild/{name}",
        "streamName": stream,
        "cloudWatchLogs": {"status": "ENABLED"},
    }
