"""An apply that is killed while it creates each of its resources, and repaired as docs/guides/runbook.md describes."""

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws import daemon
from tests.support.http import HTTP
from tests.support.running import RunningLocalAws, settled, start
from tests.terraform.applying import Environment
from tests.terraform.planning import REPOSITORY

RUNBOOK = (REPOSITORY / "docs/guides/runbook.md").read_text()
SERVER = 'module.platform.module.mlflow.aws_sagemaker_mlflow_tracking_server.this["3.0"]'
# Prod with all optional resources.
MORE = {
    "schedule": {"start": "cron(0 7 ? * MON-FRI *)", "stop": "cron(0 20 ? * MON-FRI *)"},
    "weekly_maintenance_window_start": None,
    "notifications": {"emails": ["team@example.com"]},
    "monthly_budget_usd": 500,
    "backup": {"schedule_expression": "cron(30 12 ? * MON-FRI *)"},
}
# After two and a half minutes without a response, the provider repeats some calls that were made: then the role exists
# already, and a second key is created. Observed with aws_iam_role and aws_kms_key of provider 5.100.0.
HELD_SECONDS = 120
# Never orphaned: the topic's policy is set by the same operation as the topic's attributes, which failed before; the
# ownership controls would be the only resource of their turn; the exclusive lists create nothing in AWS.
SPARED = {
    "module.platform.module.mlflow.aws_sns_topic_policy.events[0]",
    "module.platform.module.mlflow.aws_s3_bucket_ownership_controls.artifacts[0]",
    "module.platform.module.mlflow.aws_iam_role_policies_exclusive.server[0]",
    "module.platform.module.mlflow.aws_iam_role_policy_attachments_exclusive.server[0]",
    *(
        f'module.platform.module.mlflow.aws_iam_role_{kind}_exclusive.job["{job}"]'
        for kind in ("policies", "policy_attachments")
        for job in ("backup", "backup_schedule", "scheduler", "start_stop")
    ),
}


@pytest.fixture
def prod(tmp_path: Path) -> Iterator[Environment]:
    """An environment without resources. The first response of each creating call is lost."""
    account = start(tmp_path / "home")
    try:
        # The call log counts two keys, two projects, and two schedules in a group, as one resource. Responses are held
        # back longer than an apply may take.
        for operation in ("kms:CreateKey", "codebuild:CreateProject", "scheduler:CreateSchedule"):
            account.fault(operation, lost=True, delay=1200, each="operation", times=2)
        for operation in ("*:Create*", "*:Put[!B]*", "s3:PutBucket[EPV]*", "*:Set*", "sns:Subscribe"):
            account.fault(operation, lost=True, delay=1200, each="resource")
        yield Environment(account, "prod", **MORE)
    finally:
        daemon.down(account.settings)


def test_an_apply_that_is_killed_during_each_creation_can_be_resumed_without_duplicates(prod: Environment) -> None:
    orphaned: set[str] = set()
    while (orphans := killed(prod)) is not None:
        orphaned |= orphans
        if SERVER in orphans:
            assert settled(prod.localaws, "mlflow-prod-3-0") == "Created"
            imported = prod.terraform("import", "-input=false", SERVER, import_id(prod, SERVER) or "")
            assert imported.returncode == 0, imported.stdout
        prod.write("orphans.tf.json", {"import": blocks(prod, orphaned - {SERVER})})
    HTTP.delete(f"{prod.localaws.url}/_localaws/faults")

    addresses = recorded(prod)
    assert addresses
    assert orphaned == addresses - SPARED
    plan = prod.plan()
    assert plan.returncode == 0, plan.stdout
    kinds = Counter(address.split(".")[4] for address in addresses)
    counts = existing(prod.localaws)
    assert counts == {kind: kinds[kind] for kind in counts}


