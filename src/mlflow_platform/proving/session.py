"""Starts a proof: credentials, the throw-away root, its plan and cost, then the steps, and the record's files."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.waiting import Progress, SystemClock
from mlflow_platform import outputs, tfvars
from mlflow_platform.localaws_client import localaws_home, use_localaws
from mlflow_platform.monthly_cost.own_prices import with_own_prices
from mlflow_platform.plan_guard.changes import read
from mlflow_platform.plan_guard.cost import Prices
from mlflow_platform.proving import checks, removal
from mlflow_platform.proving.budget import Budget, budget_of, check_budget
from mlflow_platform.proving.commands import GRACE_MINUTES, LAST_MINUTES, TERRAFORM_GRACE_MINUTES, Runner
from mlflow_platform.proving.leftovers import SETTLE_MINUTES, Leftover, delete_leftovers, delete_logs, leftovers
from mlflow_platform.proving.quotas import check_quotas
from mlflow_platform.proving.record import Record
from mlflow_platform.proving.steps import Proof, Step, prove
from mlflow_platform.proving.target import Target
from mlflow_platform.proving.workspace import create_workspace

_PACKAGES = ("boto3", "mlflow", "sagemaker-mlflow")
# Calls of AWS that have no time limit of their own.
_CALL_MINUTES = 10
# Commands that reach their limit get time to end: apply and destroy, and the others (output, plan, train, build, smoke
# tests, doctor).
_LONG, _SHORT = TERRAFORM_GRACE_MINUTES + LAST_MINUTES, GRACE_MINUTES + LAST_MINUTES
_REMOVAL_MINUTES = SETTLE_MINUTES + removal.SETTLE_MINUTES + removal.DESTROY_MINUTES
# Everything that costs something exists for at most that time, if the removal succeeds.
HOURS = (sum(checks.MINUTES.values()) + _REMOVAL_MINUTES + 2 * _LONG + 6 * _SHORT + _CALL_MINUTES) / 60
# The smoke tests' instances are deleted before the server.
INSTANCE_HOURS = (
    sum(checks.MINUTES[step] for step in ("smoke", "doctor", "app", "schedule"))
    + SETTLE_MINUTES
    + 2 * _SHORT
    + _CALL_MINUTES
) / 60


@dataclass(frozen=True)
class ProofOptions:
    """The options of a proof. `suffix` makes the name of the environment; `limit` is in USD."""

    repository: Path
    source: str
    suffix: str
    local: bool
    region: str | None
    limit: float
    prices: tuple[Path, ...]
    output: Path
    now: datetime


def start_proof(options: ProofOptions, environ: MutableMapping[str, str], progress: Progress) -> tuple[Record, Path]:
    """Prove an environment. Returns the record and the file that holds it.

    Raises:
        InputError: the environment cannot be copied, or a price file is not valid.
        PreconditionError: no credentials, no localaws, too small a quota, or a cost above the limit: nothing is made.
    """
    prices = Prices.load()
    for file in options.prices:
        prices = with_own_prices(prices, file)
    region = options.region or tfvars.read(options.repository / outputs.ROOTS / options.source).get("region")
    if not region:
        raise PreconditionError(f"{options.source} has no region in its terraform.tfvars. Give one with --region.")
    if options.local:
        use_localaws(localaws_home(environ, options.repository), environ)
    client = _clients(region)
    account = str(client("sts").get_caller_identity()["Account"])
    check_quotas(client("service-quotas"), progress)
    workspace = create_workspace(
        options.repository, options.source, options.suffix, account=account, region=region, now=options.now
    )
    logs = options.output / f"{options.now:%Y%m%d-%H%M%S}-{workspace.name}"
    runner = Runner(options.repository, dict(environ), logs, progress)
    project = tfvars.read(workspace.folder).get("project_name", "mlflow")
    stem = f"{project}-{workspace.name}"
    clock = SystemClock()
    target = Target(workspace.name, stem, options.local, account, region, client, runner, clock, progress)
    try:
        progress(f"planning {workspace.name}")
        budget = _budget(target, prices)
        most = check_budget(budget, HOURS, options.limit)
        progress(f"it costs at most {most:.2f} USD if everything is removed")
    except BaseException:
        # Nothing was created yet.
        removal.remove_folders(target, workspace)
        raise
    where = "localaws" if options.local else "AWS"
    started = options.now.isoformat(timespec="seconds")
    record = Record(workspace.name, where, account, region, started, _versions(), round(most, 2))
    file = logs / "record.json"

    def save() -> None:
        record.seconds = round(clock.now() - began, 1)
        record.ended = datetime.now(UTC).isoformat(timespec="seconds")
        record.cost_usd = 0.0 if options.local else round(budget.cost(record.seconds / 3600), 2)
        file.write_text(json.dumps(record.as_json(), indent=2) + "\n")
        file.with_suffix(".md").write_text(record.as_markdown())

    began = clock.now()
    left: list[Leftover] = []
    prove(_proof(target, left), record, clock, progress, save)
    if record.left:
        # Terraform's state is in the folder, so the folder stays until the rest is deleted.
        record.commands = removal.commands(target, left)
        save()
    else:
        removal.remove_folders(target, workspace)
    return record, file


def _proof(target: Target, remaining: list[Leftover]) -> Proof:
    """The steps. What is left outside Terraform's state is added to `remaining`."""

    def step(name: str, proves: str, check: Callable[[Target], str], *, required: bool = False) -> Step:
        return Step(name, proves, lambda: check(target), required)

    def left() -> list[str]:
        remaining.extend(leftovers(target))
        return [*_in_state(target), *map(str, remaining)]

    return Proof(
        steps=[
            step(
                "apply",
                "AWS accepts every resource of the modules, and a second plan is empty",
                checks.apply,
                required=True,
            ),
            step("tracking server", "SageMaker assumes the server's role under its trust conditions", checks.server),
            step("train", "the plugin, the artifact store and the registry work for a client", checks.train),
            step("registry", "the server registers models in SageMaker with its own role", checks.registry),
            step("UI link", "a presigned link opens the UI", checks.ui),
            step("CodeBuild", "CodeBuild builds the serving image and pushes it", checks.build),
            step("smoke tests", "endpoints, transform jobs and validation work", checks.smoke),
            step("doctor", "the deployed environment is as Terraform set it", checks.doctor),
            step("MLflow App", "an App works with the same bucket and role", checks.app),
            step("schedule", "Scheduler and the state machine stop and start the server", checks.schedule),
        ],
        removal=[
            step("delete what scripts created", "everything can be found by its name", delete_leftovers),
            step("destroy", "Terraform destroys everything", removal.destroy),
            step("delete the endpoints' logs", "SageMaker's log groups can be found by their name", delete_logs),
        ],
        left=left,
    )


def _budget(target: Target, prices: Prices) -> Budget:
    target.terraform("plan", minutes=20)
    file = target.root / f"{target.environment}.tfplan"
    return budget_of(read(file, target.root, outputs.run_terraform, sys.stdin), prices, INSTANCE_HOURS)


def _in_state(target: Target) -> list[str]:
    """The resources that Terraform's state still holds."""
    done = outputs.run_terraform([f"-chdir={target.root}", "state", "list"])
    if done.returncode and "No state file was found" not in done.stderr:
        raise PlatformError(f"Terraform cannot list its state: {outputs.terraform_error(done.stderr)}")
    lines = filter(None, done.stdout.splitlines())
    return [line for line in lines if ".data." not in f".{line}"]


def _clients(region: str) -> Callable[[str], Any]:
    import boto3

    os.environ.setdefault("AWS_RETRY_MODE", "standard")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "5")
    session = boto3.Session(region_name=region)
    create: Any = session.client
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = create(service)
        return made[service]

    return client


def _versions() -> dict[str, str]:
    return {
        "Terraform": outputs.terraform_version() or "not installed",
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
