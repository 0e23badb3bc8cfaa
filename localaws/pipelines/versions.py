"""The versions of a pipeline and their aliases, which moto does not have. They are kept on moto's pipeline.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdatePipelineVersion.html and
API_ListPipelineVersions.html; for the aliases, botocore's model of these operations. They name the errors
ResourceNotFound and ConflictException, but no texts.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from localaws.endpoints.records import refusal
from localaws.errors import AwsError
from localaws.jobs.listing import matching, page
from localaws.pipelines.executions import Executions
from localaws.services.context import Caller, Operations

# "a version can have up to 10 aliases"
MOST_ALIASES = 10
_KEPT = "localaws_versions"
# The members that DescribePipeline shows of a version.
_DESCRIBED = ("PipelineVersionDisplayName", "PipelineVersionDescription")


class PipelineVersions:
    """The operations on versions."""

    def __init__(self, executions: Executions, account: str) -> None:
        self._executions = executions
        self._account = account

    def operations(self) -> Operations:
        """The operations for SageMaker's dispatcher."""
        return Operations(
            handlers={
                "ListPipelineVersions": self.list,
                "UpdatePipelineVersion": self.update,
            }
        )

    def list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListPipelineVersions, the newest first unless the request names another order."""
        pipeline = find(self._account, caller, given["PipelineName"])
        last = {one.details.get("PipelineVersionId", 1): one.arn for one in reversed(self._executions.of(pipeline.arn))}
        found = sorted(matching(of(pipeline), given, "PipelineVersion"), key=lambda one: one["PipelineVersionId"])
        if given.get("SortOrder", "Descending") == "Descending":
            found.reverse()
        items, token = page(found, given)
        summaries = [_summary(pipeline.arn, one, last.get(one["PipelineVersionId"])) for one in items]
        return {"PipelineVersionSummaries": summaries, **({"NextToken": token} if token else {})}

    def update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """UpdatePipelineVersion: its name, its description and its aliases."""
        pipeline = find(self._account, caller, given["PipelineArn"])
        version = resolve(pipeline, {"PipelineVersionId": given["PipelineVersionId"]})
        operations = given.get("PipelineVersionAliasOperations") or {}
        removed, added = operations.get("Remove") or [], operations.get("Add") or []
        unknown = sorted(set(removed) - set(version["PipelineVersionAliases"]))
        if unknown:
            raise AwsError("ResourceNotFound", f"{_name(pipeline, version)} has no alias {', '.join(unknown)}.")
        kept = [one for one in version["PipelineVersionAliases"] if one not in removed]
        result = [*kept, *(one for one in added if one not in kept)]
        check_aliases(pipeline, added, result, version)
        version["PipelineVersionAliases"] = result
        version.update({name: given[name] for name in _DESCRIBED if given.get(name) is not None})
        return {"PipelineArn": pipeline.arn, "PipelineVersionId": version["PipelineVersionId"]}


def find(account: str, caller: Caller, name: str) -> Any:
    """moto's pipeline with a name or an ARN.

    Raises:
        AwsError: ResourceNotFound.
    """
    name = name.rsplit("/", 1)[-1]
    pipelines: dict[str, Any] = sagemaker_backends[account][caller.region].pipelines
    if name not in pipelines:
        arn = f"arn:aws:sagemaker:{caller.region}:{account}:pipeline/{name}"
        raise AwsError("ResourceNotFound", f"Pipeline '{arn}' does not exist.")
    return pipelines[name]


def of(pipeline: Any) -> list[dict[str, Any]]:
    """A pipeline's versions, oldest first. A pipeline that an earlier localaws saved has one."""
    versions: list[dict[str, Any]] = vars(pipeline).setdefault(_KEPT, [])
    if not versions:
        versions.append(_version(pipeline, 1))
    return versions


def add(pipeline: Any, aliases: list[str]) -> int:
    """Keep the pipeline's definition as a version, if it differs from that of the latest. Returns the latest's id."""
    versions = of(pipeline)
    if pipeline.pipeline_definition != versions[-1]["PipelineDefinition"]:
        versions.append(_version(pipeline, versions[-1]["PipelineVersionId"] + 1))
    versions[-1]["PipelineVersionAliases"] += aliases
    latest: int = versions[-1]["PipelineVersionId"]
    return latest


def resolve(pipeline: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The version that a request names by PipelineVersionId or PipelineVersionAlias, or else the latest.

    Raises:
        AwsError: ValidationException, ResourceNotFound.
    """
    number, alias = given.get("PipelineVersionId"), given.get("PipelineVersionAlias")
    if number and alias:
        raise refusal("You can't specify both PipelineVersionId and PipelineVersionAlias.")
    version: dict[str, Any]
    for version in reversed(of(pipeline)):
        if number == version["PipelineVersionId"] or alias in version["PipelineVersionAliases"]:
            return version
        if not (number or alias):
            return version
    missing = f"the alias {alias}" if alias else f"the id {number}"
    raise AwsError("ResourceNotFound", f"Pipeline '{pipeline.arn}' has no version with {missing}.")


def described(version: dict[str, Any]) -> dict[str, Any]:
    """What DescribePipeline shows of a version."""
    shown = {"PipelineDefinition": version["PipelineDefinition"], **aliases(version)}
    return shown | {name: version[name] for name in _DESCRIBED if name in version}


def aliases(version: dict[str, Any]) -> dict[str, list[str]]:
    """The member with a version's aliases, if it has any."""
    found = version["PipelineVersionAliases"]
    return {"PipelineVersionAliases": [*found]} if found else {}


def check_aliases(
    pipeline: Any, added: Iterable[str], result: list[str], version: dict[str, Any] | None = None
) -> None:
    """Refuse aliases that a version cannot have: "can't consist of numbers only", "must be unique within the pipeline".

    Args:
        pipeline: None if it is new.
        result: all that the version would have.
        version: None if it is new.

    Raises:
        AwsError: ValidationException, ConflictException.
    """
    for alias in added:
        if alias.isdigit():
            raise refusal(f"The alias {alias} consists of numbers only.")
        for other in of(pipeline) if pipeline else ():
            if other is not version and alias in other["PipelineVersionAliases"]:
                raise AwsError("ConflictException", f"{_name(pipeline, other)} has the alias {alias}. Remove it there.")
    repeated = [alias for alias, count in Counter(result).items() if count > 1]
    if repeated:
        raise refusal(f"An alias is given more than once: {', '.join(repeated)}.")
    if len(result) > MOST_ALIASES:
        raise refusal(f"The version would have {len(result)} aliases. At most {MOST_ALIASES} are allowed.")


def _version(pipeline: Any, number: int) -> dict[str, Any]:
    # Naive, as moto's own times: its serializer takes no others.
    created = datetime.now(UTC).replace(tzinfo=None) if number > 1 else pipeline.creation_time
    return {
        "PipelineVersionId": number,
        "PipelineDefinition": pipeline.pipeline_definition,
        "CreationTime": created,
        "PipelineVersionAliases": [],
    }


def _summary(arn: str, version: dict[str, Any], last: str | None) -> dict[str, Any]:
    shown = {name: value for name, value in version.items() if name != "PipelineDefinition" and value != []}
    return {"PipelineArn": arn, **shown, **({"LastExecutionPipelineExecutionArn": last} if last else {})}


def _name(pipeline: Any, version: dict[str, Any]) -> str:
    return f"Version {version['PipelineVersionId']} of pipeline '{pipeline.arn}'"
