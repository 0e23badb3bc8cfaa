"""SageMaker's operations for models, endpoint configurations and endpoints. They replace moto's implementation.

moto stores the records and their tags, and lists them. This module adds the validation that moto lacks, and starts
endpoints.
"""

import threading
from typing import Any

from localaws.alarms import Alarms
from localaws.endpoints import serverless
from localaws.endpoints.deployment import STARTUP_SECONDS, Deployment, Variant
from localaws.endpoints.endpoints import Endpoints
from localaws.endpoints.model_data import split_s3_url
from localaws.endpoints.records import Records, refusal
from localaws.endpoints.role import HOSTING
from localaws.iam.trust import sagemaker_source
from localaws.principals import Principals
from localaws.services.context import Caller, Operations

IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


class EndpointOperations:
    """Operations for models, endpoint configurations and endpoints, for SageMaker's dispatcher."""

    def __init__(self, endpoints: Endpoints, principals: Principals, account: str, alarms: Alarms) -> None:
        self._endpoints = endpoints
        self._alarms = alarms
        self._principals = principals
        self._account = account
        self._records = Records(account)

    def operations(self) -> Operations:
        """Return the operations for SageMaker's dispatcher.

        One operation runs at a time, because its validation depends on what earlier operations have started.
        """
        return Operations(
            handlers={
                "CreateModel": self.create_model,
                "DescribeModel": self.describe_model,
                "DescribeEndpointConfig": self.describe_config,
                "CreateEndpoint": self.create,
                "DescribeEndpoint": self.describe,
                "UpdateEndpoint": self.update,
                "UpdateEndpointWeightsAndCapacities": self.reweigh,
                "DeleteEndpoint": self.delete,
            },
            checks={
                "DeleteModel": self.check_model,
                "CreateEndpointConfig": self.check_new_config,
                "DeleteEndpointConfig": self.check_config,
            },
            lock=threading.Lock(),
        )

    def create_model(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateModel: the role must exist and, if given, the archive."""
        name, backend = given["ModelName"], self._records.backend(caller.region)
        if name in backend._models:
            raise refusal(f'Cannot create already existing model "{self._records.arn(caller.region, "model", name)}".')
        url = only_container(given).get("ModelDataUrl")
        role = given.get("ExecutionRoleArn", "")
        self._principals.check_trust(role, HOSTING, sagemaker_source(caller.region, self._account))
        if url and not _object_exists(self._account, url):
            raise refusal(f"Could not find model data at {url}.")
        record = backend.create_model(
            model_name=name,
            execution_role_arn=role,
            primary_container=given.get("PrimaryContainer"),
            containers=given.get("Containers"),
            vpc_config=given.get("VpcConfig"),
            tags=given.get("Tags"),
        )
        record.enable_network_isolation = given.get("EnableNetworkIsolation", False)
        return {"ModelArn": record.arn}

    def check_model(self, caller: Caller, given: dict[str, Any]) -> None:
        """DeleteModel: as on AWS, the model may be in use."""
        self._records.model(caller.region, given["ModelName"])

    def describe_model(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeModel."""
        return _given(self._records.model(caller.region, given["ModelName"]))

    def check_new_config(self, caller: Caller, given: dict[str, Any]) -> None:
        """CreateEndpointConfig."""
        name = given["EndpointConfigName"]
        if name in self._records.backend(caller.region).endpoint_configs:
            arn = self._records.arn(caller.region, "endpoint-config", name)
            raise refusal(f'Cannot create already existing endpoint configuration "{arn}".')
        for member in ("ShadowProductionVariants", "AsyncInferenceConfig"):
            if given.get(member):
                raise NotImplementedError(f"{member} of CreateEndpointConfig")
        names = [variant["VariantName"] for variant in given["ProductionVariants"]]
        if len(set(names)) < len(names):
            raise refusal("Variant names must be unique within an endpoint configuration.")
        serverless.check(given)
        for variant in given["ProductionVariants"]:
            if "ModelName" not in variant:
                raise NotImplementedError("variants without ModelName: inference components")
            model = self._records.model(caller.region, variant["ModelName"])
            if serverless.of(variant):
                serverless.check_model(model, _container(model))

    def check_config(self, caller: Caller, given: dict[str, Any]) -> None:
        """DeleteEndpointConfig: as on AWS, the configuration may be in use."""
        self._records.config(caller.region, given["EndpointConfigName"])

    def describe_config(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeEndpointConfig."""
        return _given(self._records.config(caller.region, given["EndpointConfigName"]))

    def create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateEndpoint."""
        name, config_name = given["EndpointName"], given["EndpointConfigName"]
        backend = self._records.backend(caller.region)
        if name in backend.endpoints:
            raise refusal(
                f'Cannot create already existing endpoint "{self._records.arn(caller.region, "endpoint", name)}".'
            )
        deployment = self._deployment(caller.region, config_name, given.get("DeploymentConfig"))
        self._check_serverless(caller.region, name, None, deployment)
        record = backend.create_endpoint(name, config_name, given.get("Tags") or [])
        self._endpoints.create(record, deployment)
        return {"EndpointArn": record.arn}

    def describe(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeEndpoint."""
        record = self._records.endpoint(caller.region, given["EndpointName"])
        found = self._endpoints.describe(record)
        if found is None:
            raise refusal(f'Could not find endpoint "{record.arn}".')
        return found

    def update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """UpdateEndpoint. As on AWS, the current configuration must exist (terraform-provider-aws issue 48997)."""
        record = self._settled(caller.region, given["EndpointName"])
        self._records.config(caller.region, record.endpoint_config_name)
        live = self._endpoints.live(record)
        settings = given.get("DeploymentConfig")
        if given.get("RetainDeploymentConfig") and live:
            settings = live.settings
        deployment = self._deployment(caller.region, given["EndpointConfigName"], settings)
        if given.get("RetainAllVariantProperties") and live:
            excluded = {item["VariantPropertyType"] for item in given.get("ExcludeRetainedVariantProperties", [])}
            _retain(live, deployment, excluded)
        self._check_serverless(caller.region, given["EndpointName"], live, deployment)
        self._endpoints.update(record, deployment)
        return {"EndpointArn": record.arn}

    def reweigh(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """UpdateEndpointWeightsAndCapacities: takes effect at once, because each variant has one container."""
        record = self._settled(caller.region, given["EndpointName"])
        live = self._endpoints.live(record)
        states = {variant.name: variant.state for variant in live.variants} if live else {}
        wanted = given["DesiredWeightsAndCapacities"]
        unknown = sorted({item["VariantName"] for item in wanted} - set(states))
        if unknown:
            raise refusal(
                f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint configuration '
                f'"{record.endpoint_config_name}".'
            )
        for item in wanted:
            _check_capacity(item, states[item["VariantName"]])
        for item in wanted:
            _set_desired(item, states[item["VariantName"]])
        self._endpoints.resize(record)
        return {"EndpointArn": record.arn}

    def delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteEndpoint: as on AWS, fails while the endpoint is being created or updated."""
        record = self._records.endpoint(caller.region, given["EndpointName"])
        if record.endpoint_status in IN_PROGRESS:
            raise refusal(f'Cannot update in-progress endpoint "{record.arn}".')
        self._endpoints.delete(
            record, lambda: self._records.backend(caller.region).delete_endpoint(record.endpoint_name)
        )
        return {}

    def _settled(self, region: str, name: str) -> Any:
        record = self._records.endpoint(region, name)
        if record.endpoint_status in IN_PROGRESS:
            raise refusal(f'Cannot update in-progress endpoint "{record.arn}".')
        if record.endpoint_status == "Failed":
            raise refusal(f'Cannot update endpoint "{record.arn}" with status "Failed": it can only be deleted.')
        return record

    def _check_serverless(self, region: str, name: str, live: Deployment | None, deployment: Deployment) -> None:
        """Refuse to make an endpoint with instances serverless, and concurrency beyond the account's limit.

        "You cannot convert your instance-based, real-time endpoint to a serverless endpoint. If you try to update your
        real-time endpoint to serverless, you receive a ValidationError message." The opposite is possible.
        https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
        """
        if not deployment.serverless:
            return
        if live and not live.serverless:
            raise refusal("An endpoint with instances cannot be updated to serverless. Create another endpoint.")
        others = [one for other, one in self._endpoints.deployments(region).items() if other != name]
        used = [one.concurrency for one in others if one.serverless]
        serverless.check_account(region, used, deployment.concurrency, new=live is None)

    def _deployment(self, region: str, config_name: str, settings: dict[str, Any] | None) -> Deployment:
        config = self._records.config(region, config_name)
        variants = [self._variant(region, given) for given in config.production_variants]
        deployment = Deployment(config_name, variants, settings, config.data_capture_config or None)
        for name in deployment.rollout().alarms:
            if not self._alarms.exists(region, name):
                raise refusal(f"CloudWatch alarm {name} of AutoRollbackConfiguration does not exist.")
        return deployment

    def _variant(self, region: str, given: dict[str, Any]) -> Variant:
        model = self._records.model(region, given["ModelName"])
        container = _container(model)
        weight = given.get("InitialVariantWeight", 1.0)
        state = {"CurrentWeight": weight, "DesiredWeight": weight}
        if "ServerlessConfig" in given:
            state |= dict.fromkeys(("CurrentServerlessConfig", "DesiredServerlessConfig"), given["ServerlessConfig"])
        else:
            count = given.get("InitialInstanceCount", 1)
            state |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        return Variant(
            name=given["VariantName"],
            image=container["Image"],
            model_data=container.get("ModelDataUrl", ""),
            env=container.get("Environment") or {},
            role=model.execution_role_arn,
            startup_seconds=given.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_SECONDS),
            state=state,
        )


def _container(model: Any) -> dict[str, Any]:
    return only_container({"PrimaryContainer": model.primary_container, "Containers": model.containers})


def only_container(given: dict[str, Any]) -> dict[str, Any]:
    """Return the only container of a model.

    Raises:
        NotImplementedError: the model has several containers or is not an archive.
    """
    containers: list[dict[str, Any]] = given.get("Containers") or [given.get("PrimaryContainer") or {}]
    if len(containers) > 1:
        raise NotImplementedError("models with several containers")
    if "ModelDataSource" in containers[0]:
        raise NotImplementedError("ModelDataSource: use ModelDataUrl")
    if not containers[0].get("Image"):
        raise refusal("Must provide a primary container with an Image.")
    return containers[0]


def _object_exists(account: str, url: str) -> bool:
    from moto.s3.models import s3_backends

    name, key = split_s3_url(url)
    bucket = s3_backends[account]["aws"].buckets.get(name)
    return bucket is not None and key in bucket.keys


def _check_capacity(item: dict[str, Any], state: dict[str, Any]) -> None:
    """Refuse a capacity that the variant does not have."""
    config = state.get("CurrentServerlessConfig")
    if config is None and "ServerlessUpdateConfig" in item:
        raise refusal(f"Variant {item['VariantName']} is not serverless: it has no ServerlessUpdateConfig.")
    if config is None:
        return
    if "DesiredInstanceCount" in item:
        raise refusal(f"Variant {item['VariantName']} is serverless: it has no DesiredInstanceCount.")
    wanted = {**config, **item.get("ServerlessUpdateConfig", {})}
    if wanted.get("ProvisionedConcurrency", 0) > wanted["MaxConcurrency"]:
        raise refusal("ProvisionedConcurrency must not exceed MaxConcurrency.")


def _set_desired(item: dict[str, Any], state: dict[str, Any]) -> None:
    for name in ("Weight", "InstanceCount"):
        if f"Desired{name}" in item:
            state |= dict.fromkeys((f"Current{name}", f"Desired{name}"), item[f"Desired{name}"])
    if "ServerlessUpdateConfig" in item:
        config = {**state["CurrentServerlessConfig"], **item["ServerlessUpdateConfig"]}
        state |= dict.fromkeys(("CurrentServerlessConfig", "DesiredServerlessConfig"), config)


def _retain(live: Deployment, deployment: Deployment, excluded: set[str]) -> None:
    states = {variant.name: variant.state for variant in live.variants}
    for variant in deployment.variants:
        for name in ("Weight", "InstanceCount"):
            kept = states.get(variant.name, {}).get(f"Desired{name}")
            if kept is not None and f"Desired{name}" not in excluded:
                variant.state.update(dict.fromkeys((f"Current{name}", f"Desired{name}"), kept))


def _given(record: Any) -> dict[str, Any]:
    """Return a record without empty members. moto returns an unset member as empty, which Terraform plans to change."""
    return {name: value for name, value in record.response_object.items() if value not in ({}, [])}
