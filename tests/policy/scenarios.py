"""The plans whose policies are judged."""

from tests.plan.variations import ACCOUNT

__all__ = ["ACCOUNT", "REGION", "SCENARIOS"]

REGION = "us-east-1"

# By the name of the scenario: the root or variation of tests/plan.
SCENARIOS = {"staging": "staging", "prod": "prod_in_full", "existing key": "existing_key"}
