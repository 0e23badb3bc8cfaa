"""A proof on a real account: its steps, its cost, its commands, and what it leaves."""

import hashlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.plan_guard.cost import Prices
from mlflow_platform.proving.app import prove_app
from mlflow_platform.proving.budget import budget_of, check_budget
from mlflow_platform.proving.checks import registry
from mlflow_platform.proving.commands import Runner
from mlflow_platform.proving.leftovers import Leftover, delete_leftovers, delete_logs, leftovers
from mlflow_platform.proving.record import Record
from mlflow_platform.proving.session import HOURS, INSTANCE_HOURS
from mlflow_platform.proving.steps import Proof, Step, prove
from mlflow_platform.proving.target import Target
from mlflow_platform.proving.workspace import create_workspace

ACCOUNT = "111122223333"
NOW = datetime(2026, 11, 29, 0, 30, tzinfo=UTC)
CLOCK = SimpleNamespace(now=lambda: 0.0, sleep=lambda _: None)


def record() -> Record:
    return Record("prove-ab12cd", "AWS", ACCOUNT, "us-east-1", NOW.isoformat(), {"Terraform": "1.11.4"})


def outcome(
    steps: list[Step], removal: list[Step], left: Callable[[], list[str]] = list
) -> tuple[Record, list[dict[str, Any]]]:
    """The record of a proof, and its forms when it was saved."""
    found, saved = record(), []
    prove(Proof(steps, removal, left), found, CLOCK, lambda _: None, lambda: saved.append(found.as_json()))
    return found, saved


def raising(error: BaseException) -> Callable[[], str]:
    def run() -> str:
        raise error

    return run


def step(name: str, run: Callable[[], str] = lambda: "seen", *, required: bool = False) -> Step:
    return Step(name, f"that {name} works", run, required)


def results(found: Record) -> list[tuple[str, str]]:
    return [(one.name, one.status) for one in found.steps]


def test_a_failed_check_does_not_stop_the_others() -> None:
    found, saved = outcome([step("one", raising(PlatformError("no role"))), step("two")], [step("destroy")])
    assert results(found) == [("one", "fail"), ("two", "pass"), ("destroy", "pass")]
    assert found.steps[0].evidence == "no role"
    assert not found.passed
    assert [len(one["steps"]) for one in saved] == [1, 2, 3, 3]


def test_nothing_is_checked_after_a_failed_apply_but_everything_is_destroyed() -> None:
    found, _ = outcome([step("apply", raising(OSError("full")), required=True), step("two")], [step("destroy")])
    assert results(found) == [("apply", "fail"), ("two", "skip"), ("destroy", "pass")]


def test_everything_is_destroyed_after_an_interrupt() -> None:
    found, saved = outcome([step("one", raising(KeyboardInterrupt())), step("two")], [step("destroy")])
    assert results(found) == [("one", "fail"), ("destroy", "pass")]
    assert found.interrupted
    assert not found.passed
    assert saved[-1]["left"] == []


def test_an_interrupted_removal_says_what_may_be_left() -> None:
    found, saved = outcome([step("one")], [step("destroy", raising(KeyboardInterrupt()))])
    assert found.left == ["possibly everything of prove-ab12cd: the removal was interrupted"]
    assert saved[-1]["passed"] is False


def test_a_failed_removal_does_not_stop_the_next_one_and_what_is_left_is_listed() -> None:
    removal = [step("scripts", raising(PlatformError("denied"))), step("destroy")]
    found, _ = outcome([step("one")], removal, lambda: ["bucket b"])
    assert results(found)[1:] == [("scripts", "fail"), ("destroy", "pass")]
    assert (found.left, found.passed) == (["bucket b"], False)


def test_what_cannot_be_listed_counts_as_left() -> None:
    found, _ = outcome([step("one")], [], raising(PlatformError("denied")))  # type: ignore[arg-type]
    assert found.left == ["not known, because it could not be listed: denied"]


