"""Arbitrary arguments and files: every script ends with one line and a documented exit status."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st

from mlflow_common import console
from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform import outputs, tfvars
from mlflow_platform.doctor import terraform_state
from mlflow_platform.endpoints import model, specification
from mlflow_platform.endpoints.tags import encode
from mlflow_platform.environment import Environment, EnvironmentRef
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.plan_guard.cost import Prices, estimate
from mlflow_platform.plan_guard.review import Review
from mlflow_platform.plan_guard.running_hours import monthly_hours
from mlflow_platform.plan_guard.text import change_rows, cost_lines
from mlflow_platform.promotion import candidates
from mlflow_transfer import client
from scripts import bootstrap, ci_report, cost, demo, deploy_model, docs, plan_guard, run_pipeline, server
from tests.support.properties import examples

FEW = examples(40)
AWKWARD = ["", "-", "--", "\x00", "a\nb", "\x1b[31m", "\udcff", "模型", "../..", "$(id)", "%s", "{0}", "nan", "1e309"]
TEXT = st.one_of(st.text(max_size=30), st.sampled_from(AWKWARD))
URI = st.one_of(
    TEXT,
    st.builds(
        "{}{}".format, st.sampled_from(["models:/", "models:/m-", "runs:/", "s3://", f"runs:/{'0' * 32}/"]), TEXT
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., int]:
    """Run a script in this process, without localaws, and check how it ends."""
    monkeypatch.setenv("LOCALAWS_HOME", str(tmp_path / "no localaws"))

    def call(app: typer.Typer, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            console.run(app)
        status, output = int(str(ended.value.code)), capsys.readouterr()
        lines = [line for line in output.err.splitlines() if line.startswith("error: ")]
        assert status in {0, 1, 2, 3}, output.err
        assert "unexpected)" not in output.err, output.err
        assert "Traceback" not in output.err
        # The argument --help shows the help and is not an error.
        assert len(lines) == (1 if status else 0), output.err
        return status

    return call


def complaint(work: Callable[[], object]) -> str:
    """The message of the InputError that is raised; empty if there is none."""
    try:
        work()
    except InputError as error:
        return error.message
    return ""


@FEW
@given(uri=URI)
def test_any_model_argument(run: Callable[..., int], uri: str) -> None:
    run(deploy_model.app, "--local", "--", uri)


@FEW
@given(
    option=st.sampled_from(["--endpoint", "--env", "--image", "--instance-type", "--instance-count"]),
    value=TEXT,
)
def test_any_option_of_a_deployment(run: Callable[..., int], option: str, value: str) -> None:
    run(deploy_model.app, "models:/iris/1", "--local", f"{option}={value}")


@FEW
@given(verb=st.sampled_from(["status", "start", "stop", "ui", "archive"]), value=TEXT)
def test_any_environment_of_the_server_script(run: Callable[..., int], verb: str, value: str) -> None:
    run(server.app, verb, "--local", f"--env={value}")


@pytest.mark.system
@FEW
@given(option=st.sampled_from(["--repository"]), value=TEXT)
def test_any_repository(run: Callable[..., int], option: str, value: str, tmp_path: Path) -> None:
    run(bootstrap.app, f"{option}={tmp_path / 'none'}{value.replace('/', '')}")
    run(docs.app, "--check", f"{option}={tmp_path / 'none'}{value.replace('/', '')}")


@FEW
@given(option=st.sampled_from(["--dataset", "--env", "--as"]), value=TEXT)
def test_any_option_of_the_demo(run: Callable[..., int], option: str, value: str) -> None:
    if value not in {"iris", "diabetes", "staging", "prod", "writer", "admin"}:
        run(demo.app, f"{option}={value}")


@FEW
@given(content=st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_plan_file(run: Callable[..., int], tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(content)
    run(plan_guard.app, str(file))


@FEW
@example(values={}, changes=[], variables={})
@example(values={"mode": "managed", "type": "aws_s3_bucket", "values": []}, changes=[], variables={})
@example(values={}, changes=[{"actions": ["update"], "before": 3, "after": {}}], variables={})
@given(values=JSON, changes=st.lists(JSON, max_size=3), variables=JSON)
def test_any_plan_is_rejected_or_shown(values: Any, changes: list[Any], variables: Any) -> None:
    text = json.dumps(
        {
            "planned_values": {"root_module": {"resources": [values]}},
            "resource_changes": [
                {"mode": "managed", "type": "aws_s3_bucket", "address": "a", "change": change} for change in changes
            ],
            "variables": variables,
        }
    )
    try:
        plan = TerraformPlan.parse(text)
    except InputError:
        return
    change_rows(plan)
    list(cost_lines(Review(plan, (), estimate(plan, Prices.load()), (), None)))


@FEW
@given(content=st.binary(max_size=60))
def test_any_tfvars_file_is_read_or_rejected(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "fuzzed root"
    root.mkdir(exist_ok=True)
    (root / "terraform.tfvars").write_bytes(content)
    assert "\n" not in complaint(lambda: tfvars.read(root))


@FEW
@given(expression=st.one_of(st.text(max_size=20), st.text("0123456789*,-/?LW# ", max_size=12).map("cron(0 {})".format)))
def test_any_schedule_is_evaluated_or_rejected(expression: str) -> None:
    try:
        monthly_hours(["cron(0 8 * * ? *)"], [expression])
    except ValueError:
        return


@FEW
@given(name=st.text(max_size=300))
def test_any_model_name_gives_a_valid_endpoint_name_or_asks_for_one(environment: Environment, name: str) -> None:
    names: list[str] = []
    output = complaint(lambda: names.append(specification.default_name(environment, name, "models:/x/1")))
    assert "Add --endpoint NAME" in output if output else names
    for found in names:
        specification.check_name(found)
    assert len(encode(name)) <= 256


@FEW
@given(uri=URI)
def test_any_uri_is_accepted_or_explained(uri: str) -> None:
    output = complaint(lambda: model.check_uri(uri))
    assert "is not a model URI" in output if output else model.registered_name(uri) != ""


def test_a_read_only_folder_causes_a_one_line_error(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    app = console.make_app()

    @app.command()
    def command() -> None:
        Path("/proc/nowhere").mkdir()

    assert run(app) == 3


@pytest.mark.parametrize("text", ["plain", "two\nlines", "\x1b[31mred", "\udcff", "tab\tkept"])
def test_messages_are_printable_on_one_line(text: str) -> None:
    shown = console.printable(str(PlatformError(text)))
    assert "\n" not in shown
    assert "\x1b" not in shown
    shown.encode()


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("app", "arguments"),
    [
        (plan_guard.app, ["FILE"]),
        (ci_report.app, ["gitlab", "--review", "FILE"]),
        (cost.app, ["--local", "--prices", "FILE"]),
        (run_pipeline.app, ["--local", "--project", "FOLDER"]),
    ],
)
def test_files_that_are_nested_too_deeply(
    run: Callable[..., int], tmp_path: Path, app: typer.Typer, arguments: list[str]
) -> None:
    file = tmp_path / "deep.json"
    file.write_text(f"a = {DEEP}" if "--prices" in arguments else DEEP)
    (tmp_path / "MLproject").write_text("a: " + "[" * 3000)
    named = {"FILE": str(file), "FOLDER": str(tmp_path)}
    assert run(app, *(named.get(one, one) for one in arguments)) == 2


def test_outputs_and_states_that_are_nested_too_deeply_or_none() -> None:
    for text in (DEEP, "[]", "3", '{"a": 3}', '{"a": {}}'):
        done = subprocess.CompletedProcess([], 0, text, "")
        with pytest.raises(PreconditionError, match="did not print JSON"):
            outputs.read_outputs(EnvironmentRef("staging"), Path(), lambda _, done=done: done)
        with pytest.raises(PreconditionError):
            terraform_state.read_state(Path(), lambda _, done=done: done)


def test_json_of_others_that_is_nested_too_deeply_is_unreadable_and_no_crash() -> None:
    assert client._error_of(DEEP.encode()) == ("", DEEP[:200])
    assert candidates._logged_by_mlflow_2({"mlflow.log-model.history": DEEP}) == []
