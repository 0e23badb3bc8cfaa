"""The plan guard with real plans: its output, refusals and warnings, and the estimated monthly cost."""

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.plan_guard import losses, rules
from mlflow_platform.plan_guard.changes import DOMAIN, Action, Change, TerraformPlan, read
from mlflow_platform.plan_guard.cost import Prices, estimate
from mlflow_platform.plan_guard.review import Review
from mlflow_platform.plan_guard.text import cost_lines
from tests.platform.plan_guard.guarded import CREATE, SERVER, Guarded
from tests.support import provider
from tests.terraform.planning import REPOSITORY

CHANGED = ("-var", 'servers={a={mlflow_version="3.0.0"},b={automatic_model_registration=false},c={}}')
TAINTED = f'{SERVER}.this["c"]'
EVERYTHING = "mlflow-unit-key,mlflow-unit-artifacts,mlflow-unit-a,mlflow-unit-b,mlflow-unit-c"


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return Guarded(tmp_path_factory.mktemp("guarded"))


@pytest.fixture(scope="session")
def created(guarded: Guarded) -> TerraformPlan:
    return TerraformPlan.parse(guarded.plan("create", *CREATE))


@pytest.fixture(scope="session")
def changed(guarded: Guarded, created: TerraformPlan) -> TerraformPlan:
    """a gets another version, b no longer registers models, c's creation was interrupted."""
    return TerraformPlan.parse(guarded.plan("change", *CHANGED, tainted=TAINTED, deployed=True))


@pytest.fixture(scope="session")
def destroyed(guarded: Guarded, created: TerraformPlan) -> TerraformPlan:
    return TerraformPlan.parse(guarded.plan("destroy", "-destroy", deployed=True))