def test_a_proof_passes_when_every_step_passes_and_nothing_is_left() -> None:
    found, saved = outcome([step("one")], [step("destroy")])
    assert found.passed
    assert saved[-1]["passed"] is True


def test_the_record_masks_the_account() -> None:
    found, saved = outcome([step("role", lambda: f"arn:aws:iam::{ACCOUNT}:role/a|b")], [])
    page = found.as_markdown()
    assert ACCOUNT not in page + json.dumps(saved)
    assert "arn:aws:iam::********3333:role/a\\|b" in page
    assert "| role | pass | 0.0 | that role works |" in page
    assert saved[-1]["account"] == "********3333"


def test_the_limit_of_the_cost_covers_all_time_limits_and_every_grace_time() -> None:
    # 190 minutes of steps, 90 of the removal, two long and six short grace times, ten minutes of calls.
    assert pytest.approx(190 + 90 + 2 * 15.5 + 6 * 2.5 + 10) == HOURS * 60
    assert INSTANCE_HOURS < HOURS


def plan_of(*resources: tuple[str, dict[str, Any]], region: str = "us-east-1") -> TerraformPlan:
    planned = tuple({"mode": "managed", "type": kind, "values": values} for kind, values in resources)
    return TerraformPlan((), planned, (), {"region": region})


SERVER = "aws_sagemaker_mlflow_tracking_server"


@pytest.mark.parametrize(("size", "limit", "starts"), [("Small", 5.0, True), ("Small", 1.0, False)])
def test_refuses_to_start_above_the_limit(size: str, limit: float, starts: bool) -> None:
    budget = budget_of(plan_of((SERVER, {"tracking_server_size": size})), Prices.load(), INSTANCE_HOURS)
    if starts:
        assert 1.0 < check_budget(budget, HOURS, limit) < limit
        return
    with pytest.raises(PreconditionError, match=r"above the limit of \d\.00 USD. Nothing was created"):
        check_budget(budget, HOURS, limit)


def test_a_bound_needs_no_price_of_logs() -> None:
    plan = plan_of((SERVER, {"tracking_server_size": "Small"}), ("aws_cloudwatch_log_group", {}))
    known = Prices.load()
    others = tuple(price for price in known.prices if price.resource != "aws_cloudwatch_log_group")
    assert budget_of(plan, replace(known, prices=others), INSTANCE_HOURS).hourly > 0


