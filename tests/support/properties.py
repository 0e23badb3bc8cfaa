"""Which examples property tests try.

A test run must not fail by chance. So each test tries the same examples in each run, whatever ran before it. Random
examples are tried at night, and with `RANDOM_TESTS=50 .venv/bin/pytest -m hypothesis`: fifty times as many.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

TIMES = int(os.environ.get("RANDOM_TESTS") or "0")

# How long an example takes depends on what else runs on the machine. Tests that share a folder among examples reset it.
_UNCHECKED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]

settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=_UNCHECKED)
settings.register_profile("random", deadline=None, suppress_health_check=_UNCHECKED, print_blob=True)
settings.load_profile("random" if TIMES else "same")

if not TIMES:
    # Hypothesis also draws the constants that it finds in the loaded modules of this project. Which modules are loaded
    # depends on the tests that ran before in the same process. There is no setting for this.
    providers._get_local_constants = Constants


def examples(count: int) -> settings:
    """Settings for a property test that tries so many examples; RANDOM_TESTS times as many if that is set."""
    return settings(max_examples=count * max(TIMES, 1))
