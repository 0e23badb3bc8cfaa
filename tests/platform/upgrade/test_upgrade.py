"""The order of an upgrade's steps, each refusal, and that the same command resumes it after any interruption."""
# ruff: noqa: ARG002 the fakes take the same arguments as the real classes

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.tracking_server import ServerDescription
from mlflow_platform.upgrade.migration import Verification
from mlflow_platform.upgrade.upgrade import Upgrade
from mlflow_platform.upgrade.versions import FILE, LOCAL_FILE, Desired, Servers, check

STEM = "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server/mlflow-staging-"


def arn(version: str) -> str:
    return STEM + version.replace(".", "-")


class KilledError(BaseException):
    """Simulates SIGKILL, which cannot be caught."""


@dataclass
class World:
    """Fakes of AWS, Terraform and the migrator for the upgrade. `steps` records the steps in order."""

    file: Path
    active: str = "2.13"
    deployed: set[str] = field(default_factory=lambda: {"2.13"})
    written: dict[str, int] = field(default_factory=lambda: {"2.13": 3, "3.0": 0})
    copied: int = 0
    late: bool = False
    always_logged_to: bool = False
    verified: dict[tuple[str, str], Verification] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    kill_at: int | None = None
    status: str = "Created"
    whole: bool = True
    name = "staging"
    options = "ENV=staging"

    def step(self, what: str) -> None:
        if self.kill_at is not None and len(self.steps) == self.kill_at:
            self.kill_at = None
            raise KilledError
        self.steps.append(what)

    # The root.
    def servers(self) -> Servers:
        arns = {version: arn(version) for version in sorted(self.deployed)}
        if self.whole:
            return Servers(self.active, arns)
        return Servers(json.loads(self.file.read_text())["mlflow_version"], arns, whole=False)

    def repair(self, version: str, server: str, sagemaker: Any, **_: Any) -> None:
        self.step(f"repair {version}")

    def show(self) -> None:
        self.step("plan")

    def apply(self, confirm: str = "", *, approved: bool = False) -> None:
        wanted = json.loads(self.file.read_text())
        servers = {wanted["mlflow_version"], *wanted["retained_mlflow_versions"]}
        for lost in self.deployed - servers:
            assert confirm == arn(lost).rpartition("/")[2], "the guard refuses a deletion that nobody named"
        self.step("apply")
        self.deployed = servers
        self.whole = False
        self.step("applied half")
        self.whole = True
        self.active = wanted["mlflow_version"]

    def settled(self, server: str, sagemaker: Any, **_: Any) -> ServerDescription | None:
        there = server in {arn(version).rpartition("/")[2] for version in self.deployed}
        running = self.status == "Created"
        return ServerDescription(server, self.status, running, "", "Small", "") if there else None

    # The migrator.
    def copy(
        self,
        source: str,
        destination: str,
        *,
        accept_losses: bool = False,
        thorough: bool = False,
        in_use: bool = False,
    ) -> list[str]:
        self.step("add" if in_use else "copy thoroughly" if thorough else "copy")
        self.copied = self.written["2.13"]
        self.late = self.late and not thorough
        return ["one thing"]

    def verify(
        self, source: str, destination: str, *, accept_losses: bool = False, in_use: bool = False
    ) -> Verification:
        self.step("verify what was added" if in_use else "verify")
        self.written["2.13"] += self.always_logged_to
        passed = self.copied == self.written["2.13"] and not self.late
        found = Verification(
            source, destination, passed, "now", self.contents(source), "report.html", int(not passed),
            int(self.always_logged_to),
        )  # fmt: skip
        self.verified[source, destination] = found
        return found

    def contents(self, server: str) -> str:
        return str(self.written["2.13"])

    def verification(self, source: str, destination: str) -> Verification | None:
        found = self.verified.get((source, destination))
        return found if found and found.passed else None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / FILE)


def upgrade(world: World, lines: list[str] | None = None, ask: Callable[[str], None] | None = None) -> Upgrade:
    unused: Any = None
    both: Any = world
    return Upgrade(both, both, unused, progress=[].append if lines is None else lines.append, clock=unused, ask=ask)


def test_switches_the_outputs_after_a_passed_verification_and_a_second_copy(world: World) -> None:
    result = upgrade(world).run("3.0")
    order = ["repair 3.0", "apply", "applied half", "copy", "verify", "copy", "apply", "applied half"]
    assert world.steps == order
    assert (world.active, world.deployed) == ("3.0", {"2.13", "3.0"})
    assert (result["changed"], result["server"], result["kept"]) == (True, "mlflow-staging-3-0", "mlflow-staging-2-13")
    assert json.loads(world.file.read_text()) == {"mlflow_version": "3.0", "retained_mlflow_versions": ["2.13"]}


