"""Measures `terraform plan`: staging, 1, 10 and 50 calls of the module in one root, and a single S3 bucket.

The roots alternate, with the same provider and one localaws, so that other load on the machine affects them equally.
The figures are medians. Processor seconds are those of Terraform and its provider, which other load hardly changes.
Each plan starts from an empty state, the slowest case, because it creates everything.

Target: staging takes at most 1.5 times as long as the single bucket. Exit status 1: the target is missed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))  # For the tests' helpers, which start a localaws and copy the roots.

from bench.targets import exit_status  # noqa: E402
from localaws import daemon  # noqa: E402
from tests.support import provider  # noqa: E402
from tests.support.running import RunningLocalAws, start  # noqa: E402
from tests.terraform.planning import copy_terraform  # noqa: E402

LIMIT = 1.5
CALLS = (1, 10, 50)
VERSIONS = """\
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
"""
BUCKET = VERSIONS + 'resource "aws_s3_bucket" "one" {\n  bucket = "one-bucket"\n}\n'
MODULES = (
    VERSIONS
    + """\
module "mlflow" {
  source   = "../terraform/module/mlflow"
  for_each = toset([for number in range(%d) : format("team-%%03d", number)])

  project_name       = each.value
  environment        = "bench"
  bucket_name_suffix = "acme"
}
"""
)


def main() -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=7, help="number of plans of each root (default 7)")
    parser.add_argument("--calls", type=int, action="append", help="calls of the module, such as 200; repeatable")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        localaws = start(Path(folder) / "home")
        try:
            seconds, processor, resources = measure(localaws, Path(folder) / "roots", given.times, given.calls or CALLS)
        finally:
            daemon.down(localaws.settings)
    one = seconds["one bucket"]
    print(f"{'root':22}{'resources':>10}{'seconds':>9}{'of one bucket':>15}{'processor':>11}")
    for name, taken in seconds.items():
        print(f"{name:22}{resources[name]:10}{taken:9.2f}{taken / one:15.2f}{processor[name]:11.2f}")
    found = {"limit": LIMIT, "staging": seconds["staging"] / one, "load": os.getloadavg()[2]}
    found |= {"seconds": seconds, "processor_seconds": processor, "resources": resources}
    print(json.dumps(found))
    share = seconds["staging"] / one
    return exit_status([f"staging takes {share:.2f} times as long (at most {LIMIT})"] if share > LIMIT else [])


def measure(
    localaws: RunningLocalAws, folder: Path, times: int, calls: Sequence[int]
) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    """The median seconds and processor seconds of a plan of each root, and the number of resources that it creates."""
    copy_terraform(folder)
    roots = {"one bucket": written(folder / "one-bucket", BUCKET), "staging": folder / "mlflow/terraform/staging"}
    for number in calls:
        roots[f"module, {number} times"] = written(folder / f"module-{number}", MODULES % number)
    environ = localaws.environ(CHECKPOINT_DISABLE="1", TF_IN_AUTOMATION="1", GOGC=os.environ.get("GOGC", "400"))
    environ.pop("TF_CLI_CONFIG_FILE", None)
    mirror = provider.mirror()
    for root in roots.values():
        terraform(root, environ, "init", "-input=false", *([f"-plugin-dir={mirror}"] if mirror else []))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in roots}
    for _ in range(times):
        for name, root in roots.items():
            started_at, used = time.monotonic(), processor_seconds()
            terraform(root, environ, "plan", "-input=false", "-lock=false", "-out=bench.tfplan")
            taken[name].append((time.monotonic() - started_at, processor_seconds() - used))
    seconds, processor = (
        {name: statistics.median(one[kind] for one in all_of_it) for name, all_of_it in taken.items()}
        for kind in (0, 1)
    )
    return seconds, processor, {name: created(root, environ) for name, root in roots.items()}


def processor_seconds() -> float:
    """The processor time of all ended child processes and their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def written(folder: Path, text: str) -> Path:
    """Write a root with one file."""
    folder.mkdir(parents=True)
    (folder / "main.tf").write_text(text)
    return folder


def created(root: Path, environ: dict[str, str]) -> int:
    """The number of resources that the saved plan would create."""
    plan = json.loads(terraform(root, environ, "show", "-json", "bench.tfplan"))
    return sum(change["change"]["actions"] == ["create"] for change in plan["resource_changes"])


def terraform(root: Path, environ: dict[str, str], *arguments: str) -> str:
    """Run Terraform in a root, and return its output."""
    done = subprocess.run(
        ["terraform", f"-chdir={root}", *arguments, *(["-no-color"] if arguments[0] != "show" else [])],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