def run(plan: str, *arguments: str, folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    file = folder / "plan.json"
    file.write_text(plan)
    command = [sys.executable, REPOSITORY / "scripts/plan_guard.py", file, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)


def without(plan: TerraformPlan, action: Action) -> TerraformPlan:
    return replace(plan, changes=tuple(change for change in plan.changes if change.action is not action))


def test_accepts_a_plan_that_only_creates(created: TerraformPlan) -> None:
    assert {change.action for change in created.changing} == {Action.CREATE}
    rules.check(created, set())


def test_every_deleted_server_bucket_and_key_must_be_confirmed(destroyed: TerraformPlan) -> None:
    with pytest.raises(PreconditionError) as refused:
        rules.check(destroyed, rules.named("mlflow-unit-a, mlflow-unit-artifacts"))
    assert "delete key mlflow-unit-key" in refused.value.message
    assert "mlflow-unit-b" in refused.value.message
    assert "bucket" not in refused.value.message.split("To do it anyway")[0]
    assert refused.value.message.endswith(f"CONFIRM={EVERYTHING}")
    assert refused.value.status == 3
    rules.check(destroyed, rules.named(EVERYTHING))


def test_a_destroy_asks_for_a_studio_domain_that_takes_its_users_files_with_it() -> None:
    def destroyed(retention: str) -> TerraformPlan:
        before = {"domain_name": "mlflow-unit", "retention_policy": [{"home_efs_file_system": retention}]}
        change = Change("aws_sagemaker_domain.studio[0]", DOMAIN, Action.DELETE, before=before)
        return TerraformPlan((change,), (), (), {})

    plan = destroyed("Delete")
    contents = losses.domains(plan)
    with pytest.raises(PreconditionError, match=r"Studio domain mlflow-unit: its .*CONFIRM=mlflow-unit"):
        losses.check(plan, contents, set(), command="ENV=staging")
    losses.check(plan, contents, {"mlflow-unit"}, command="ENV=staging")
    assert losses.domains(destroyed("Retain")) == []


def test_a_studio_domain_with_its_users_files_must_be_confirmed(created: TerraformPlan) -> None:
    before = {"domain_name": "mlflow-unit", "id": "d-abcdefghijkl"}
    domain = Change("module.studio.aws_sagemaker_domain.studio[0]", DOMAIN, Action.REPLACE, before=before)
    plan = replace(created, changes=(domain,))
    with pytest.raises(PreconditionError, match="replace Studio domain mlflow-unit"):
        rules.check(plan, set())
    rules.check(plan, {"mlflow-unit"})


def test_a_replacement_must_be_confirmed_like_a_deletion(changed: TerraformPlan) -> None:
    with pytest.raises(
        PreconditionError, match="replace tracking server mlflow-unit-a, replace tracking server mlflow-un"
    ):
        rules.check(changed, set())


def test_accepts_an_update_in_place(changed: TerraformPlan) -> None:
    assert any(change.action is Action.UPDATE and change.type == SERVER for change in changed.changing)
    rules.check(without(changed, Action.REPLACE), set())


def test_warns_about_a_patch_version(changed: TerraformPlan) -> None:
    [warning] = [warning for warning in rules.warnings(changed) if "mlflow_version" in warning]
    assert 'AWS stores "3.0"' in warning
    assert "mlflow-unit-a" in warning
    assert warning.endswith('Write mlflow_version = "3.0".')


def test_warns_about_switching_registration_off(changed: TerraformPlan) -> None:
    [warning] = [warning for warning in rules.warnings(changed) if "automatic_model_registration" in warning]
    assert (
        "update-mlflow-tracking-server --tracking-server-name mlflow-unit-b --no-automatic-model-registration"
        in warning
    )


def test_warns_about_a_tainted_server_and_says_how_to_keep_it(changed: TerraformPlan) -> None:
    [warning] = [warning for warning in rules.warnings(changed) if "tainted" in warning]
    assert f"terraform untaint '{TAINTED}'" in warning


def test_warns_about_a_server_that_nothing_starts_any_more() -> None:
    def schedule(verb: str, action: Action = Action.DELETE) -> Change:
        description = {"description": f"{verb}s MLflow tracking server mlflow-unit-a"}
        return Change("schedule", "aws_scheduler_schedule", action, before=description)

    module = (REPOSITORY / "terraform/module/mlflow/schedule.tf").read_text()
    assert '"${title(each.value.verb)}s MLflow tracking server ${each.value.server}"' in module
    server = Change("server", SERVER, Action.DELETE, before={"tracking_server_name": "mlflow-unit-a"})
    [warning] = rules.warnings(TerraformPlan((schedule("Start"), schedule("Stop")), (), (), {}))
    assert warning.startswith("tracking server mlflow-unit-a loses its schedule. If it is stopped now, it stays")
    assert [*rules.warnings(TerraformPlan((schedule("Start"), server), (), (), {}))] == []
    assert [*rules.warnings(TerraformPlan((schedule("Start", Action.REPLACE),), (), (), {}))] == []


def test_warns_about_nothing_if_nothing_is_wrong(created: TerraformPlan, destroyed: TerraformPlan) -> None:
    assert [*rules.warnings(created), *rules.warnings(destroyed)] == []


def test_the_script_shows_what_changes_and_refuses_in_one_line(
    guarded: Guarded, changed: TerraformPlan, tmp_path: Path
) -> None:
    plan = guarded.plan("change", *CHANGED, tainted=TAINTED, deployed=True)
    done = run(plan, folder=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith(
        "error: nothing was changed, because the plan would replace tracking server mlflow-unit-a"
    )
    assert done.stderr.count("\n") == 1
    assert f'! replace  {SERVER}.this["a"]  mlflow-unit-a  mlflow_version: 3.0 -> 3.0.0 (replaces it)' in done.stdout
    assert f'~ update   {SERVER}.this["b"]  mlflow-unit-b  automatic_model_registration: true -> false' in done.stdout
    assert done.stdout.count("warning: ") == 3


def test_the_script_accepts_a_confirmed_loss(guarded: Guarded, changed: TerraformPlan, tmp_path: Path) -> None:
    plan = guarded.plan("change", *CHANGED, tainted=TAINTED, deployed=True)
    done = run(plan, "--json", folder=tmp_path, CONFIRM="mlflow-unit-a,mlflow-unit-c")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["confirmed"] == ["mlflow-unit-a", "mlflow-unit-c"]


def test_only_show_says_what_apply_will_refuse(guarded: Guarded, changed: TerraformPlan, tmp_path: Path) -> None:
    plan = guarded.plan("change", *CHANGED, tainted=TAINTED, deployed=True)
    done = run(plan, "--only-show", folder=tmp_path)
    assert done.returncode == 0
    assert "`make apply` will refuse this plan: nothing was changed, because the plan would replace" in done.stdout


def test_json_output_is_one_object(guarded: Guarded, changed: TerraformPlan, tmp_path: Path) -> None:
    plan = guarded.plan("change", *CHANGED, tainted=TAINTED, deployed=True)
    found = json.loads(run(plan, "--json", "--only-show", folder=tmp_path).stdout)
    assert {change["action"] for change in found["changes"]} == {"replace", "update", "delete"}
    assert len(found["warnings"]) == 3
    assert "mlflow-unit-a" in found["refused"]
    assert found["monthly_cost"]["currency"] == "USD"


def test_reads_a_saved_plan(guarded: Guarded, created: TerraformPlan) -> None:
    saved = guarded.folder / "create.tfplan"
    command = [sys.executable, REPOSITORY / "scripts/plan_guard.py", saved, "--json"]
    environ = {**os.environ, "TF_CLI_CONFIG_FILE": provider.config()}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["changes"]) == len(created.changing)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no plan"),
        ("{}", "this is not a Terraform plan"),
        ("[]", "this is not a Terraform plan"),
        ("not JSON", "this is not a Terraform plan"),
    ],
)
def test_rejects_what_is_not_a_plan_in_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "plan.json"
    if text is not None:
        file.write_text(text)
    command = [sys.executable, REPOSITORY / "scripts/plan_guard.py", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def test_the_estimate_is_the_sum_of_the_tables_prices(created: TerraformPlan) -> None:
    found = estimate(created, Prices.load())
    assert found is not None
    # Three Small servers, two endpoint addresses, a key.
    assert found.always == pytest.approx(3 * 730 * 0.642 + 2 * 730 * 0.01 + 1)
    assert found.unknown == ("aws_codecommit_repository (1)",)
    assert "0.5 USD a GB for logs, when they are written" in found.by_use
    assert not found.complete


def test_the_estimate_does_not_depend_on_the_order_of_the_resources(created: TerraformPlan) -> None:
    backwards = replace(created, planned=created.planned[::-1])
    assert estimate(backwards, Prices.load()) == estimate(created, Prices.load())


def test_the_schedule_applies_to_the_server_that_it_names(created: TerraformPlan) -> None:
    found = estimate(created, Prices.load())
    assert found is not None
    assert found.planned
    # Twelve hours on 261 weekdays per year. The other two servers run all the time.
    hours = 12 * 261 / 365 / 24 * 730
    assert found.scheduled == pytest.approx((2 * 730 + hours) * 0.642 + 2 * 730 * 0.01 + 1)


def test_without_a_schedule_the_estimate_says_what_one_would_save(changed: TerraformPlan) -> None:
    found = estimate(changed, Prices.load())
    assert found is not None
    assert not found.planned
    assert found.schedule == "weekdays 08:00-20:00"
    assert found.scheduled == pytest.approx(3 * 12 * 261 / 365 / 24 * 730 * 0.642 + 2 * 730 * 0.01 + 1)


def test_a_price_that_is_not_in_the_table_is_unknown(created: TerraformPlan) -> None:
    def larger(resource: Any) -> Any:
        values = resource["values"]
        return {
            **resource,
            "values": {**values, "tracking_server_size": "Large"} if resource["type"] == SERVER else values,
        }

    found = estimate(replace(created, planned=tuple(map(larger, created.planned))), Prices.load())
    assert found is not None
    assert [line.always for line in found.lines if "(Large)" in line.what] == [None, None, None]
    assert found.always == pytest.approx(2 * 730 * 0.01 + 1)
    assert not found.complete


def test_a_region_that_is_not_in_the_table_has_no_estimate(created: TerraformPlan) -> None:
    assert estimate(replace(created, variables={"region": "eu-west-1"}), Prices.load()) is None


@pytest.mark.parametrize("values", [{"id": "eu-west-1"}, {"region": "eu-west-1", "id": "x"}, {"region": "eu-west-1"}])
def test_the_region_is_that_of_the_data_source_in_each_version_of_the_provider(values: dict[str, str]) -> None:
    data = {"type": "aws_region", "mode": "data", "values": values}
    assert TerraformPlan((), (), (data,), {"region": "us-east-1"}).region == "eu-west-1"


def test_a_schedule_that_cannot_be_evaluated_has_no_estimate(created: TerraformPlan) -> None:
    def last_friday(resource: Any) -> Any:
        values = resource["values"]
        if resource["type"] == "aws_scheduler_schedule":
            values = {**values, "schedule_expression": "cron(0 20 ? * 6L *)"}
        return {**resource, "values": values}

    found = estimate(replace(created, planned=tuple(map(last_friday, created.planned))), Prices.load())
    assert found is not None
    assert found.scheduled is None


def test_every_price_has_a_source_and_a_region() -> None:
    prices = Prices.load()
    assert all(price.source.startswith("https://") and price.price >= 0 and price.region for price in prices.prices)
    assert prices.regions == ["us-east-1"]


def test_accepts_a_resource_whose_values_are_all_unknown(guarded: Guarded, created: TerraformPlan) -> None:
    plan = json.loads(guarded.plan("create", *CREATE))
    for resource in plan["planned_values"]["root_module"]["resources"]:
        if resource["type"] in {"aws_vpc_endpoint", "aws_kms_alias"}:
            del resource["values"]
    found = estimate(TerraformPlan.parse(json.dumps(plan)), Prices.load())
    assert found is not None
    assert found.always == pytest.approx(3 * 730 * 0.642 + 1)
    # It is also unknown whether the resource costs money by the hour.
    assert "aws_vpc_endpoint (1)" in found.unknown


def updated(plan: TerraformPlan, **values: Any) -> TerraformPlan:
    """A plan that updates one server in place."""
    [server] = [change for change in plan.changes if change.type == SERVER and change.action is Action.UPDATE]
    after = {**server.before, **values}
    return replace(plan, changes=(replace(server, after=after, unknown={}),))


def test_another_artifact_store_must_be_confirmed(changed: TerraformPlan) -> None:
    plan = updated(changed, artifact_store_uri="s3://elsewhere")
    with pytest.raises(PreconditionError) as refused:
        rules.check(plan, set())
    assert (
        "change the artifact store of tracking server mlflow-unit-b from s3://mlflow-unit-artifacts to s3://elsewhere"
        in refused.value.message
    )
    assert "former_artifact_store_uris" in refused.value.message
    assert refused.value.message.endswith("CONFIRM=mlflow-unit-b")
    rules.check(plan, {"mlflow-unit-b"})


def test_a_slash_at_the_end_is_the_same_artifact_store(changed: TerraformPlan) -> None:
    rules.check(updated(changed, artifact_store_uri="s3://mlflow-unit-artifacts/"), set())


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("Stopped", "Start it with `.venv/bin/python scripts/server.py start --env staging`, then apply."),
        ("Updating", "AWS will refuse the update. Apply again later."),
    ],
)
def test_warns_if_a_server_to_resize_is_not_running(changed: TerraformPlan, status: str, advice: str) -> None:
    plan = updated(changed, tracking_server_size="Medium")
    requested = []

    def find_status(name: str) -> str:
        requested.append(name)
        return status

    [warning] = rules.stopped_server_warnings(plan, EnvironmentRef("staging"), find_status)
    assert warning == f"tracking server mlflow-unit-b is {status}, and " + (
        f"AWS updates only running servers. {advice}" if status == "Stopped" else advice
    )
    assert requested == ["mlflow-unit-b"]