@pytest.mark.parametrize("moment", range(8))
def test_the_same_command_resumes_after_a_kill_before_any_step(world: World, moment: int) -> None:
    world.kill_at = moment
    with pytest.raises(KilledError):
        upgrade(world).run("3.0")
    assert world.active == "2.13" or world.verified[arn("2.13"), arn("3.0")].passed
    upgrade(world).run("3.0")
    assert (world.active, world.deployed, world.copied) == ("3.0", {"2.13", "3.0"}, 3)
    assert json.loads(world.file.read_text()) == {"mlflow_version": "3.0", "retained_mlflow_versions": ["2.13"]}


@pytest.mark.parametrize("moment", range(2))
def test_a_retirement_resumes_after_a_kill_before_any_step(world: World, moment: int) -> None:
    upgrade(world).run("3.0")
    world.kill_at = len(world.steps) + moment
    with pytest.raises(KilledError):
        upgrade(world).retire("2.13", {"mlflow-staging-2-13"})
    upgrade(world).retire("2.13", {"mlflow-staging-2-13"})
    assert (world.active, world.deployed) == ("3.0", {"3.0"})
    assert upgrade(world).retire("2.13", ())["changed"] is False


def test_a_point_that_no_listing_shows_is_copied_after_the_comparison(world: World) -> None:
    world.late = True
    assert upgrade(world).run("3.0")["changed"] is True
    assert world.steps[3:7] == ["copy", "verify", "copy thoroughly", "verify"]


def test_a_server_that_is_logged_to_all_the_time_can_be_switched_but_not_retired(world: World) -> None:
    world.always_logged_to = True
    lines: list[str] = []
    done = upgrade(world, lines).run("3.0")
    assert (done["still_logged"], world.active, world.steps.count("verify")) == (1, "3.0", 1)
    assert "lost: one thing" in lines
    assert any("differ in 1 places, all of them in runs that people still log to" in line for line in lines)
    with pytest.raises(PreconditionError, match="it is not verified"):
        upgrade(world).retire("2.13", {"mlflow-staging-2-13"})


def test_does_not_switch_servers_that_differ(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "copy", lambda *_, **__: [])
    with pytest.raises(PlatformError, match=r"differ in 1 places, so nothing was switched: see report\.html"):
        upgrade(world).run("3.0")
    assert world.active == "2.13"


def test_does_not_switch_if_something_could_not_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted: list[bool] = []

    def compare(source: str, destination: str, *, accept_losses: bool = False, in_use: bool = False) -> Verification:
        accepted.append(accept_losses)
        return Verification(source, destination, accept_losses, "now", "", "report.html", unread=3)

    monkeypatch.setattr(world, "verify", compare)
    with pytest.raises(
        PlatformError, match=r"3 things could not be read.*see report\.html, or give ARGS=--accept-losses"
    ):
        upgrade(world).run("3.0")
    assert world.active == "2.13"
    assert upgrade(world).run("3.0", accept_losses=True)["changed"] is True
    assert accepted == [False, True]


def test_a_server_that_is_written_to_during_the_comparison_is_copied_and_compared_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = world.verify

    def late(source: str, destination: str, **how: bool) -> Verification:
        found = compare(source, destination, **how)
        if world.steps.count("verify") == 1:
            found = Verification(source, destination, False, "now", found.contents, "report.html", 1)
            world.written["2.13"] += 1
        return found

    monkeypatch.setattr(world, "verify", late)
    upgrade(world).run("3.0")
    assert world.steps.count("verify") == 2
    assert world.copied == 4


def test_a_run_after_the_switch_copies_what_was_logged_since(world: World) -> None:
    upgrade(world).run("3.0")
    world.written["2.13"] += 1
    del world.steps[:]
    assert upgrade(world).run("3.0")["changed"] is False
    assert world.steps == ["add", "verify what was added"]


def test_requires_a_choice_between_several_old_servers(world: World) -> None:
    world.deployed, world.active = {"2.13", "2.16", "3.0"}, "3.0"
    with pytest.raises(InputError, match=r"2\.13 and 2\.16 are retained.*FROM=2\.16"):
        upgrade(world).run("3.0")
    assert upgrade(world).run("3.0", "2.13")["kept"] == "mlflow-staging-2-13"
    with pytest.raises(InputError, match=r"no other server of MLflow 3\.0"):
        upgrade(world).run("3.0", "3.0")


