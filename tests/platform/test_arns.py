"""The account in an ARN."""

import pytest

from mlflow_common.arns import account_of
from mlflow_common.errors import InputError


def test_finds_the_account_of_an_arn_whose_resource_contains_colons() -> None:
    assert account_of("arn:aws:logs:us-east-1:123456789012:log-group:/aws/x:*") == "123456789012"


def test_the_account_of_a_bucket_is_empty() -> None:
    assert account_of("arn:aws:s3:::bucket/key") == ""


@pytest.mark.parametrize("text", ["", "mlflow-staging", "arn:aws:iam", "s3://a:b:c:d:e:f"])
def test_refuses_what_is_not_an_arn(text: str) -> None:
    with pytest.raises(InputError, match="is not an ARN"):
        account_of(text)