def test_a_running_server_can_be_resized(changed: TerraformPlan) -> None:
    plan = updated(changed, tracking_server_size="Medium")
    assert [*rules.stopped_server_warnings(plan, EnvironmentRef("staging"), lambda _: "Created")] == []


def test_a_state_that_cannot_be_checked_is_a_warning(changed: TerraformPlan) -> None:
    def denied(_: str) -> str:
        raise PreconditionError("AWS denies DescribeMlflowTrackingServer.")

    plan = updated(changed, tracking_server_size="Medium")
    [warning] = rules.stopped_server_warnings(plan, EnvironmentRef("staging"), denied)
    assert warning.startswith("the state of mlflow-unit-b could not be checked (AWS denies")


def text_of(plan: TerraformPlan) -> list[str]:
    return list(cost_lines(Review(plan, (), estimate(plan, Prices.load()), (), None)))


def test_servers_without_a_price_come_first_and_no_sum_claims_to_include_them(created: TerraformPlan) -> None:
    def medium(resource: Any) -> Any:
        values = dict(resource["values"])
        if resource["type"] == SERVER and values["tracking_server_name"].endswith("-a"):
            values["tracking_server_size"] = "Medium"
        return {**resource, "values": values}

    lines = text_of(replace(created, planned=tuple(map(medium, created.planned))))
    assert "mlflow-unit-a (Medium)" in lines[1]
    assert "not priced" in lines[1]
    [always] = [line for line in lines if "Always running" in line]
    assert always.endswith(", without tracking server mlflow-unit-a (Medium) (not priced)")
    assert not any("at least" in line for line in lines)


