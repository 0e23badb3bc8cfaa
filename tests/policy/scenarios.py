"""The plans whose policies are judged."""

from tests.terraform.variations import ACCOUNT

__all__ = ["ACCOUNT", "GUARDED", "REGION", "SCENARIOS"]

REGION = "us-east-1"

# By the name of the scenario: the root or variation of tests/terraform.
SCENARIOS = {"staging": "staging_hardened", "prod": "prod_in_full", "existing key": "existing_key"}

# Plans of which only the policies are judged that stand in the way: see guards.py.
GUARDED = {"private access": "private-access", "state": "state", "deletable state": "deletable_state"}