def killed(environment: Environment) -> set[str] | None:
    """Applies, and kills the apply when all its open operations wait for a response.

    Returns the addresses of the resources that it was creating; None if the apply succeeded.
    """
    before = unanswered(environment.localaws)
    known = recorded(environment) or set()
    output = environment.root / "killed.log"

    def held() -> int:
        return unanswered(environment.localaws) - before

    def waits() -> bool:
        """Whether each operation waits for one response, and the state file contains what has ended."""
        written = recorded(environment)
        return 0 < len(in_progress(output)) == held() and written is not None and known | ended(output) <= written

    # High parallelism, so that one kill orphans many resources. The state is current, so no refresh is needed.
    options = ["-json", "-auto-approve", "-input=false", "-parallelism=100", "-refresh=false"]
    apply = environment.begin(output, "apply", *options)
    deadline, is_held = time.monotonic() + 600, False
    try:
        while apply.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            if not is_held and held():
                deadline, is_held = time.monotonic() + HELD_SECONDS, True
            # Terraform reports the end of an operation before it writes the state file, and truncates the file first.
            # scripts/terraform.sh repairs that; Terraform alone does not. So check again while Terraform is stopped.
            if waits():
                time.sleep(0.2)  # What depends on the last ones that ended starts.
                os.killpg(apply.pid, signal.SIGSTOP)
                os.waitid(os.P_PID, apply.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                if waits():
                    break
                os.killpg(apply.pid, signal.SIGCONT)
        else:
            assert apply.poll() is not None, f"{held()} calls wait for a response, in progress: {in_progress(output)}"
    finally:
        if apply.poll() is None:
            os.killpg(apply.pid, signal.SIGKILL)
    if apply.wait(300) not in (0, -signal.SIGKILL):
        pytest.fail("\n".join(json.dumps(message) for message in messages(output) if message["@level"] == "error"))
    deadline = time.monotonic() + 300
    # A fault counts a call when it arrives. The call is complete when localaws has dropped its response.
    while (complete := dropped(environment.localaws)) < unanswered(environment.localaws):
        assert time.monotonic() < deadline, f"{complete} calls are complete"
        time.sleep(0.1)
    if apply.returncode == 0:
        return None
    return {address for address, action in in_progress(output).items() if action == "create"}


def state(environment: Environment) -> str:
    """The content of Terraform's state file; "" if there is none."""
    file = environment.root / "terraform.tfstate"
    return file.read_text() if file.exists() else ""


def unanswered(localaws: RunningLocalAws) -> int:
    """The number of calls whose response was held back."""
    faults: list[dict[str, Any]] = HTTP.get(f"{localaws.url}/_localaws/faults", timeout=30).json()
    return sum(fault["struck"] for fault in faults)


def dropped(localaws: RunningLocalAws) -> int:
    """The number of calls that were executed and whose response was dropped."""
    return sum(call["error"] == "Dropped" for call in localaws.calls("Dropped"))


def messages(output: Path) -> list[dict[str, Any]]:
    """What an apply has reported, from its `-json` output."""
    lines = output.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]


def in_progress(output: Path) -> dict[str, str]:
    """The operations that an apply has started and not ended: actions by address."""
    found: dict[str, str] = {}
    for message in messages(output):
        match message["type"]:
            case "apply_start" if message["hook"]["action"] in ("create", "update"):
                found[message["hook"]["resource"]["addr"]] = message["hook"]["action"]
            case "apply_complete" | "apply_errored":
                found.pop(message["hook"]["resource"]["addr"], None)
    return found


def ended(output: Path) -> set[str]:
    """The addresses of the resources that an apply has created or changed."""
    found = [message["hook"] for message in messages(output) if message["type"] == "apply_complete"]
    return {hook["resource"]["addr"] for hook in found if hook["action"] in ("create", "update")}


def blocks(environment: Environment, orphans: set[str]) -> list[dict[str, str]]:
    """The import blocks, as the runbook describes them."""
    found = {orphan: import_id(environment, orphan) for orphan in sorted(orphans)}
    return [{"to": orphan, "id": known} for orphan, known in found.items() if known]


