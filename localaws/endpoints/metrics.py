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


def record(alarms: Alarms, served: Served, status: int, model_seconds: float, total_seconds: float) -> None:
    """Record an invocation.

    Args:
        status: the container's HTTP status; 0 if it did not answer.
        model_seconds: from sending the request to the container until its whole answer was read.
        total_seconds: from the arrival of the request at the endpoint.
    """
    values = {
        "Invocations": 1.0,
        "InvocationsPerInstance": 1.0 / served.instances,
        "Invocation4XXErrors": float(400 <= status < 500),
        "Invocation5XXErrors": float(status >= 500),
        "InvocationModelErrors": float(not 200 <= status < 300),
        "ModelLatency": model_seconds * 1e6,
        "OverheadLatency": (total_seconds - model_seconds) * 1e6,
    }
    dimensions = {"EndpointName": served.endpoint, "VariantName": served.variant}
    alarms.record(served.region, NAMESPACE, dimensions, values)
    alarms.record(served.region, NAMESPACE, {**dimensions, "EndpointConfigName": served.config_name}, values)
