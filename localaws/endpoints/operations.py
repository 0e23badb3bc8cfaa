"""SageMaker's operations for models, endpoint configurations and endpoints. They replace moto's implementation.

moto stores the records and their tags, and lists them. This module adds the validation that moto lacks, and starts
endpoints.
"""

import threading
from collections import Counter
from dataclasses import asdict
from typing import Any

from localaws import references
from localaws.alarms import Alarms
from localaws.endpoints import async_config, autoscaling, serverless, shadow
from localaws.endpoints.deployment import STARTUP_SECONDS, Deployment, Variant
from localaws.endpoints.endpoints import Endpoints
from localaws.endpoints.instance_quotas import InstanceQuotas, count, needed
from localaws.endpoints.model_source import ModelSource, resolved
from localaws.endpoints.records import Records, refusal
from localaws.endpoints.role import HOSTING
from localaws.endpoints.scaling import Scaling
from localaws.iam.trust import sagemaker_source
from localaws.principals import Principals
from localaws.services.context import Caller, Operations

IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})

# Members of an endpoint configuration that moto does not keep, and the attributes that DescribeEndpointConfig shows.
DESCRIBED = {
    "ShadowProductionVariants": "shadow_production_variants",
    "ExecutionRoleArn": "execution_role_arn",
    "VpcConfig": "vpc_config",
    "EnableNetworkIsolation": "enable_network_isolation",
    "MetricsConfig": "metrics_config",
    "CrossRegionTrafficConfig": "cross_region_traffic_config",
}


