"""What is deployed: the variants of an endpoint configuration, as they were when the deployment was requested."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from localaws.endpoints.records import refusal
from localaws.endpoints.rollout import Rollout

# The default of ContainerStartupHealthCheckTimeoutInSeconds.
STARTUP_SECONDS = 240.0
# Serverless capacity has no instances: any percentage can be moved.
SERVERLESS_PARTS = 100


@dataclass(frozen=True)
class Variant:
    """A variant and its model, as they were when the deployment was requested.

    Attributes:
        source: the ModelSource, as JSON.
        env: the model's Environment.
        state: current and desired weight and instance count or serverless configuration, as DescribeEndpoint returns
            them.
        instance_type: empty for a serverless variant, and in states of former versions.
    """

    name: str
    image: str
    source: dict[str, Any]
    env: dict[str, str]
    role: str
    startup_seconds: float
    state: dict[str, Any]
    instance_type: str = ""

    @property
    def weight(self) -> float:
        """Its share of the requests, relative to the weights of the other variants."""
        return float(self.state.get("CurrentWeight", 1.0))

    @property
    def serverless(self) -> dict[str, Any] | None:
        """The ServerlessConfig; None for a variant with instances."""
        found: dict[str, Any] | None = self.state.get("CurrentServerlessConfig")
        return found

    @property
    def instances(self) -> int:
        """The number of instances; 1 for a serverless variant."""
        return int(self.state.get("DesiredInstanceCount", 1))


@dataclass(frozen=True)
class Deployment:
    """An endpoint configuration that is being deployed or is in service.

    Attributes:
        settings: the DeploymentConfig.
        capture: the DataCaptureConfig.
        shadows: the shadow variants.
        asynchronous: the AsyncInferenceConfig.
    """

    config_name: str
    variants: list[Variant]
    settings: dict[str, Any] | None = None
    capture: dict[str, Any] | None = None
    shadows: list[Variant] = field(default_factory=list)
    asynchronous: dict[str, Any] | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Self:
        """Create a deployment from JSON."""
        read = {
            "variants": [_variant(variant) for variant in saved["variants"]],
            "shadows": [_variant(variant) for variant in saved.get("shadows", [])],
            "started": datetime.fromisoformat(saved["started"]),
        }
        return cls(**{**saved, **read})

    @property
    def serverless(self) -> bool:
        """Whether the variant is serverless. A serverless endpoint has only one."""
        return any(variant.serverless for variant in self.variants)

    @property
    def concurrency(self) -> int:
        """How many requests the serverless variants process at the same time."""
        return sum(variant.serverless["MaxConcurrency"] for variant in self.variants if variant.serverless)

    def rollout(self) -> Rollout:
        """Return how an update to this deployment moves the traffic.

        Raises:
            AwsError: ValidationException.
        """
        # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
        # ("Multi-variant inference endpoints"; a shadow variant is one of the variants.)
        several = len(self.variants) + len(self.shadows) > 1
        if (self.settings or {}).get("RollingUpdatePolicy") and (self.serverless or several):
            raise refusal("RollingUpdatePolicy is not supported for serverless endpoints or several variants.")
        # An asynchronous endpoint can have scaled to zero.
        least = max(1, min(variant.instances for variant in self.variants))
        instances = SERVERLESS_PARTS if self.serverless else least
        return Rollout.of(self.settings, instances)

    def saved(self) -> dict[str, Any]:
        """Return the deployment as JSON for `load`."""
        return {**asdict(self), "started": self.started.isoformat()}


def _variant(saved: dict[str, Any]) -> Variant:
    """Read a saved variant. Before model sources, states had the URL of an archive."""
    given = dict(saved)
    if "model_data" in given:
        given["source"] = {"uri": given.pop("model_data")}
    return Variant(**given)
