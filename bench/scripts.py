"""Measures times that users wait for: `--help` of scripts, logging a run with its model to a server, and the doctor.

`log_run.py` itself measures the logging: from the first to the last tracking call of a run, its model and its
registration, without the import of MLflow. For comparison, the same training is logged to the same server in the way
of MLflow's tutorials, which let MLflow infer the model's requirements.

Targets: `--help` in less than 0.5 s; a run in at most 1 s and 20 tracking requests; the doctor in at most 10 s. Exit
status 1: a target is missed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))  # For tests.support.running, which starts a separate localaws.

from localaws import daemon  # noqa: E402
from localaws.mirror import mirror  # noqa: E402
from tests.support.deployed import Deployed  # noqa: E402
from tests.support.running import RunningLocalAws, start  # noqa: E402

HELP, SECONDS, REQUESTS, DOCTOR = 0.5, 1.0, 20, 10.0
SCRIPTS = ("log_run", "deploy_model", "validate_endpoint", "server", "transfer", "upgrade", "demo", "bootstrap")
PEER = """
import sys, time
import mlflow
from training.params import DEFAULTS
from training.train import train
mlflow.set_tracking_uri(sys.argv[1])
training = train("iris", DEFAULTS["iris"])
example = training.split.features(training.split.train)[:5]
began = time.monotonic()
mlflow.set_experiment("peer")
with mlflow.start_run():
    mlflow.log_params(training.params.as_strings())
    mlflow.log_metrics(training.metrics)
    model = training.fitted.model
    trusted = ["sklearn.tree._tree.Tree"]
    mlflow.sklearn.log_model(
        model, name="model", input_example=example, registered_model_name="peer", skops_trusted_types=trusted
    )
print(time.monotonic() - began)
"""


def main() -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=5, help="number of measurements of each (default 5)")
    given = parser.parse_args()
    helps = {name: median(given.times, partial(help_seconds, name)) for name in SCRIPTS}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        localaws = start(home)
        try:
            staging = Deployed("staging", local=True, environ=localaws.environ(LOCALAWS_HOME=str(home)))
            mirror(localaws.settings, "staging")
            staging.terraform("apply")
            runs = [log_run(localaws, staging) for _ in range(given.times)]
            peer = [peer_seconds(staging) for _ in range(given.times)]
            doctor = median(given.times, partial(doctor_seconds, staging))
        finally:
            daemon.down(localaws.settings)
    seconds = statistics.median(run[0] for run in runs)
    requests = max(run[1] for run in runs)
    for name, taken in helps.items():
        print(f"{name + '.py --help':28}{taken:8.2f} s")
    print(f"{'log_run.py, logging':28}{seconds:8.2f} s, at most {requests} tracking requests")
    print(f"{'MLflow as in its tutorials':28}{statistics.median(peer):8.2f} s")
    print(f"{'doctor.py':28}{doctor:8.2f} s")
    found = {"doctor": doctor, "help": helps, "logging": seconds, "requests": requests, "peer": statistics.median(peer)}
    print(json.dumps(found))
    return int(max(helps.values()) > HELP or seconds > SECONDS or requests > REQUESTS or doctor > DOCTOR)


def help_seconds(name: str) -> float:
    """The seconds of a script's `--help`."""
    started_at = time.monotonic()
    command = [sys.executable, REPOSITORY / "scripts" / f"{name}.py", "--help"]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started_at


def log_run(localaws: RunningLocalAws, staging: Deployed) -> tuple[float, int]:
    """The seconds of logging and registration, and the tracking requests for a run, its model and its version."""
    before = len(localaws.calls())
    logged = staging.result("log_run", "--register", "bench", "--alias", "champion")
    calls = localaws.calls()[before:]
    return float(logged["seconds_logging"]), sum(call["service"] == "sagemaker-mlflow" for call in calls)


def doctor_seconds(staging: Deployed) -> float:
    """The seconds of all checks of the doctor, with the start of Python and of Terraform."""
    began = time.monotonic()
    staging.script("doctor")
    return time.monotonic() - began


def peer_seconds(staging: Deployed) -> float:
    """The seconds with MLflow's own functions, without information about the model's requirements."""
    environ = {**staging.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", PEER, staging.outputs["mlflow_tracking_uri"]]
    done = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


def median(times: int, measure: Callable[[], float]) -> float:
    """The median of several measurements."""
    return statistics.median(measure() for _ in range(times))


if __name__ == "__main__":
    sys.exit(main())
