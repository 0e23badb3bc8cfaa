"""The sweep as a program: it is killed at ten random moments, and the same command continues it."""

import os
import random
import sys
import time
from collections import Counter

from tests.e2e.pipeline.programs import started
from tests.e2e.pipeline.runs import runs_of
from tests.support.deployed import Deployed
from tests.support.waiting import eventually

KILLS, TRIALS = 10, 100
EXPERIMENT = "killed-sweeps"
OPTIONS = ["--experiment", EXPERIMENT, "--jobs", "2", "--param", f"n_estimators=1..{TRIALS}:{TRIALS}"]
OPTIONS += ["--param", "max_depth=3", "--param", "min_samples_leaf=1"]


def is_over(group: int) -> bool:
    """Whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_sweep_killed_at_ten_random_moments_has_each_trial_once(alone: Deployed) -> None:
    seed = int(os.environ.get("SWEEP_KILL_SEED", "7"))
    chance = random.Random(seed)  # noqa: S311 no secret
    sys.stdout.write(f"SWEEP_KILL_SEED={seed}\n")
    for number in range(KILLS):
        # Every third time while it starts: it imports, finds its runs, starts its processes. Else between two trials,
        # or while one is trained or written.
        trials, seconds = (0, chance.uniform(0.5, 8)) if number % 3 == 0 else (chance.randint(1, 8), chance.random())
        with started(alone, "sweep", *OPTIONS) as sweep:
            sweep.wait_for(f" of {TRIALS}: ", trials)
            time.sleep(seconds)
            assert sweep.process.poll() is None, f"the sweep ended before kill {number + 1}: use more trials"
        sys.stdout.write(f"killed {seconds:.2f} s after {trials} trials\n")
        assert eventually(lambda group=sweep.process.pid: is_over(group), 30), "a process of the sweep is left"
    found = alone.result("sweep", *OPTIONS)
    assert found["trials"] == TRIALS
    assert 0 < found["new_trials"] < TRIALS
    runs = runs_of(alone, EXPERIMENT)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run["tags"]]
    assert (parent["id"], parent["status"]) == (found["parent_run"], "FINISHED")
    trained = [run for run in runs if run is not parent]
    assert {run["tags"]["mlflow.parentRunId"] for run in trained} == {parent["id"]}
    assert Counter(int(run["params"]["n_estimators"]) for run in trained) == Counter(range(1, TRIALS + 1))
    assert {run["status"] for run in trained} == {"FINISHED"}
    assert all("accuracy" in run["metrics"] for run in trained)
