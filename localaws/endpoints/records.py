"""moto's records of models, endpoint configurations and endpoints."""

from typing import Any

from moto.sagemaker.models import sagemaker_backends

from localaws.errors import AwsError


class Records:
    """Finds records. As on AWS, a missing record is a ValidationException."""

    def __init__(self, account: str) -> None:
        self._account = account

    def backend(self, region: str) -> Any:
        """Return moto's SageMaker backend of a region."""
        return sagemaker_backends[self._account][region]

    def model(self, region: str, name: str) -> Any:
        """Return a model.

        Raises:
            AwsError: ValidationException.
        """
        return self._find(region, "model", "model", self.backend(region)._models, name)

    def config(self, region: str, name: str) -> Any:
        """Return an endpoint configuration.

        Raises:
            AwsError: ValidationException.
        """
        configs = self.backend(region).endpoint_configs
        return self._find(region, "endpoint-config", "endpoint configuration", configs, name)

    def endpoint(self, region: str, name: str) -> Any:
        """Return an endpoint.

        Raises:
            AwsError: ValidationException.
        """
        return self._find(region, "endpoint", "endpoint", self.backend(region).endpoints, name)

    def by_arn(self, arn: str) -> Any:
        """Return the endpoint with an ARN.

        Raises:
            AwsError: ValidationException.
        """
        region, name = arn.split(":")[3], arn.rsplit("/", 1)[-1]
        return self.endpoint(region, name)

    def forget_deleted(self) -> None:
        """Remove the endpoints that were being deleted when the state was saved."""
        for backend in list(sagemaker_backends[self._account].values()):
            for name, record in list(backend.endpoints.items()):
                if record.endpoint_status == "Deleting":
                    backend.delete_endpoint(name)

    def arn(self, region: str, kind: str, name: str) -> str:
        """Return the ARN of a resource in this account."""
        return f"arn:aws:sagemaker:{region}:{self._account}:{kind}/{name}"

    def _find(self, region: str, kind: str, word: str, records: dict[str, Any], name: str) -> Any:
        if name not in records:
            raise refusal(f'Could not find {word} "{self.arn(region, kind, name)}".')
        return records[name]


def refusal(message: str) -> AwsError:
    """Return the error that SageMaker uses for most rejected requests."""
    return AwsError("ValidationException", message)


def limit_exceeded(limit: str, most: int, unit: str, used: int, delta: int) -> AwsError:
    """Return the error of a request that exceeds a quota of the account, with the quota's name in Service Quotas.

    The wording: https://github.com/aws/amazon-sagemaker-examples/issues/307.
    """
    return AwsError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{limit}' is {most} {unit}, with current utilization of {used} {unit} and a "
        f"request delta of {delta} {unit}. Please use AWS Service Quotas to request an increase for this quota. If AWS "
        "Service Quotas is not available, contact AWS support to request an increase for this quota.",
    )
