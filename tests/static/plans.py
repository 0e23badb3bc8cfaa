"""The plans that are checked: together they hold every resource that the modules can make."""

from dataclasses import dataclass, field
from typing import Any

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Checked:
    """A root of tests/plan and what it is given."""

    root: str
    variables: dict[str, Any] = field(default_factory=dict)


PLANS = {
    "staging": Checked("staging"),
    "prod": Checked("prod"),
    "private-access": Checked("private-access"),
    "state": Checked("state", {"bucket_name": "terraform-states-123456789012"}),
    # A plan knows the policies that name a key or a topic only where those exist already.
    "keyed": Checked(
        "any",
        {
            "inputs": {
                "bucket_name_suffix": "keyed",
                "kms_key_id": KEY,
                "schedule": {"start": "cron(0 8 ? * MON-FRI *)", "stop": "cron(0 20 ? * MON-FRI *)"},
                "notifications": {"emails": ["team@example.com"]},
                "monthly_budget_usd": 500,
                "backup": {},
            }
        },
    ),
}
