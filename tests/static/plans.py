"""The plans that are checked: together they hold every resource that the modules can make."""

from typing import Any

from tests.plan.variations import STATES

# By the root or variation of tests/plan: what it is given.
PLANS: dict[str, dict[str, Any]] = {
    "staging": {},
    "prod": {},
    "private-access": {},
    "state": {"bucket_name": STATES},
    # A plan knows the policies that name a key or a topic only where those exist already.
    "keyed": {},
}
