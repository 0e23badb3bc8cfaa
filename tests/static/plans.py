"""The plans that are checked: together they hold every resource and every statement that the modules can make."""

# By their names in tests/plan/variations.py. A plan knows the policies that name a key or a topic only where those are
# there already: "keyed".
PLANS = (
    "staging",
    "prod",
    "prod_with_key_administrators",
    "private-access",
    "state",
    "deletable_state",
    "keyed",
)