@pytest.mark.parametrize(
    ("plan", "missing"),
    [
        (plan_of((SERVER, {"tracking_server_size": "Huge"})), "Huge"),
        (plan_of((SERVER, {"tracking_server_size": "Small"}), ("aws_db_instance", {})), "aws_db_instance"),
        (plan_of((SERVER, {"tracking_server_size": "Small"}), region="xx-nowhere-1"), "everything in xx-nowhere-1"),
    ],
)
def test_refuses_to_start_without_an_upper_bound(plan: TerraformPlan, missing: str) -> None:
    with pytest.raises(PreconditionError, match=f"not known: .*{missing}"):
        budget_of(plan, Prices.load(), INSTANCE_HOURS)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with copies of the two roots."""
    for name in ("staging", "prod"):
        target = tmp_path / "mlflow/terraform" / name
        target.mkdir(parents=True)
        for file in (REPOSITORY / "mlflow/terraform" / name).iterdir():
            if file.is_file():
                (target / file.name).write_bytes(file.read_bytes())
    return tmp_path


# Inputs that a copy keeps: they change nothing outside of it, and do not prevent its removal.
KEPT = """
additional_role_policies allowed_instance_types artifact_transition async_topic_arns automatic_model_registration
cors_allowed_origins create_dashboard deleted_artifact_expiration_days endpoint_vpc exclusive_role_policies
global_name_prefix iam_path image_build image_pusher_principal_arns keep_images kms kms_key_id mlflow_image_repository
mlflow_version noncurrent_version_expiration_days permissions_boundary_arn project_name publish_parameters
readers_may_open_ui tags training_pipeline verify_client_roles
"""


def test_the_copied_root_keeps_no_input_that_reaches_outside_of_it(repository: Path) -> None:
    files = (repository / "mlflow/terraform/staging").glob("*.tf")
    inputs = {name for file in files for name in re.findall(r'^variable "(\w+)"', file.read_text(), re.MULTILINE)}
    made = create_workspace(repository, "staging", "ab12cd", account=ACCOUNT, region="eu-west-1", now=NOW)
    changed = json.loads((made.folder / "zz_prove.auto.tfvars.json").read_text()).keys()
    made.remove()
    # A new input has to be added to one of the two.
    assert inputs - changed == set(KEPT.split())


def test_the_copied_root_has_its_own_name_state_and_account(repository: Path) -> None:
    made = create_workspace(repository, "staging", "ab12cd", account=ACCOUNT, region="eu-west-1", now=NOW)
    settings = json.loads((made.folder / "zz_prove.auto.tfvars.json").read_text())
    assert made.name == settings["environment"] == "prove-ab12cd"
    assert (settings["allowed_account_ids"], settings["region"]) == ([ACCOUNT], "eu-west-1")
    assert settings["dangerously_delete_data_on_destroy"] is True
    assert (settings["backup"], settings["replication"], settings["writer_role_names"]) == (None, None, [])
    assert (settings["delivery"], settings["studio"], settings["backend"]) == (None, None, "server")
    # At half past midnight: the servers run from 23 o'clock to 22 o'clock.
    assert settings["schedule"]["start"] == "cron(0 23 * * ? *)"
    assert settings["schedule"]["stop"] == "cron(0 22 * * ? *)"
    assert 'backend "local"' in (made.folder / "prove_override.tf").read_text()
    assert (made.folder / ".terraform.lock.hcl").is_file()
    assert not list(made.folder.glob("*.tfstate"))
    made.remove()
    assert sorted(path.name for path in made.folder.parent.iterdir()) == ["prod", "staging"]


def test_the_copied_root_has_the_automatic_variable_files_but_not_those_of_localaws(repository: Path) -> None:
    root = repository / "mlflow/terraform/staging"
    for name in ("versions.auto.tfvars.json", "versions.localaws.auto.tfvars.json", "more.auto.tfvars"):
        (root / name).write_text("{}")
    made = create_workspace(repository, "staging", "ab12cd", account=ACCOUNT, region="eu-west-1", now=NOW)
    found = sorted(file.name for file in made.folder.glob("*.auto.tfvars*"))
    # Terraform reads them in this order, and the last value wins.
    assert found == ["more.auto.tfvars", "versions.auto.tfvars.json", "zz_prove.auto.tfvars.json"]


def test_an_environment_that_may_not_lose_data_is_not_copied(repository: Path) -> None:
    with pytest.raises(InputError, match="does not let Terraform delete data"):
        create_workspace(repository, "prod", "ab12cd", account=ACCOUNT, region="eu-west-1", now=NOW)
    assert not (repository / "mlflow/terraform/prove-ab12cd").exists()


def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path, dict(os.environ), tmp_path / "logs")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_returns_what_it_printed(tmp_path: Path) -> None:
    assert runner(tmp_path).run("greet", python("import os; print(os.environ['A'])"), minutes=1, A="hello") == "hello\n"


def test_a_failed_command_shows_its_last_error(tmp_path: Path) -> None:
    code = "import sys; print('Error: no role', file=sys.stderr); print('bye', file=sys.stderr); sys.exit(3)"
    with pytest.raises(PlatformError, match=r"apply ended with status 3: Error: no role \(its output: .*apply.log\)"):
        runner(tmp_path).run("apply", python(code), minutes=1)


def test_a_command_that_does_not_end_is_interrupted(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="did not end within"):
        runner(tmp_path).run("apply", ["sleep", "600"], minutes=1 / 600)


def test_an_interrupt_waits_until_the_command_has_ended(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    open('ended', 'w').close()\n    sys.exit(1)\n"
        "signal.signal(signal.SIGINT, end)\nopen('ready', 'w').close()\n"
        "while True:\n    time.sleep(0.05)"
    )

    def interrupt() -> None:
        while not (tmp_path / "ready").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    # Where the tests run in the background of a shell, SIGINT is ignored.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sender = threading.Thread(target=interrupt)
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            runner(tmp_path).run("apply", python(code), minutes=5)
        sender.join()
    finally:
        signal.signal(signal.SIGINT, former)
    assert (tmp_path / "ended").exists()


def test_a_second_interrupt_still_waits_until_the_command_has_ended(tmp_path: Path) -> None:
    received, progress = list[int](), list[str]()

    def handle(number: int, _: Any) -> None:
        received.append(number)
        raise KeyboardInterrupt

    code = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    pathlib.Path('interrupted').touch()\n"
        "    while not pathlib.Path('release').exists():\n        time.sleep(0.02)\n"
        "    pathlib.Path('ended').touch()\n    sys.exit(1)\n"
        "signal.signal(signal.SIGINT, end)\npathlib.Path('ready').touch()\n"
        "while True:\n    time.sleep(0.02)"
    )

    def interrupt_twice() -> None:
        for number, (file, sent) in enumerate((("ready", signal.SIGINT), ("interrupted", signal.SIGTERM)), start=1):
            until((tmp_path / file).exists)
            os.kill(os.getpid(), sent)
            until(lambda number=number: len(received) == number)  # type: ignore[misc]
        (tmp_path / "release").touch()

    def until(condition: Callable[[], bool]) -> None:
        while not condition():
            time.sleep(0.02)

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    sender = threading.Thread(target=interrupt_twice, daemon=True)
    try:
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            Runner(tmp_path, dict(os.environ), tmp_path / "logs", progress.append).run("apply", python(code), minutes=5)
        assert (tmp_path / "ended").exists()
        sender.join()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    assert received == [signal.SIGINT, signal.SIGTERM]
    assert progress == ["waiting until apply has ended"]


class SageMaker:
    """What is listed by operation; records deletions."""

    exceptions = SimpleNamespace(ClientError=RuntimeError)

    def __init__(self, **listed: dict[str, Any]) -> None:
        self.listed = listed
        self.deleted: list[tuple[str, str]] = []
        self.statuses: list[str] = []
        self.pages: dict[str, list[dict[str, Any]]] = {}
        self.listed_with: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()

    def get_paginator(self, operation: str) -> Any:
        def paginate(**given: Any) -> list[dict[str, Any]]:
            self.listed_with[operation] = given
            return self.pages.get(operation, [self.listed.get(operation, EMPTY[operation])])

        return SimpleNamespace(paginate=paginate)

    def describe_endpoint(self, EndpointName: str) -> dict[str, str]:  # noqa: ARG002, N803
        return {"EndpointStatus": self.statuses.pop(0) if self.statuses else "InService"}

    def create_mlflow_app(self, **_: Any) -> dict[str, str]:
        return {"Arn": "arn:1"}

    def describe_mlflow_app(self, Arn: str) -> dict[str, str]:  # noqa: N803
        return {"Name": Arn, "Status": self.statuses.pop(0) if self.statuses else "Created"}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("delete_"):
            raise AttributeError(name)

        def delete(**given: str) -> None:
            if self.refused & set(given.values()):
                raise RuntimeError(f"{name} is refused")
            self.deleted.append((name, *given.values()))

        return delete


EMPTY: dict[str, dict[str, Any]] = {
    "list_endpoints": {"Endpoints": []},
    "list_endpoint_configs": {"EndpointConfigs": []},
    "list_models": {"Models": []},
    "list_model_package_groups": {"ModelPackageGroupSummaryList": []},
    "list_model_packages": {"ModelPackageSummaryList": []},
    "list_mlflow_apps": {"Summaries": []},
    "list_mlflow_tracking_servers": {"TrackingServerSummaries": []},
    "list_roles": {"Roles": []},
    "describe_log_groups": {"logGroups": []},
}


def target(sagemaker: SageMaker, buckets: list[str], logs: SageMaker | None = None) -> Target:
    clients = {
        "sagemaker": sagemaker,
        "logs": logs or SageMaker(),
        "s3": SimpleNamespace(list_buckets=lambda: {"Buckets": [{"Name": name} for name in buckets]}),
        "iam": SageMaker(
            list_roles={"Roles": [{"RoleName": "mlflow-prove-ab12cd-server"}, {"RoleName": "mlflow-prod"}]}
        ),
    }
    found = Target(
        "prove-ab12cd",
        "mlflow-prove-ab12cd",
        False,
        ACCOUNT,
        "us-east-1",
        clients.__getitem__,
        Runner(Path(), {}, Path()),
        CLOCK,
        lambda _: None,
    )
    found.outputs["tracking_server_name"] = "mlflow-prove-ab12cd-3-0"
    return found


def test_only_what_has_the_environments_name_is_deleted() -> None:
    # Automatic registration ends a group's name with the digest of the server's.
    registered = f"smoke-1-{hashlib.sha256(b'mlflow-prove-ab12cd-3-0').hexdigest()[:6]}"
    sagemaker = SageMaker(
        list_endpoints={
            "Endpoints": [{"EndpointName": "mlflow-prove-ab12cd-iris"}, {"EndpointName": "mlflow-prod-iris"}]
        },
        list_model_package_groups={
            "ModelPackageGroupSummaryList": [
                {"ModelPackageGroupName": registered},
                {"ModelPackageGroupName": "mlflow-prove-ab12cd-iris"},
                {"ModelPackageGroupName": "smoke-1-ffffff"},
            ]
        },
        list_mlflow_apps={
            "Summaries": [
                {"Arn": "arn:1", "Name": "prove-ab12cd-app", "Status": "Created"},
                {"Arn": "arn:2", "Name": "team", "Status": "Created"},
            ]
        },
    )
    assert delete_leftovers(target(sagemaker, [])) == "4 deleted"
    assert sagemaker.deleted == [
        ("delete_endpoint", "mlflow-prove-ab12cd-iris"),
        ("delete_model_package_group", "mlflow-prove-ab12cd-iris"),
        ("delete_model_package_group", registered),
        ("delete_mlflow_app", "arn:1"),
    ]


def test_only_packages_of_the_environments_server_prove_automatic_registration() -> None:
    digest = hashlib.sha256(b"mlflow-prove-ab12cd-3-0").hexdigest()[:6]
    groups = ["prove-iris-ffffff", f"smoke-1-{digest}", "mlflow-prove-ab12cd-prove-iris", f"prove-iris-{digest}"]
    sagemaker = SageMaker()
    sagemaker.pages["list_model_package_groups"] = [
        {"ModelPackageGroupSummaryList": [{"ModelPackageGroupName": name}]} for name in groups
    ]
    sagemaker.pages["list_model_packages"] = [
        {"ModelPackageSummaryList": []},
        {"ModelPackageSummaryList": [{"ModelPackageArn": "arn:package"}]},
    ]
    assert registry(target(sagemaker, [])) == "arn:package was made by automatic registration"
    assert sagemaker.listed_with["list_model_packages"] == {"ModelPackageGroupName": groups[-1]}


def test_what_is_left_is_listed_with_its_kind() -> None:
    sagemaker = SageMaker(
        list_mlflow_tracking_servers={
            "TrackingServerSummaries": [
                {"TrackingServerName": "mlflow-prove-ab12cd-3-0"},
                {"TrackingServerName": "mlflow-prod-3-0"},
            ]
        }
    )
    found = leftovers(target(sagemaker, ["mlflow-prove-ab12cd-mlflow-artifacts-once", "mlflow-prod"]))
    assert [str(each) for each in found] == [
        "tracking server mlflow-prove-ab12cd-3-0",
        "bucket mlflow-prove-ab12cd-mlflow-artifacts-once",
        "role mlflow-prove-ab12cd-server",
    ]


def test_an_endpoint_is_deleted_once_it_has_settled() -> None:
    sagemaker = SageMaker(list_endpoints={"Endpoints": [{"EndpointName": "mlflow-prove-ab12cd-iris"}]})
    sagemaker.statuses = ["Creating", "Creating", "InService"]
    assert delete_leftovers(target(sagemaker, [])) == "1 deleted"
    assert sagemaker.statuses == []


def test_a_refused_deletion_does_not_prevent_the_others() -> None:
    names = ["mlflow-prove-ab12cd-a", "mlflow-prove-ab12cd-b"]
    sagemaker = SageMaker(
        list_endpoints={"Endpoints": [{"EndpointName": name} for name in names]},
        list_models={"Models": [{"ModelName": "mlflow-prove-ab12cd-model"}]},
    )
    sagemaker.refused = {names[0]}
    with pytest.raises(PlatformError, match=f"2 deleted, 1 not: endpoint {names[0]}: delete_endpoint is refused"):
        delete_leftovers(target(sagemaker, []))
    assert [name for _, name in sagemaker.deleted] == [names[1], "mlflow-prove-ab12cd-model"]


def test_each_leftover_of_scripts_has_the_command_that_deletes_it() -> None:
    sagemaker = SageMaker(
        list_endpoint_configs={"EndpointConfigs": [{"EndpointConfigName": "mlflow-prove-ab12cd-iris"}]},
        list_mlflow_apps={"Summaries": [{"Arn": "arn:1", "Name": "prove-ab12cd-app", "Status": "Created"}]},
    )
    assert [each.command for each in leftovers(target(sagemaker, []))] == [
        "aws sagemaker delete-endpoint-config --endpoint-config-name mlflow-prove-ab12cd-iris --region us-east-1",
        "aws sagemaker delete-mlflow-app --arn arn:1 --region us-east-1",
        "",  # Terraform's role.
    ]


def test_a_refused_deletion_of_an_app_does_not_hide_the_first_error() -> None:
    sagemaker = SageMaker()
    sagemaker.statuses, sagemaker.refused = ["Creating", "CreateFailed"], {"arn:1"}
    found = target(sagemaker, [])
    found.outputs.update(artifact_store_uri="s3://bucket", mlflow_role_arn="arn:role")
    with pytest.raises(PlatformError, match="the App is CreateFailed"):
        prove_app(found, 60.0)


def test_the_record_shows_how_to_delete_what_is_left() -> None:
    found = record()
    found.left, found.commands = ["bucket b"], ["make destroy ENV=prove-ab12cd CONFIRM=b"]
    assert "```sh\nmake destroy ENV=prove-ab12cd CONFIRM=b\n```" in found.as_markdown()
    assert found.as_json()["commands"] == found.commands


def test_the_log_groups_of_the_endpoints_are_listed_and_deleted() -> None:
    name = "/aws/sagemaker/Endpoints/mlflow-prove-ab12cd-iris"
    logs = SageMaker(describe_log_groups={"logGroups": [{"logGroupName": name}]})
    found = target(SageMaker(), [], logs)
    assert leftovers(found)[0] == Leftover(
        "log group", name, f"aws logs delete-log-group --log-group-name {name} --region us-east-1"
    )
    assert delete_logs(found) == "1 deleted"
    assert logs.deleted == [("delete_log_group", name)]
    assert logs.listed_with["describe_log_groups"] == {
        "logGroupNamePrefix": "/aws/sagemaker/Endpoints/mlflow-prove-ab12cd-"
    }