class EndpointOperations:
    """Operations for models, endpoint configurations and endpoints, for SageMaker's dispatcher."""

    def __init__(
        self,
        endpoints: Endpoints,
        scaling: Scaling,
        quotas: InstanceQuotas,
        principals: Principals,
        account: str,
        alarms: Alarms,
    ) -> None:
        self._endpoints = endpoints
        self._quotas = quotas
        self._scaling = scaling
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
                "CreateEndpointConfig": self.create_config,
                "DescribeEndpointConfig": self.describe_config,
                "CreateEndpoint": self.create,
                "DescribeEndpoint": self.describe,
                "UpdateEndpoint": self.update,
                "UpdateEndpointWeightsAndCapacities": self.reweigh,
                "DeleteEndpoint": self.delete,
            },
            checks={
                "DeleteModel": self.check_model,
                "DeleteEndpointConfig": self.check_config,
            },
            lock=threading.Lock(),
        )

    def create_model(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateModel: what the request names must exist: role, image, model data, approved model package, network."""
        name, backend = given["ModelName"], self._records.backend(caller.region)
        if name in backend._models:
            raise refusal(f'Cannot create already existing model "{self._records.arn(caller.region, "model", name)}".')
        if given.get("PrimaryContainer") and given.get("Containers"):
            raise refusal("Specify either PrimaryContainer or Containers.")
        container = resolved(self._account, caller.region, given)
        source = ModelSource.of(container)
        role = given.get("ExecutionRoleArn") or ""
        if not role:
            raise refusal("localaws has no models without an execution role. Specify ExecutionRoleArn.")
        self._principals.check_trust(role, HOSTING, sagemaker_source(caller.region, self._account))
        if source.uri and not source.exists(self._account):
            raise refusal(f"Could not find model data at {source.uri}.")
        references.check_model(self._account, caller.region, given, container)
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

    def create_config(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateEndpointConfig."""
        name, backend = given["EndpointConfigName"], self._records.backend(caller.region)
        if name in backend.endpoint_configs:
            arn = self._records.arn(caller.region, "endpoint-config", name)
            raise refusal(f'Cannot create already existing endpoint configuration "{arn}".')
        variants = [*given["ProductionVariants"], *given.get("ShadowProductionVariants", [])]
        names = [variant["VariantName"] for variant in variants]
        if len(set(names)) < len(names):
            raise refusal("Variant names must be unique within an endpoint configuration.")
        for check in (serverless.check, async_config.check, shadow.check):
            check(given)
        if given.get("ExplainerConfig"):
            raise NotImplementedError("explainers (ExplainerConfig)")
        references.check_keys(self._account, caller.region, given)
        references.check_network(self._account, caller.region, given.get("VpcConfig"))
        if given.get("ExecutionRoleArn"):
            source = sagemaker_source(caller.region, self._account)
            self._principals.check_trust(given["ExecutionRoleArn"], HOSTING, source)
        for variant in variants:
            if "ModelName" not in variant:
                raise NotImplementedError("variants without ModelName: inference components")
            model = self._records.model(caller.region, variant["ModelName"])
            if serverless.of(variant):
                serverless.check_model(model, self._container(caller.region, model))
        record = backend.create_endpoint_config(
            endpoint_config_name=name,
            production_variants=given["ProductionVariants"],
            async_inference_config=given.get("AsyncInferenceConfig"),
            data_capture_config=given.get("DataCaptureConfig"),
            tags=given.get("Tags"),
            kms_key_id=given.get("KmsKeyId"),
        )
        for member, attribute in DESCRIBED.items():
            if given.get(member) is not None:
                setattr(record, attribute, given[member])
        return {"EndpointConfigArn": record.endpoint_config_arn}

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
        # "The name is case-insensitive in CreateEndpoint": SageMaker API, CreateEndpoint.
        if any(name.casefold() == existing.casefold() for existing in backend.endpoints):
            raise refusal(
                f'Cannot create already existing endpoint "{self._records.arn(caller.region, "endpoint", name)}".'
            )
        deployment = self._deployment(caller.region, config_name, given.get("DeploymentConfig"))
        self._check_rollout(caller.region, deployment)
        self._check_serverless(caller.region, name, None, deployment)
        self._quotas.check(caller.region, needed(deployment, update=False))
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
        current = self._records.config(caller.region, record.endpoint_config_name)
        endpoint = self._endpoints.find(record.arn)
        live = endpoint.live if endpoint else None
        self._check_scaled(caller.region, record.endpoint_name, current, given["EndpointConfigName"])
        settings = given.get("DeploymentConfig")
        if given.get("RetainDeploymentConfig") and live:
            settings = live.settings
        deployment = self._deployment(caller.region, given["EndpointConfigName"], settings)
        if given.get("RetainAllVariantProperties") and live:
            excluded = {item["VariantPropertyType"] for item in given.get("ExcludeRetainedVariantProperties", [])}
            _retain(live, deployment, excluded)
        self._check_rollout(caller.region, deployment)
        self._check_serverless(caller.region, given["EndpointName"], live, deployment)
        self._quotas.check(caller.region, needed(deployment, update=True))
        self._endpoints.update(record, deployment)
        return {"EndpointArn": record.arn}

    def reweigh(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """UpdateEndpointWeightsAndCapacities: weights take effect at once, instances once they are in service."""
        record = self._settled(caller.region, given["EndpointName"])
        endpoint = self._endpoints.find(record.arn)
        live = endpoint.live if endpoint else None
        states = {one.name: one.state for one in [*live.variants, *live.shadows]} if live else {}
        wanted = given["DesiredWeightsAndCapacities"]
        unknown = sorted({item["VariantName"] for item in wanted} - set(states))
        if unknown:
            raise refusal(
                f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint configuration '
                f'"{record.endpoint_config_name}".'
            )
        for item in wanted:
            _check_capacity(item, states[item["VariantName"]], may_be_zero=bool(live and live.asynchronous))
        self._quotas.check(caller.region, _added(live, wanted))
        for item in wanted:
            _set_desired(item, states[item["VariantName"]])
        if endpoint:
            self._scaling.apply(endpoint)
        return {"EndpointArn": record.arn}

    def delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteEndpoint: as on AWS, fails while the endpoint is being created or updated."""
        record = self._records.endpoint(caller.region, given["EndpointName"])
        if record.endpoint_status in IN_PROGRESS:
            raise refusal(f'Cannot update in-progress endpoint "{record.arn}".')
        autoscaling.deregister(self._account, caller.region, record.endpoint_name)
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

    def _check_scaled(self, region: str, name: str, current: Any, config_name: str) -> None:
        """Refuse to change the instance type of a scalable target.

        "If the update would change the instance type for any variant that is a target for automatic scaling, the
        update fails": https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
        """
        new = {one["VariantName"]: one for one in self._records.config(region, config_name).production_variants}
        for variant in current.production_variants:
            kind = variant.get("InstanceType")
            other = new.get(variant["VariantName"], {}).get("InstanceType")
            if kind != other and autoscaling.is_target(self._account, region, name, variant["VariantName"]):
                raise refusal(
                    f"Variant {variant['VariantName']} of endpoint {name} is a scalable target: its instance type "
                    "cannot change. Deregister it from Application Auto Scaling first."
                )

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
        others = [one for one in self._endpoints.all() if one.region == region and one.name != name]
        deployments = [one.pending or one.live for one in others]
        used = [one.concurrency for one in deployments if one and one.serverless]
        serverless.check_account(region, used, deployment.concurrency, new=live is None)

    def _deployment(self, region: str, config_name: str, settings: dict[str, Any] | None) -> Deployment:
        config = self._records.config(region, config_name)
        variants = [self._variant(region, given) for given in config.production_variants]
        shadows = [self._variant(region, given) for given in getattr(config, "shadow_production_variants", [])]
        return Deployment(
            config_name,
            variants,
            settings,
            config.data_capture_config or None,
            shadows=shadows,
            asynchronous=config.async_inference_config or None,
        )

    def _check_rollout(self, region: str, deployment: Deployment) -> None:
        """Refuse a DeploymentConfig that does not fit the variants, and one with alarms that do not exist."""
        for name in deployment.rollout().alarms:
            if not self._alarms.exists(region, name):
                raise refusal(f"CloudWatch alarm {name} of AutoRollbackConfiguration does not exist.")

    def _container(self, region: str, model: Any) -> dict[str, Any]:
        given = {"PrimaryContainer": model.primary_container, "Containers": model.containers}
        return resolved(self._account, region, given)

    def _variant(self, region: str, given: dict[str, Any]) -> Variant:
        model = self._records.model(region, given["ModelName"])
        container = self._container(region, model)
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
            source=asdict(ModelSource.of(container)),
            env=container.get("Environment") or {},
            role=model.execution_role_arn,
            startup_seconds=given.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_SECONDS),
            state=state,
            instance_type=given.get("InstanceType", ""),
        )


def _check_capacity(item: dict[str, Any], state: dict[str, Any], *, may_be_zero: bool) -> None:
    """Refuse a capacity that the variant does not have."""
    if item.get("DesiredInstanceCount") == 0 and not may_be_zero:
        raise refusal(f"DesiredInstanceCount of variant {item['VariantName']} must be at least 1.")
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


def _added(live: Deployment | None, wanted: list[dict[str, Any]]) -> Counter[str]:
    """How many more instances the variants are to have, by type."""
    found = {item["VariantName"]: item["DesiredInstanceCount"] for item in wanted if "DesiredInstanceCount" in item}
    variants = [*live.variants, *live.shadows] if live else []
    more = Counter[str]()
    for one in variants:
        more[one.instance_type] += found.get(one.name, one.instances) - count([one])[one.instance_type]
    return more


def _set_desired(item: dict[str, Any], state: dict[str, Any]) -> None:
    if "DesiredWeight" in item:
        state |= dict.fromkeys(("CurrentWeight", "DesiredWeight"), item["DesiredWeight"])
    if "DesiredInstanceCount" in item:
        state["DesiredInstanceCount"] = item["DesiredInstanceCount"]
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
