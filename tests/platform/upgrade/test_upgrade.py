"""The road of an upgrade: its order, each refusal, and that it is gone on with wherever it was broken off."""
# ruff: noqa: ARG002 the fakes take what the real ones take

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.upgrade.migration import Verification
from mlflow_platform.upgrade.terraform_root import Seen
from mlflow_platform.upgrade.upgrade import Road
from mlflow_platform.upgrade.versions import FILE, LOCAL_FILE, Servers, Wanted, check

STEM = "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server/mlflow-staging-"


def arn(version: str) -> str:
    return STEM + version.replace(".", "-")


class KilledError(BaseException):
    """What stands for SIGKILL: nothing catches it."""


@dataclass
class World:
    """AWS, Terraform and the moving tool as the road sees them. `steps` is what happened, in order."""

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

    def mend(self, version: str, server: str, sagemaker: Any, **_: Any) -> None:
        self.step(f"mend {version}")

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

    def settled(self, server: str, sagemaker: Any, **_: Any) -> Seen:
        there = server in {arn(version).rpartition("/")[2] for version in self.deployed}
        return Seen(self.status) if there else Seen()

    # The mover.
    def copy(
        self,
        source: str,
        destination: str,
        *,
        accept_losses: bool = False,
        thorough: bool = False,
        additive: bool = False,
    ) -> list[str]:
        self.step("add" if additive else "copy thoroughly" if thorough else "copy")
        self.copied = self.written["2.13"]
        self.late = self.late and not thorough
        return ["one thing"]

    def verify(self, source: str, destination: str, *, additive: bool = False) -> Verification:
        self.step("verify what was added" if additive else "verify")
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


def road(world: World, told: list[str] | None = None, ask: Callable[[str], None] | None = None) -> Road:
    unused: Any = None
    both: Any = world
    return Road(both, both, unused, progress=[].append if told is None else told.append, clock=unused, ask=ask)


def test_the_outputs_are_switched_after_a_passed_verification_and_a_second_copy(world: World) -> None:
    told = road(world).upgrade("3.0")
    order = ["mend 3.0", "apply", "applied half", "copy", "verify", "copy", "apply", "applied half"]
    assert world.steps == order
    assert (world.active, world.deployed) == ("3.0", {"2.13", "3.0"})
    assert (told["changed"], told["server"], told["kept"]) == (True, "mlflow-staging-3-0", "mlflow-staging-2-13")
    assert json.loads(world.file.read_text()) == {"mlflow_version": "3.0", "retained_mlflow_versions": ["2.13"]}


@pytest.mark.parametrize("moment", range(8))
def test_killed_before_any_step_the_same_command_goes_on(world: World, moment: int) -> None:
    world.kill_at = moment
    with pytest.raises(KilledError):
        road(world).upgrade("3.0")
    assert world.active == "2.13" or world.verified[arn("2.13"), arn("3.0")].passed
    road(world).upgrade("3.0")
    assert (world.active, world.deployed, world.copied) == ("3.0", {"2.13", "3.0"}, 3)
    assert json.loads(world.file.read_text()) == {"mlflow_version": "3.0", "retained_mlflow_versions": ["2.13"]}


@pytest.mark.parametrize("moment", range(2))
def test_a_retirement_killed_before_any_step_goes_on(world: World, moment: int) -> None:
    road(world).upgrade("3.0")
    world.kill_at = len(world.steps) + moment
    with pytest.raises(KilledError):
        road(world).retire("2.13", {"mlflow-staging-2-13"})
    road(world).retire("2.13", {"mlflow-staging-2-13"})
    assert (world.active, world.deployed) == ("3.0", {"3.0"})
    assert road(world).retire("2.13", ())["changed"] is False


def test_a_point_that_was_logged_late_is_found_by_the_comparison_and_brought_along(world: World) -> None:
    world.late = True
    assert road(world).upgrade("3.0")["changed"] is True
    assert world.steps[3:7] == ["copy", "verify", "copy thoroughly", "verify"]


def test_a_server_that_is_logged_to_all_the_time_is_switched_and_not_retired(world: World) -> None:
    world.always_logged_to = True
    told: list[str] = []
    done = road(world, told).upgrade("3.0")
    assert (done["still_logged"], world.active, world.steps.count("verify")) == (1, "3.0", 1)
    assert "left behind: one thing" in told
    assert any("differ in 1 places, all of them in runs that were logged to meanwhile" in line for line in told)
    with pytest.raises(PreconditionError, match="nobody has verified"):
        road(world).retire("2.13", {"mlflow-staging-2-13"})


def test_servers_that_differ_are_not_switched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "copy", lambda *_, **__: [])
    with pytest.raises(PlatformError, match=r"differ in 1 places, so nothing was switched: see report\.html"):
        road(world).upgrade("3.0")
    assert world.active == "2.13"


