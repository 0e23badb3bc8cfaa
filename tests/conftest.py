"""Fixtures for all tests, and the order and the marks of tests. Every pytest-xdist worker shares one localaws."""

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from localaws import daemon
from tests.support import deployed
from tests.support.deployed import Deployed
from tests.support.running import RunningLocalAws, settings_of, start

HOME = pytest.StashKey[Path]()

# Fixtures and files that start servers, run Terraform, build environments, train models, or take many seconds of
# processor time. `make check` skips these tests.
SYSTEM_FIXTURES = frozenset(
    {"all_servers", "apart", "forks", "guarded", "hosted", "interpreter", "localaws", "mlflow_here", "old_interpreter"}
    | {"planner", "processes", "prod", "serving", "staging"}
)
SYSTEM_FILES = (
    "tests/e2e/",
    "tests/localaws/endpoints/",
    "tests/localaws/saving/test_saving.py",
    "tests/localaws/test_daemon.py",
    "tests/platform/endpoints/test_lost_answers.py",
    "tests/platform/monitoring/test_drift.py",
    "tests/platform/monitoring/test_job.py",
    "tests/platform/test_make.py",
    "tests/platform/test_secrets.py",
    "tests/platform/test_training.py",
    "tests/platform/validation/test_report.py",
    "tests/policy/test_demo_calls.py",
    "tests/serving/",
    "tests/terraform/static/test_parliament.py",
    "tests/terraform/static/test_site.py",
    "tests/terraform/test_apply",
    "tests/terraform/test_modules.py",
    "tests/transfer/test_command_line.py",
)
# The files that take longest start first, in this order, so that no worker is left alone with one at the end. The first
# and the third build what others share and wait for: the session's staging, and the plans of all variations. The others
# start with files that need neither, so that no core is idle meanwhile.
FIRST = (
    "tests/e2e/smoke/test_environment.py",
    "tests/e2e/delivery/",
    "tests/policy/test_least_privilege.py",
    "tests/e2e/upgrade/",
    "tests/terraform/test_apply.py",
    "tests/localaws/saving/test_saving.py",
    "tests/policy/test_demo_calls.py",
    "tests/terraform/test_apply_killed.py",
    "tests/terraform/test_modules.py",
    "tests/terraform/test_apply_upgraded.py",
    "tests/e2e/pipeline/",
    "tests/e2e/apps/",
    "tests/e2e/smoke/",
    "tests/platform/endpoints/test_lost_answers.py",
    "tests/terraform/test_apply_expired.py",
    "tests/localaws/test_daemon.py",
    "tests/localaws/endpoints/",
    "tests/platform/test_record.py",
    "tests/serving/",
    "tests/transfer/",
    "tests/localaws/",
    "tests/terraform/test_terraform_script.py",
)

