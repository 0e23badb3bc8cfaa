"""Runs the checks side by side, and turns every error into a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from mlflow_common.errors import explain, first_line
from mlflow_platform.doctor import access, endpoints, operations, roles, server, storage
from mlflow_platform.doctor.context import Context, NoStateError
from mlflow_platform.doctor.finding import Finding, Verdict, failed, skipped

Check = Callable[[Context], Verdict]

# Without them, no check of AWS can work.
_FIRST: Mapping[str, Check] = {"credentials": access.credentials}
# Checks that ask AWS. The tracking API comes first because importing MLflow takes longest.
_AWS: Mapping[str, Check] = {
    "tracking API": server.api,
    "clock": access.clock,
    "tracking server": server.state,
    "server settings": server.settings,
    "UI link": server.ui_link,
    "artifact access": storage.access,
    "bucket": storage.bucket,
    "KMS keys": storage.keys,
    "image repository": storage.repository,
    "roles": roles.roles,
    "policies": roles.policies,
    "quotas": roles.quotas,
    "schedules": operations.schedules,
    "last scheduled run": operations.last_run,
    "scheduled calls": operations.failures,
    "backups": operations.backups,
    "alarms": operations.alarms,
    "notifications": operations.notifications,
    "parameters": operations.parameters,
    "endpoints": endpoints.endpoints,
    "endpoint quotas": endpoints.quotas,
}
_LOCAL: Mapping[str, Check] = {
    "region": access.region,
    "Terraform": access.terraform,
    "AWS provider": access.provider,
    "MLflow client": access.mlflow_client,
    "plugin": access.plugin,
}
_THREADS = 8


def diagnose(context: Context) -> list[Finding]:
    """Run all checks. The findings are in the order in which a person should read them."""
    found = [run_check(context, name, check) for name, check in _FIRST.items()]
    with ThreadPoolExecutor(_THREADS) as pool:
        if any(one.status == "fail" for one in found):
            verdict = skipped("The credentials do not work.")
            remote = [verdict.of(name) for name in _AWS]
        else:
            remote = list(pool.map(lambda item: run_check(context, *item), _AWS.items()))
    return found + [run_check(context, name, check) for name, check in _LOCAL.items()] + remote


def run_check(context: Context, name: str, check: Check) -> Finding:
    """Run one check. Whatever it raises becomes a finding; without Terraform's state, its comparisons are skipped."""
    try:
        return check(context).of(name)
    except NoStateError:
        return skipped("Terraform's state cannot be read.").of(name)
    except Exception as error:
        known = explain(error)
        message = known.message if known else f"{type(error).__name__}: {first_line(error)}."
        return failed(message, "Repair what the message names, then run the doctor again.").of(name)
