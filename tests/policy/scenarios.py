"""The plans whose policies are judged."""

from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "123456789012"
REGION = "us-east-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Scenario:
    """A root of tests/plan and what it is given.

    Attributes:
        first: what is applied before the plan is made: a plan knows only the policies whose ARNs are there already.
    """

    root: str
    variables: dict[str, Any] = field(default_factory=dict)
    first: str | None = None


SCENARIOS = {
    "staging": Scenario("staging"),
    # All that there is: what docs/security.md shows.
    "prod": Scenario(
        "prod",
        {
            "backup": {"keep": 30},
            "schedule": {"start": "cron(0 7 ? * MON-FRI *)", "stop": "cron(0 20 ? * MON-FRI *)"},
        },
        first="module.mlflow.aws_kms_key.artifacts",
    ),
    "existing key": Scenario(
        "any",
        {"inputs": {"bucket_name_suffix": "keyed", "kms_key_id": KEY, "notifications": {}, "backup": {"keep": 30}}},
    ),
}
