"""The failure reasons of deployments in AWS's wording; DescribeEndpoint returns them as FailureReason."""


class DeploymentError(Exception):
    """A deployment failed. The message is the FailureReason."""


def ping_failed(variant: str) -> DeploymentError:
    """Source: https://github.com/aws/sagemaker-python-sdk/issues/787."""
    return DeploymentError(
        f"The primary container for production variant {variant} did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )


def image_failed(variant: str) -> DeploymentError:
    """Source: https://github.com/aws/sagemaker-python-sdk/issues/1835."""
    return DeploymentError(
        f"Please make sure all images included in the model for the production variant {variant} exist, and that the "
        "execution role used to create the model has permissions to access them."
    )


def download_failed(url: str) -> DeploymentError:
    """Source: https://github.com/mlflow/mlflow/issues/2573."""
    return DeploymentError(
        f'Failed to download model data for container "container_1" from URL: "{url}". Please ensure that there is an '
        "object located at the URL and that the role passed to CreateModel has permissions to download the object."
    )


def extract_failed(url: str) -> DeploymentError:
    """Source: https://github.com/aws/deep-learning-containers/pull/569."""
    return DeploymentError(
        f'Failed to extract model data archive for container "container_1" from URL "{url}". '
        "Please ensure that the object located at the URL is a valid tar.gz archive."
    )
