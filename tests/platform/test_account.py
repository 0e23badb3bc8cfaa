"""Checking that the AWS credentials belong to the environment's account."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from mlflow_common.errors import PreconditionError
from mlflow_platform.account import check_account
from mlflow_platform.environment import Environment, EnvironmentRef


def test_accepts_the_right_account(environment: Environment, aws: Callable[[str], Any]) -> None:
    check_account(environment.ref, environment.account, aws("sts"))


def test_refuses_another_account_and_names_both(environment: Environment, aws: Callable[[str], Any]) -> None:
    with pytest.raises(
        PreconditionError, match="are for account 123456789012, but staging is in account 9999"
    ) as wrong:
        check_account(environment.ref, "999999999999", aws("sts"))
    assert wrong.value.status == 3


def test_a_session_of_an_earlier_localaws_is_explained(aws: Callable[[str], Any]) -> None:
    sts = aws("sts")
    with Stubber(sts) as stubbed:
        stubbed.add_client_error("get_caller_identity", "InvalidClientTokenId")
        with pytest.raises(PreconditionError, match="localaws does not know the role session in AWS_SESSION_TOKEN"):
            check_account(EnvironmentRef("staging", local=True), "123456789012", sts)
