"""Measures times that users wait for: `--help` of scripts, logging a run with its model to a server, and the doctor.

`log_run.py` itself measures the logging: from the first to the last tracking call of a run, its model and its
registration, without the import of MLflow. For comparison, the same training is logged to the same server in the way
of MLflow's tutorials, which let MLflow infer the model's requirements.

Targets: `--help` of each script in at most 0.15 of `import mlflow`, in processor time and measured alternately; a run
in at most 1 s and 20 tracking requests; the doctor in at most 10 s. Exit status 1: a target is missed. `--help-only`
measures the first alone, without a server.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))  # For tests.support.running, which starts a separate localaws.

from bench.targets import exit_status  # noqa: E402
from localaws import daemon  # noqa: E402
from localaws.mirror import mirror  # noqa: E402
from tests.support.deployed import Deployed  # noqa: E402
from tests.support.running import RunningLocalAws, start  # noqa: E402

HELP, SECONDS, REQUESTS, DOCTOR = 0.15, 1.0, 20, 10.0
SCRIPTS = sorted(path.name for path in (REPOSITORY / "scripts").glob("[a-z]*.py"))
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
    parser.add_argument("--help-only", action="store_true", help="measure only `--help` of the scripts")
    given = parser.parse_args()
    missed = measure_help(given.times)
    if not given.help_only:
        missed += measure_work(given.times)
    return exit_status(missed)


def measure_help(times: int) -> list[str]:
    """Print the processor time of each script's `--help` and of `import mlflow`, and return those that are too slow."""
    imports: list[float] = []
    helps: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    for _ in range(times):
        imports.append(cpu_seconds("-c", "import mlflow"))
        for name, measured in helps.items():
            measured.append(cpu_seconds(str(REPOSITORY / "scripts" / name), "--help"))
    whole = statistics.median(imports)
    shares = {name: statistics.median(measured) / whole for name, measured in helps.items()}
    print(f"{'import mlflow':28}{whole:8.2f} s of processor time")
    for name, share in shares.items():
        print(f"{name + ' --help':28}{share * whole:8.2f} s, {share:.3f} of it")
    print(json.dumps({"import": whole, "help": shares}))
    return [
        f"{name} --help takes {share:.3f} of `import mlflow` (at most {HELP})"
        for name, share in shares.items()
        if share > HELP
    ]


def cpu_seconds(*arguments: str) -> float:
    """The processor time of a Python process."""
    with subprocess.Popen([sys.executable, *arguments], cwd=REPOSITORY, stdout=subprocess.DEVNULL) as running:
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {running.returncode}.")
    return used.ru_utime + used.ru_stime


def measure_work(times: int) -> list[str]:
    """Print the times of logging and of the doctor, and return the missed targets."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        localaws = start(home)
        try:
            staging = Deployed("staging", local=True, environ=localaws.environ(LOCALAWS_HOME=str(home)))
            mirror(localaws.settings, "staging")
            staging.terraform("apply")
            runs = [log_run(localaws, staging) for _ in range(times)]
            peer = [peer_seconds(staging) for _ in range(times)]
            doctor = statistics.median(doctor_seconds(staging) for _ in range(times))
        finally:
            daemon.down(localaws.settings)
    seconds = statistics.median(run[0] for run in runs)
    requests = max(run[1] for run in runs)
    print(f"{'log_run.py, logging':28}{seconds:8.2f} s, at most {requests} tracking requests")
    print(f"{'MLflow as in its tutorials':28}{statistics.median(peer):8.2f} s")
    print(f"{'doctor.py':28}{doctor:8.2f} s")
    found = {"doctor": doctor, "logging": seconds, "requests": requests, "peer": statistics.median(peer)}
    print(json.dumps(found))
    figures = (
        ("logging takes", seconds, SECONDS, "s"),
        ("logging makes", requests, REQUESTS, "requests"),
        ("the doctor takes", doctor, DOCTOR, "s"),
    )
    return [f"{what} {value:.4g} {unit} (at most {most})" for what, value, most, unit in figures if value > most]


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


if __name__ == "__main__":
    sys.exit(main())