def test_a_server_written_to_while_it_is_compared_is_copied_and_compared_again(
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
    road(world).upgrade("3.0")
    assert world.steps.count("verify") == 2
    assert world.copied == 4


def test_run_again_after_the_switch_it_brings_along_what_came_late(world: World) -> None:
    road(world).upgrade("3.0")
    world.written["2.13"] += 1
    del world.steps[:]
    assert road(world).upgrade("3.0")["changed"] is False
    assert world.steps == ["add", "verify what was added"]


def test_with_several_old_servers_it_is_asked_which_one_to_copy_from(world: World) -> None:
    world.deployed, world.active = {"2.13", "2.16", "3.0"}, "3.0"
    with pytest.raises(InputError, match=r"2\.13 and 2\.16 are beside it.*FROM=2\.16"):
        road(world).upgrade("3.0")
    assert road(world).upgrade("3.0", "2.13")["kept"] == "mlflow-staging-2-13"
    with pytest.raises(InputError, match=r"no other server of MLflow 3\.0"):
        road(world).upgrade("3.0", "3.0")


def test_an_environment_that_has_that_version_alone_is_left_alone(world: World) -> None:
    told = road(world).upgrade("2.13")
    assert (told["changed"], world.steps, world.file.exists()) == (False, [], False)


def test_going_back_switches_and_copies_nothing(world: World) -> None:
    road(world).upgrade("3.0")
    del world.steps[:]
    assert road(world).back("2.13")["tracking_uri"] == arn("2.13")
    assert (world.active, world.deployed, world.steps) == ("2.13", {"2.13", "3.0"}, ["apply", "applied half"])
    with pytest.raises(InputError, match=r"no server of MLflow 2\.16 to go back to: it retains 3\.0"):
        road(world).back("2.16")


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
        (unverified, "nobody has verified that mlflow-staging-3-0 holds all that mlflow-staging-2-13 holds"),
        (failed, "nobody has verified"),
        (written_to, r"written to since it was verified on now: run `make upgrade ENV=staging TO=3\.0 FROM=2\.13`"),
        (stopped, "does not run.*start-mlflow-tracking-server --tracking-server-name mlflow-staging-2-13"),
    ],
)
def test_a_named_server_is_not_retired_unless_all_of_it_is_known_to_be_in_the_active_one(
    world: World, trouble: Retire, message: str
) -> None:
    road(world).upgrade("3.0")
    trouble(world)
    with pytest.raises(PreconditionError, match=message):
        road(world).retire("2.13", {"mlflow-staging-2-13"})
    assert world.deployed == {"2.13", "3.0"}


def test_a_verified_server_is_not_retired_unless_it_is_named(world: World) -> None:
    road(world).upgrade("3.0")
    with pytest.raises(PreconditionError, match="say CONFIRM=mlflow-staging-2-13"):
        road(world).retire("2.13", {"mlflow-staging-3-0"})
    with pytest.raises(InputError, match="mlflow-staging-3-0 is the active server"):
        road(world).retire("3.0", {"mlflow-staging-3-0"})
    assert world.deployed == {"2.13", "3.0"}


def test_what_is_logged_while_a_person_is_asked_keeps_the_server(world: World) -> None:
    road(world).upgrade("3.0")
    before = world.file.read_text()
    del world.steps[:]

    def ask(question: str) -> None:
        assert question == "Delete tracking server mlflow-staging-2-13?"
        world.written["2.13"] += 1

    with pytest.raises(PreconditionError, match="written to since it was verified"):
        road(world, ask=ask).retire("2.13", {"mlflow-staging-2-13"})
    assert (world.steps, world.file.read_text(), world.deployed) == (["plan"], before, {"2.13", "3.0"})

    road(world).upgrade("3.0")
    road(world, ask=lambda _: None).retire("2.13", {"mlflow-staging-2-13"})
    assert world.deployed == {"3.0"}


def test_the_new_servers_name_is_known_before_it_is_there() -> None:
    servers = Servers("2.13", {"2.13": arn("2.13")})
    assert (servers.retained, servers.name("2.13"), servers.name("3.0")) == (
        [],
        "mlflow-staging-2-13",
        "mlflow-staging-3-0",
    )


@pytest.mark.parametrize("version", ["", "3", "3.0.1", "2.15"])
def test_a_version_that_aws_does_not_offer_is_refused(version: str) -> None:
    with pytest.raises(InputError, match=r"say TO=3\.0, with one of 2\.13, 2\.16, 3\.0"):
        check(version, "TO=3.0")


def test_on_localaws_the_mirrors_own_file_outranks_the_copy_of_the_roots() -> None:
    # Terraform loads *.auto.tfvars.json in lexical order of their names, and the last one wins.
    assert sorted([LOCAL_FILE, FILE])[-1] == LOCAL_FILE


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="cannot be written"):
        Wanted("3.0", frozenset()).write(tmp_path / "nowhere" / FILE)
