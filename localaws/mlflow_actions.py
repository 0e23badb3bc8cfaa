"""MLflow's REST paths and the `sagemaker-mlflow` IAM action that each stands for.

Source: the action list of https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html
and the REST paths of https://mlflow.org/docs/latest/api_reference/rest-api.html
"""


def action_of(method: str, path: str) -> str:
    """The IAM action of a tracking call; "-" where AWS has none."""
    return "-"
