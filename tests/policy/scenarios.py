"""The plans whose policies are evaluated."""

from tests.terraform.variations import ACCOUNT

__all__ = ["ACCOUNT", "GUARDED", "REGION", "SCENARIOS"]

REGION = "us-east-1"

# The root or variation of tests/terraform, by the name of the scenario.
SCENARIOS = {"staging": "staging_hardened", "prod": "prod_in_full", "existing key": "keyed"}

# Plans of which only the restricting policies are evaluated: see guards.py.
GUARDED = {"private access": "private-access", "state": "state", "deletable state": "deletable_state"}
