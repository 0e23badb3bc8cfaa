"""The CloudWatch metrics of an invocation.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html, "SageMaker endpoint invocation
metrics". The dimension EndpointConfigName is that of the alarms in
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
"""

from dataclasses import dataclass

from localaws.alarms import Alarms

NAMESPACE = "AWS/SageMaker"


@dataclass(frozen=True)
class Served:
    """Who served an invocation."""

    region: str
    endpoint: str
    variant: str
    config_name: str
    instances: int
    serverless: bool = False


@dataclass
class Taken:
    """How long the parts of an invocation took, in seconds.

    Attributes:
        setup: from the arrival of the request until a serverless container was ready; None if it was ready.
        model: from sending the request to the container until its whole answer was read.
        total: from the arrival of the request at the endpoint.
    """

    model: float
    total: float
    setup: float | None = None


def record(alarms: Alarms, served: Served, status: int, taken: Taken) -> None:
    """Record an invocation.

    Args:
        status: the container's HTTP status; 0 if it did not answer.
    """
    values = {
        "Invocations": 1.0,
        "Invocation4XXErrors": float(400 <= status < 500),
        "Invocation5XXErrors": float(status >= 500),
        "InvocationModelErrors": float(not 200 <= status < 300),
        "ModelLatency": taken.model * 1e6,
        "OverheadLatency": (taken.total - taken.model - (taken.setup or 0.0)) * 1e6,
    }
    if not served.serverless:
        values["InvocationsPerInstance"] = 1.0 / max(1, served.instances)
    if taken.setup is not None:
        values["ModelSetupTime"] = taken.setup * 1e6
    dimensions = {"EndpointName": served.endpoint, "VariantName": served.variant}
    alarms.record(served.region, NAMESPACE, dimensions, values)
    alarms.record(served.region, NAMESPACE, {**dimensions, "EndpointConfigName": served.config_name}, values)