def import_id(environment: Environment, orphan: str) -> str | None:
    """The ID in the runbook's table, with its placeholders replaced; None if the table has no row for the address."""
    for address, template in re.findall(r"^\| `(module\..+)` \| `(.+)` \|$", RUNBOOK, re.MULTILINE):
        found = re.fullmatch(re.sub(r"[A-Z]{3,}", lambda word: f"(?P<{word[0]}>\\w+)", re.escape(address)), orphan)
        if found:
            own = template.replace("mlflow-staging", f"mlflow-{environment.name}")
            own = own.replace("/staging/", f"/{environment.name}/")
            own = own.replace("https://sqs.REGION.amazonaws.com", environment.localaws.url)
            for word in re.findall(r"[A-Z]{3,}(?:-ID)?", own):
                own = own.replace(word, filled_in(environment, word, found.groupdict()))
            return own
    return None


def filled_in(environment: Environment, word: str, in_address: dict[str, str]) -> str:
    """The value of a placeholder, found as the runbook describes."""
    match word:
        case "KEY-ID":
            purpose = {"events": "Notifications about", "artifacts": "MLflow artifacts of"}[in_address["PURPOSE"]]
            [key] = [key["KeyId"] for key in keys(environment.localaws) if key["Description"].startswith(purpose)]
            return str(key)
        case "ACCOUNT":
            return environment.localaws.settings.account
        case "SUFFIX":
            return f"zali-{environment.name}"
    return in_address[word]


def keys(localaws: RunningLocalAws) -> list[dict[str, Any]]:
    """The customer managed keys."""
    kms = localaws.client("kms")
    described = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    return [key for key in described if key["KeyManager"] == "CUSTOMER"]


def recorded(environment: Environment) -> set[str] | None:
    """The addresses in Terraform's state file; None if it is incomplete, because Terraform is writing it."""
    try:
        resources = json.loads(state(environment) or "{}").get("resources", [])
    except json.JSONDecodeError:
        return None
    found = set()
    for resource in resources:
        for instance in resource["instances"] if resource["mode"] == "managed" else []:
            key = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
            found.add(f"{resource['module']}.{resource['type']}.{resource['name']}{key}")
    return found


def existing(localaws: RunningLocalAws) -> dict[str, int]:
    """The number of resources in the account, by type, of each type that could exist twice."""
    client = localaws.client
    rules = client("events").list_rules()["Rules"]
    targets = [client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"] for rule in rules]
    aliases = client("kms").list_aliases()["Aliases"]
    roles = client("iam").list_roles()["Roles"]
    return {
        "aws_budgets_budget": len(client("budgets").describe_budgets(AccountId=localaws.settings.account)["Budgets"]),
        "aws_cloudwatch_event_rule": len(rules),
        "aws_cloudwatch_event_target": sum(map(len, targets)),
        "aws_cloudwatch_log_group": len(client("logs").describe_log_groups()["logGroups"]),
        "aws_cloudwatch_metric_alarm": len(client("cloudwatch").describe_alarms()["MetricAlarms"]),
        "aws_codebuild_project": len(client("codebuild").list_projects()["projects"]),
        "aws_ecr_repository": len(client("ecr").describe_repositories()["repositories"]),
        "aws_iam_policy": len(client("iam").list_policies(Scope="Local")["Policies"]),
        "aws_iam_role": sum("mlflow" in role["RoleName"] for role in roles),
        "aws_kms_alias": sum("mlflow" in alias["AliasName"] for alias in aliases),
        "aws_kms_key": len(keys(localaws)),
        "aws_s3_bucket": len(client("s3").list_buckets()["Buckets"]),
        "aws_sagemaker_mlflow_tracking_server": len(
            client("sagemaker").list_mlflow_tracking_servers()["TrackingServerSummaries"]
        ),
        "aws_scheduler_schedule": len(client("scheduler").list_schedules()["Schedules"]),
        "aws_sfn_state_machine": len(client("stepfunctions").list_state_machines()["stateMachines"]),
        "aws_sns_topic_subscription": len(client("sns").list_subscriptions()["Subscriptions"]),
        "aws_sns_topic": len(client("sns").list_topics()["Topics"]),
        "aws_sqs_queue": len(client("sqs").list_queues()["QueueUrls"]),
        "aws_ssm_parameter": sum(
            len(page["Parameters"]) for page in client("ssm").get_paginator("describe_parameters").paginate()
        ),
    }
