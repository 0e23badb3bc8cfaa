"""Automatic registration of MLflow's registered models in SageMaker's Model Registry.

It follows AWS's documentation and uses the server's role, so that the call log shows which permissions the role needs.
Lineage (CreateAction, AddAssociation) and model cards are not implemented: AWS skips both silently on a failure.
Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-track-experiments-model-registration.html
"""

import asyncio
import hashlib
import json
import logging
import re
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from localaws.call import Call
from localaws.mlflow_actions import action_of
from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.mlflow_api import MlflowApi, MlflowError
from localaws.tracking.role import RoleClients

log = logging.getLogger(__name__)
OPERATIONS = frozenset({"CreateRegisteredModel", "CreateModelVersion", "SetRegisteredModelAlias"})
TAG = "sagemaker.model_package_arn"
# The file that `sagemaker_mlflow.log_inference_specification` logs next to the model.
SPECIFICATION = "sagemaker_inference_specification.json"
LIFE_CYCLE = re.compile(r"sagemakerlifecycle-(staging|production)-(pending|active)")
GROUP_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


def group_name(server: HostedMlflow, model: str) -> str:
    """Return the group name of a model. A hash of the ARN's last part keeps the models of two servers apart."""
    return f"{model}-{hashlib.sha256(server.arn.rsplit('/', 1)[1].encode()).hexdigest()[:6]}"


class Registration:
    """Handles the calls that register models. One task runs at a time, so that packages are created in order."""

    def __init__(self, mlflow: MlflowApi, clients: RoleClients) -> None:
        self._mlflow = mlflow
        self._clients = clients
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @staticmethod
    def concerns(call: Call) -> bool:
        """Return whether a call may change the registry."""
        return _operation(call) in OPERATIONS

    async def before(self, server: HostedMlflow, call: Call) -> str | None:
        """Change a model package's life cycle before the alias is set. Return the error message if that fails.

        AWS: "When a lifecycle transition is denied by IAM policy, the MLflow alias operation fails and returns an
        error to the caller."
        """
        if _operation(call) != "SetRegisteredModelAlias":
            return None
        given = _json(call.body or b"")
        stage = LIFE_CYCLE.fullmatch(str(given.get("alias")))
        if not stage:
            return None
        try:
            version = await self._mlflow.get(
                server, "model-versions/get", name=str(given.get("name")), version=str(given.get("version"))
            )
        except MlflowError:
            return None  # MLflow itself reports the error.
        arn = {tag["key"]: tag["value"] for tag in version["model_version"].get("tags", [])}.get(TAG)
        if arn is None:
            return None
        try:
            await self._sagemaker(
                server,
                "update_model_package",
                ModelPackageArn=arn,
                ModelLifeCycle={"Stage": stage[1], "StageStatus": stage[2]},
            )
        except (BotoCoreError, ClientError) as error:
            return f"The life cycle of {arn} was not changed: {error}"
        return None

    def after(self, server: HostedMlflow, call: Call, answer: bytes) -> None:
        """Register what MLflow has created, in the background, as on AWS."""
        content = _json(answer)
        operation = _operation(call)
        if operation == "CreateRegisteredModel":
            self._begin(self._group(server, content["registered_model"]["name"]))
        elif operation == "CreateModelVersion":
            self._begin(self._package(server, content["model_version"]))

    async def close(self) -> None:
        """Wait briefly for running tasks. They may not finish, because localaws no longer accepts requests."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(self._logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, work: Any) -> None:
        async with self._turn:
            try:
                await work
            except (BotoCoreError, ClientError, MlflowError) as error:
                log.error("Automatic model registration failed: %s", error)

    async def _group(self, server: HostedMlflow, model: str) -> str | None:
        name = group_name(server, model)
        if not GROUP_NAME.fullmatch(name):
            log.warning(
                "Automatic model registration skips %r: the name of a model package group has at most 63 letters, "
                "digits and inner hyphens.",
                model,
            )
            return None
        try:
            await self._sagemaker(server, "describe_model_package_group", ModelPackageGroupName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            await self._sagemaker(
                server,
                "create_model_package_group",
                ModelPackageGroupName=name,
                ModelPackageGroupDescription=f"MLflow registered model {model} of {server.title} {server.name}",
            )
        return name

    async def _package(self, server: HostedMlflow, version: dict[str, Any]) -> None:
        group = await self._group(server, version["name"])
        if group is None:
            return
        key = {"name": version["name"], "version": str(version["version"])}
        source = (await self._mlflow.get(server, "model-versions/get-download-uri", **key))["artifact_uri"]
        specification = await asyncio.to_thread(self._specification, server, source)
        created = await self._sagemaker(
            server,
            "create_model_package",
            ModelPackageGroupName=group,
            SourceUri=source,
            ModelApprovalStatus="PendingManualApproval",
            CustomerMetadataProperties={"mlflow.model": f"{key['name']}/{key['version']}"},
            **({"InferenceSpecification": specification} if specification else {}),
        )
        await self._mlflow.post(server, "model-versions/set-tag", **key, key=TAG, value=created["ModelPackageArn"])
        log.info("Registered model version %s/%s as %s.", key["name"], key["version"], created["ModelPackageArn"])

    async def _sagemaker(self, server: HostedMlflow, operation: str, **given: Any) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            answer: dict[str, Any] = getattr(self._clients.client(server, "sagemaker"), operation)(**given)
            return answer

        return await asyncio.to_thread(call)

    def _specification(self, server: HostedMlflow, source: str) -> dict[str, Any] | None:
        """Return the inference specification, or None if it cannot be read: AWS skips it silently, too."""
        place = urlsplit(source)
        try:
            found = self._clients.client(server, "s3").get_object(
                Bucket=place.netloc, Key=f"{place.path.strip('/')}/{SPECIFICATION}"
            )
        except ClientError:
            return None
        return _json(found["Body"].read()) or None


def _operation(call: Call) -> str:
    """Return MLflow's operation. A call to an App is one operation in the call log and in IAM, whatever it does."""
    return action_of(call.method, call.path)


def _json(text: bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
