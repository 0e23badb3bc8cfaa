"""The plans that are checked: together they hold every resource and every statement that the modules can make."""

# Names from tests/terraform/variations.py. A plan shows the policies that name a key or a topic only if those exist
# already ("keyed").
PLANS = (
    "staging",
    "prod",
    "private-access",
    "state",
    "deletable_state",
    "github",
    "keyed",
    "isolated",
    "permissive",
    "app",
)