# What `make test` leaves to `make test-all`: why, or which tests check the same more quickly. Whoever names one of them
# runs it. `make test` checks each promise once: in one environment, with the newest clients, and with few faults.
NIGHTLY = {
    # Environments besides staging, which tests/e2e/smoke/ applies and uses.
    "tests/e2e/apps/": "an environment with an App; terraform test checks its plan, tests/localaws/tracking/ its calls",
    "tests/e2e/delivery/": "each build installs all packages; tests/localaws/delivery/ runs small builds",
    "tests/e2e/notebooks/": "starts a tracking server and a kernel of its own, and installs the SDK",
    "tests/e2e/pipeline/": "many trainings; tests/localaws/pipelines/ and tests/platform/factory/ run the steps",
    "tests/e2e/smoke/test_workflow.py::test_deploying_the_same_model_again_changes_nothing": (
        "tests/platform/endpoints/test_deployment.py deploys twice"
    ),
    "tests/e2e/smoke/test_environment.py::test_ordinary_tools_work": "clients",
    "tests/e2e/smoke/test_workflow.py::test_a_request_is_queued_and_answered": (
        "tests/localaws/endpoints/test_async.py queues a request without the script"
    ),
    "tests/e2e/smoke/test_workflow.py::test_rows_of_a_file_are_predicted_by_a_transform_job": (
        "tests/platform/batch/ tests the script, tests/localaws/endpoints/test_transform.py the job"
    ),
    "tests/e2e/smoke/test_monitoring.py": "much traffic; tests/platform/monitoring/ tests each step on files",
    "tests/e2e/upgrade/": "three servers and two environments; tests/platform/upgrade/ tests each step and failure",
    "tests/localaws/state/test_locks.py::test_a_state_is_listed_moved_and_brought_back": (
        "Terraform's own commands on states, eight times"
    ),
    "tests/localaws/state/test_bootstrap.py": "applies the states' bucket; test_state.py checks its plan",
    "tests/policy/test_demo_calls.py": (
        "the demo with enforced policies; tests/policy/test_least_privilege.py judges the calls that it recorded"
    ),
    "tests/terraform/test_apply.py": (
        "prod while each AWS operation fails twice, edited by hand, destroyed; tests/e2e/smoke/ applies staging"
    ),
    "tests/terraform/test_apply_adopted.py": "an environment of what was made by hand; terraform test checks its plan",
    "tests/terraform/test_apply_data_events.py": "a trail; tests/policy/test_data_events.py checks its policy",
    "tests/terraform/test_apply_expired.py": "credentials that expire at three points of an apply",
    "tests/terraform/test_apply_killed.py": "an apply that is killed ten times",
    "tests/terraform/test_apply_studio.py": "tests/policy/test_studio_roles.py and terraform test check the plan",
    "tests/terraform/test_examples.py": "make lint validates the examples, and other plans have their inputs",
    "tests/terraform/test_apply_upgraded.py": "prod of a former revision, applied before this one",
    # Asks a second engine.
    "tests/policy/test_cross_check.py": "tests/localaws/iam/ compares our engine with what AWS documents",
    # Each call fails once.
    "tests/platform/endpoints/test_lost_answers.py": "each call; test_deployment.py has the likely ones",
    "tests/transfer/test_faults.py::test_every_kind_of_call_survives_faults_on_either_side": "each call",
    "tests/transfer/test_faults.py::test_twenty_kills_leave_no_difference_and_no_duplicate": "twenty copies",
    # Endpoints under load for a minute.
    "tests/localaws/endpoints/test_deployer.py::test_a_canary_a_rollback_by_an_alarm_and_one_by_hand_lose_no_request": (
        "tests/localaws/endpoints/test_shift.py shifts traffic and rolls back"
    ),
    "tests/localaws/endpoints/test_deployer.py::test_an_asynchronous_endpoint": (
        "tests/localaws/endpoints/test_async.py scales the same endpoint without the script"
    ),
    "tests/localaws/endpoints/test_shift.py::test_errors_of_the_new_model_roll_it_back": (
        "tests/localaws/endpoints/test_deployer.py rolls such a model back with the script"
    ),
    "tests/localaws/test_scripts.py::test_a_model_that_cannot_be_loaded_is_reported_and_the_previous_one_serves": (
        "tests/localaws/endpoints/test_life.py fails the same update without the script"
    ),
    # Other clients than boto3 and MLflow's newest one.
    "tests/localaws/endpoints/test_invoke.py::test_mlflows_deployment_client_lists_and_invokes_endpoints": "a client",
    "tests/localaws/services/test_runbook.py::test_a_bucket_is_copied_encrypted_with_another_key_and_emptied": (
        "the AWS CLI, to copy and empty a bucket"
    ),
    "tests/localaws/services/test_runbook.py::test_the_log_files_of_a_trail_name_who_wrote_an_artifact": (
        "the AWS CLI and jq, on a file of the test's own"
    ),
    "tests/localaws/endpoints/test_invoke.py::test_the_aws_cli_invokes_an_endpoint": "a client",
    "tests/localaws/tracking/test_apps.py::test_the_plugin_logs_registers_and_uses_workspaces": "a client",
    "tests/localaws/tracking/test_clients.py": "clients",
    "tests/serving/test_flask.py": "MLflow before 2.21; tests/serving/test_container.py tests the newest",
    # Processes and environments of their own.
    "tests/localaws/pipelines/test_examples.py": (
        "trains, transforms and serves with XGBoost; tests/localaws/algorithms/ tests its programs, test_executions.py "
        "the steps"
    ),
    "tests/localaws/test_daemon.py::test_a_home_with_spaces_and_umlauts_works_with_256_open_files": "a server",
    "tests/platform/factory/test_template.py": "trains a second project",
    "tests/platform/test_record.py::test_mlflow_run_logs_to_the_run_that_it_created": "trains in a process of its own",
    "tests/platform/test_record.py::test_the_boosted_model_can_be_served_with_its_requirements_alone": (
        "builds an environment of its own"
    ),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that `make test-all` sets."""
    parser.addoption(
        "--all", action="store_true", help="also run the tests that run every night (NIGHTLY in conftest.py)"
    )


def nightly(config: pytest.Config) -> dict[str, str]:
    """The entries of NIGHTLY that this run leaves out."""
    if config.getoption("--all"):
        return {}
    # With a slash at the end, a folder begins with its own entry, and a file does not begin with that of a folder.
    paths = tuple(f"{path}/" for path in named(config))
    return {
        entry: reason
        for entry, reason in NIGHTLY.items()
        if not any(path.startswith(f"{config.rootpath}/{entry}") for path in paths)
    }


def named(config: pytest.Config) -> tuple[str, ...]:
    """What the command line names, as absolute paths."""
    return tuple(str((config.invocation_params.dir / argument).resolve()) for argument in config.args)


def pytest_configure(config: pytest.Config) -> None:
    """Create the session's folder in the controller, and pass it to each worker."""
    config.addinivalue_line("markers", "last: destroys what the other tests of its file use")
    config.addinivalue_line("markers", "system: starts servers, runs Terraform, builds environments or is slow")
    # A test run that is killed cannot stop what it started: localaws stops by itself when no request arrives.
    os.environ.setdefault("LOCALAWS_IDLE_MINUTES", "20")
    # On GitHub, scripts/terraform.sh surrounds what it prints with markers.
    os.environ.pop("GITHUB_ACTIONS", None)
    # Terraform and its provider run often and briefly here: hardly any garbage collection, on one core, saves a third
    # of their time.
    os.environ.setdefault("GOGC", "1600")
    os.environ.setdefault("GOMEMLIMIT", "2GiB")
    os.environ.setdefault("GOMAXPROCS", "1")
    given = getattr(config, "workerinput", {}).get("localaws_home")
    config.stash[HOME] = Path(given or tempfile.mkdtemp(prefix="localaws-tests-"))
    # Collecting allocates much and frees little: the collector would only look through it again and again.
    gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark system tests, before `-m` selects."""
    if item.nodeid.startswith(SYSTEM_FILES) or SYSTEM_FIXTURES.intersection(getattr(item, "fixturenames", ())):
        item.add_marker("system")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the nightly tests, and put the others in order.

    The files that take longest are first, in the order of `FIRST`, and in each file the tests marked `last` are last.
    """
    left_out = tuple(nightly(config))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid.startswith(left_out)])
    items[:] = [item for item in items if not item.nodeid.startswith(left_out)]
    files: dict[Path, int] = {}
    for item in items:
        files.setdefault(item.path, len(files))

    def order(item: pytest.Item) -> tuple[int, int, bool]:
        place = next((place for place, start in enumerate(FIRST) if item.nodeid.startswith(start)), len(FIRST))
        return place, files[item.path], item.get_closest_marker("last") is not None

    items.sort(key=order)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name what did not run although its folder or file was named. `make check` runs none of them anyway."""
    if "not system" in config.option.markexpr:
        return
    for entry, reason in nightly(config).items():
        if f"{config.rootpath}/{entry}".startswith(named(config)):
            terminalreporter.write_line(f"left to make test-all: {entry}: {reason}")


def pytest_collection_finish() -> None:
    """Keep what was loaded to collect the tests out of garbage collection, and collect garbage seldom.

    With a gigabyte of modules, collecting takes a fifth of the tests' processor time.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the session's folder to a pytest-xdist worker."""
    node.workerinput["localaws_home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the session's localaws and delete its folder."""
    home = config.stash.get(HOME, None)
    if home is None or hasattr(config, "workerinput"):
        return
    port = home / "port"
    if port.exists():
        daemon.down(settings_of(home / "home", int(port.read_text())))
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def localaws(pytestconfig: pytest.Config) -> RunningLocalAws:
    """The session's localaws. The first worker that needs it starts it."""
    home = pytestconfig.stash[HOME]
    port = home / "port"
    with FileLock(home / "lock"):
        if port.exists():
            return RunningLocalAws(settings_of(home / "home", int(port.read_text())))
        running = start(home / "home")
        port.write_text(str(running.settings.port))
        return running


@pytest.fixture(scope="session")
def staging(request: pytest.FixtureRequest) -> Deployed:
    """A deployed environment: the one that `make smoke` names, else staging on the session's localaws."""
    named = deployed.from_environment()
    if named:
        return named
    localaws: RunningLocalAws = request.getfixturevalue("localaws")
    applied = Deployed("staging", local=True, environ=localaws.environ())
    home = request.config.stash[HOME]
    with FileLock(home / "staging.lock"):
        if not (home / "staging").exists():
            applied.terraform("apply")
            (home / "staging").touch()
    return applied