def test_does_nothing_if_the_version_is_the_only_one(world: World) -> None:
    result = upgrade(world).run("2.13")
    assert (result["changed"], world.steps, world.file.exists()) == (False, [], False)


def test_going_back_only_switches_the_outputs(world: World) -> None:
    upgrade(world).run("3.0")
    del world.steps[:]
    assert upgrade(world).back("2.13")["tracking_uri"] == arn("2.13")
    assert (world.active, world.deployed, world.steps) == ("2.13", {"2.13", "3.0"}, ["apply", "applied half"])
    with pytest.raises(InputError, match=r"no server of MLflow 2\.16 to go back to: it retains 3\.0"):
        upgrade(world).back("2.16")


Retire = Callable[[World], None]


def unverified(world: World) -> None:
    world.verified.clear()


def failed(world: World) -> None:
    for pair, found in world.verified.items():
        world.verified[pair] = Verification(*pair, False, found.when, found.contents, found.report)


def written_to(world: World) -> None:
    world.written["2.13"] += 1


def stopped(world: World) -> None:
    world.status = "Stopped"


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (unverified, "it is not verified that mlflow-staging-3-0 holds everything of mlflow-staging-2-13"),
        (failed, "it is not verified"),
        (written_to, r"written to since it was verified on now: run `make upgrade ENV=staging TO=3\.0 FROM=2\.13`"),
        (stopped, "is stopped.*start-mlflow-tracking-server --tracking-server-name mlflow-staging-2-13"),
    ],
)
def test_does_not_retire_a_server_unless_the_active_one_is_known_to_hold_everything(
    world: World, trouble: Retire, message: str
) -> None:
    upgrade(world).run("3.0")
    trouble(world)
    with pytest.raises(PreconditionError, match=message):
        upgrade(world).retire("2.13", {"mlflow-staging-2-13"})
    assert world.deployed == {"2.13", "3.0"}


def test_does_not_retire_a_verified_server_without_its_name(world: World) -> None:
    upgrade(world).run("3.0")
    with pytest.raises(PreconditionError, match="add CONFIRM=mlflow-staging-2-13"):
        upgrade(world).retire("2.13", {"mlflow-staging-3-0"})
    with pytest.raises(InputError, match="mlflow-staging-3-0 is the active server"):
        upgrade(world).retire("3.0", {"mlflow-staging-3-0"})
    assert world.deployed == {"2.13", "3.0"}


def test_does_not_retire_a_server_that_is_written_to_during_the_question(world: World) -> None:
    upgrade(world).run("3.0")
    before = world.file.read_text()
    del world.steps[:]

    def ask(question: str) -> None:
        assert question == "Delete tracking server mlflow-staging-2-13?"
        world.written["2.13"] += 1

    with pytest.raises(PreconditionError, match="written to since it was verified"):
        upgrade(world, ask=ask).retire("2.13", {"mlflow-staging-2-13"})
    assert (world.steps, world.file.read_text(), world.deployed) == (["plan"], before, {"2.13", "3.0"})

    upgrade(world).run("3.0")
    upgrade(world, ask=lambda _: None).retire("2.13", {"mlflow-staging-2-13"})
    assert world.deployed == {"3.0"}


def test_a_server_beside_one_with_another_name_gets_the_environments_name() -> None:
    arns = {"3.0": "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/made-by-hand"}
    servers = Servers("3.0", arns, stem="churn-prod")
    assert (servers.name("3.0"), servers.name("2.16")) == ("made-by-hand", "churn-prod-2-16")


def test_derives_the_name_of_a_server_that_does_not_exist_yet() -> None:
    servers = Servers("2.13", {"2.13": arn("2.13")})
    assert (servers.retained, servers.name("2.13"), servers.name("3.0")) == (
        [],
        "mlflow-staging-2-13",
        "mlflow-staging-3-0",
    )


@pytest.mark.parametrize("version", ["", "3", "3.0.1", "2.15"])
def test_rejects_a_version_that_aws_does_not_offer(version: str) -> None:
    with pytest.raises(InputError, match=r"give TO=3\.0, with one of 2\.13, 2\.16, 3\.0"):
        check(version, "TO=3.0")


def test_on_localaws_the_mirrors_own_file_overrides_the_copy_of_the_roots_file() -> None:
    # Terraform loads *.auto.tfvars.json in lexical order of their names, and the last value wins.
    assert sorted([LOCAL_FILE, FILE])[-1] == LOCAL_FILE


def test_reports_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="cannot be written"):
        Desired("3.0", frozenset()).write(tmp_path / "nowhere" / FILE)
