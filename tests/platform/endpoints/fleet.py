"""Endpoints whose states a test controls, behind a real boto3 client.

moto's endpoints are in service at once and cannot be updated. This replaces the operations on endpoints. botocore still
checks every parameter, and moto keeps models and configurations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

_CHANGING = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}
_START = datetime(2026, 1, 1, tzinfo=UTC)
_OPERATIONS = (
    *("DescribeEndpoint", "CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint"),
    *("ListTags", "AddTags", "DeleteTags"),
)


@dataclass
class Step:
    """One response of DescribeEndpoint; `gone` means that there is no endpoint."""

    status: str
    config: str
    reason: str = ""
    gone: bool = False
    pending: str = ""


GONE = Step("", "", gone=True)


@dataclass
class Fleet:
    """One endpoint. `after_create` and `after_update` are the statuses that follow; the last one stays.

    Two of them are not AWS's: FAILED_BACK is InService with the previous configuration (and `reason`, as with Failed),
    UNCHANGED is the endpoint as it was before the update. `shows_pending` adds PendingDeploymentSummary to an update.
    """

    sagemaker: Any
    name: str = ""
    config: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    after_create: Sequence[str] = ("Creating", "InService")
    after_update: Sequence[str] = ("Updating", "InService")
    reason: str = ""
    shows_pending: bool = False
    instances: int = 2
    calls: list[str] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._refusals: dict[str, list[tuple[str, str]]] = {}
        self._given: dict[str, Any] = {}
        self._changes = 0
        for operation in _OPERATIONS:
            self.sagemaker.meta.events.register(f"before-parameter-build.sagemaker.{operation}", self._remember)
            self.sagemaker.meta.events.register(f"before-call.sagemaker.{operation}", self._answer)

    def refuse(self, operation: str, *refusals: tuple[str, str]) -> None:
        """Answer the next calls of an operation with these error codes and messages."""
        self._refusals[operation] = list(refusals)

    def serve(self, name: str, *steps: Step, tags: dict[str, str]) -> None:
        """Add an existing endpoint."""
        self.name, self.config, self.steps, self.tags = name, steps[0].config, list(steps), dict(tags)

    @property
    def exists(self) -> bool:
        """Whether there is an endpoint."""
        return bool(self.steps) and not self.steps[0].gone

    @property
    def arn(self) -> str:
        """The endpoint's ARN."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{self.name.lower()}"

    def _remember(self, params: dict[str, Any], **_: Any) -> None:
        self._given = dict(params)

    def _answer(self, model: Any, **_: Any) -> Any:
        if "ResourceArn" in self._given and self._given["ResourceArn"] != self.arn:
            return None
        # Other endpoints, such as those of smoke tests, are moto's.
        if self.name and self._given.get("EndpointName", self.name) != self.name:
            return None
        self.calls.append(model.name)
        if self._refusals.get(model.name):
            return error(*self._refusals[model.name].pop(0))
        return getattr(self, f"_{model.name}")(self._given)

    def _DescribeEndpoint(self, given: dict[str, Any]) -> Any:  # noqa: N802
        if not self.steps or self.steps[0].gone or given["EndpointName"] != self.name:
            return error("ValidationException", f'Could not find endpoint "{given["EndpointName"]}".')
        step = self.steps[0]
        found = {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointStatus": step.status,
            "EndpointConfigName": step.config,
            "CreationTime": _START,
            "LastModifiedTime": _START + timedelta(seconds=self._changes),
            "ProductionVariants": [{"VariantName": "AllTraffic", "DesiredInstanceCount": self.instances}],
        }
        if len(self.steps) > 1:
            self.steps.pop(0)
            self._changes += self.steps[0].status != step.status
        if step.pending:
            found["PendingDeploymentSummary"] = {"EndpointConfigName": step.pending}
        return _ok(found | ({"FailureReason": step.reason} if step.reason else {}))

    def _CreateEndpoint(self, given: dict[str, Any]) -> Any:  # noqa: N802
        if self.exists and given["EndpointName"] == self.name:
            return error("ValidationException", f'Cannot create already existing endpoint "{self.arn}".')
        self.name, self.config = given["EndpointName"], given["EndpointConfigName"]
        self.tags = _tags(given)
        self._follow(self.after_create, self.config, self.config)
        return _ok({"EndpointArn": self.arn})

    def _UpdateEndpoint(self, given: dict[str, Any]) -> Any:  # noqa: N802
        if not self.exists:
            return error("ValidationException", f'Could not find endpoint "{given["EndpointName"]}".')
        if self.steps[0].status in _CHANGING:
            return error("ValidationException", f'Cannot update in-progress endpoint "{self.arn}".')
        self.updates.append(given)
        self._follow(self.after_update, self.config, given["EndpointConfigName"])
        self.config = self.steps[-1].config
        return _ok({"EndpointArn": self.arn})

    def _DeleteEndpoint(self, given: dict[str, Any]) -> Any:  # noqa: N802
        if not self.exists:
            return error("ValidationException", f'Could not find endpoint "{given["EndpointName"]}".')
        if self.steps[0].status in _CHANGING:
            return error("ValidationException", f'Cannot update in-progress endpoint "{self.arn}".')
        self.steps = [Step("Deleting", self.config), GONE]
        return _ok({})

    def _ListTags(self, _: dict[str, Any]) -> Any:  # noqa: N802
        return _ok({"Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()]})

    def _AddTags(self, given: dict[str, Any]) -> Any:  # noqa: N802
        self.tags |= _tags(given)
        return _ok({"Tags": given["Tags"]})

    def _DeleteTags(self, given: dict[str, Any]) -> Any:  # noqa: N802
        self.tags = {key: value for key, value in self.tags.items() if key not in given["TagKeys"]}
        return _ok({})

    def _follow(self, statuses: Sequence[str], before: str, after: str) -> None:
        # During an update, DescribeEndpoint returns the configuration that is still in use.
        known = {
            "InService": Step("InService", after),
            "Creating": Step("Creating", after),
            "Failed": Step("Failed", after, self.reason),
            "FAILED_BACK": Step("InService", before, self.reason),
            "UNCHANGED": Step("InService", before),
        }
        pending = after if self.shows_pending and after != before else ""
        self.steps = [known.get(status, Step(status, before, pending=pending)) for status in statuses]
        self._changes += self.steps[0].status != "InService"


def error(code: str, message: str) -> Any:
    """A response for a `before-call` handler that botocore raises as a ClientError."""
    return _Http(400), {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}


def _ok(parsed: dict[str, Any]) -> Any:
    return _Http(200), parsed | {"ResponseMetadata": {"HTTPStatusCode": 200}}


def _tags(given: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in given["Tags"]}


@dataclass
class _Http:
    status_code: int