def test_objects_are_part_of_their_bucket(created: TerraformPlan) -> None:
    some = {"mode": "managed", "type": "aws_s3_object", "values": {"key": "x"}}
    found = estimate(replace(created, planned=(*created.planned, some)), Prices.load())
    assert found is not None
    assert not any("aws_s3_object" in kind for kind in found.unknown)


def test_a_schedule_that_two_servers_share_is_shown_once(created: TerraformPlan) -> None:
    def second(resource: Any) -> Any:
        values = dict(resource["values"])
        values["target"] = [{**values["target"][0], "input": '{"TrackingServerName": "mlflow-unit-b"}'}]
        return {**resource, "values": values}

    schedules = [resource for resource in created.planned if resource["type"] == "aws_scheduler_schedule"]
    found = estimate(replace(created, planned=(*created.planned, *map(second, schedules))), Prices.load())
    assert found is not None
    assert found.schedule == "start cron(0 8 ? * MON-FRI *), stop cron(0 20 ? * MON-FRI *)"


def test_every_resource_type_of_the_modules_is_in_the_table(created: TerraformPlan) -> None:
    prices = Prices.load()
    # Their cost depends on use, and their prices were not checked. The estimate lists them as not priced.
    by_use = {"aws_codepipeline", "aws_s3_bucket_replication_configuration"}
    # A stack with an MLflow App costs nothing; what another stack costs is not known.
    by_use |= {"aws_cloudformation_stack"}
    # A domain itself is free. Its users' files and applications cost money, and the plan does not show them.
    by_use |= {"aws_sagemaker_domain"}
    known = prices.free | {price.resource for price in prices.prices} | by_use
    used = {
        kind
        for file in (REPOSITORY / "terraform").rglob("*.tf")
        if ".terraform" not in file.parts
        for kind in re.findall(r'^resource "(aws_\w+)"', file.read_text(), re.MULTILINE)
    }
    assert used <= known


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_a_plan_as_powershell_stores_it(tmp_path: Path, encoding: str) -> None:
    text = '{"planned_values": {}, "variables": {"region": {"value": "eu-west-1"}}}'
    file = tmp_path / "plan.json"
    file.write_text(text, encoding=encoding)

    def unused(_: list[str]) -> Any:
        raise AssertionError

    assert read(file, tmp_path, unused, io.StringIO()).region == "eu-west-1"
    assert read(Path("-"), tmp_path, unused, io.StringIO(f"\ufeff{text}")).region == "eu-west-1"


@pytest.mark.parametrize(
    "text",
    [
        '{"planned_values": 1}',
        '{"planned_values": {}, "resource_changes": [1]}',
        '{"planned_values": {}, "resource_changes": [{"mode": "managed"}]}',
        '{"planned_values": {"root_module": {"resources": 3}}}',
        '{"planned_values": {}, "variables": [1]}',
    ],
)
def test_a_malformed_plan_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="this is not a Terraform plan"):
        TerraformPlan.parse(text)
