"""The plans that are checked: together they hold every resource that the modules can make."""

# By their names in tests/plan/variations.py. A plan knows the policies that name a key or a topic only where those are
# there already: "keyed".
PLANS = ("staging", "prod", "private-access", "state", "keyed")
