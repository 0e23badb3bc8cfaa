"""How a fleet distributes requests, and how it stops."""

import threading
import time
from typing import Any

import pytest

from localaws.endpoints.fleet import Fleet, Instance, Member, NoCapacityError, NoSuchVariantError, ThrottledError


class Stub:
    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.healthy = True
        self.suspended = False

    def may_suspend(self) -> bool:
        self.suspended = True
        return True

    def suspend(self) -> None:
        self.healthy = False

    def stop(self) -> None:
        self.stopped.set()


def _fleet() -> tuple[Fleet, list[Any]]:
    containers: list[Any] = [Stub(), Stub()]
    return Fleet({"one": Member([Instance(containers[0])]), "two": Member([Instance(containers[1])])}), containers


def test_variants_are_chosen_in_proportion_to_their_weights() -> None:
    fleet, _ = _fleet()
    chosen = [fleet.enter({"one": 3, "two": 1})[0] for _ in range(4000)]
    assert chosen.count("one") == pytest.approx(3000, abs=250)


def test_a_variant_with_weight_zero_is_chosen_only_by_name() -> None:
    fleet, _ = _fleet()
    assert {fleet.enter({"one": 0, "two": 1})[0] for _ in range(200)} == {"two"}
    assert fleet.enter({"one": 0, "two": 1}, "one")[0] == "one"
    with pytest.raises(NoSuchVariantError):
        fleet.enter({"one": 0, "two": 1}, "three")


def test_a_draining_fleet_stops_after_its_last_request() -> None:
    fleet, containers = _fleet()
    entered = fleet.enter({}, "two")
    stopping = threading.Thread(target=fleet.stop, kwargs={"drain": True})
    stopping.start()
    time.sleep(0.1)
    assert not any(container.stopped.is_set() for container in containers)
    fleet.leave(*entered)
    stopping.join(60)
    assert all(container.stopped.is_set() for container in containers)


def test_the_least_busy_healthy_instance_is_chosen() -> None:
    fleet, containers = _fleet()
    fleet.add("one", containers[1])
    chosen: set[Any] = {fleet.enter({"one": 1})[1].container for _ in range(2)}
    assert chosen == set(containers)
    containers[0].healthy = False
    assert {fleet.enter({"one": 1})[1].container for _ in range(3)} == {containers[1]}


def test_a_removed_instance_stops_after_its_last_request() -> None:
    fleet, containers = _fleet()
    fleet.add("one", containers[1])
    containers[0].healthy = False
    entered: Any = fleet.enter({"one": 1})
    assert entered[1].container is containers[1]
    removing = threading.Thread(target=fleet.remove, args=("one", 1))
    removing.start()
    time.sleep(0.05)
    assert not containers[1].stopped.is_set()
    other: Any = fleet.enter({"one": 1})[1].container
    assert other is containers[0]
    fleet.leave(*entered)
    removing.join(60)
    assert (containers[0].stopped.is_set(), containers[1].stopped.is_set()) == (False, True)


def test_a_variant_without_instances_takes_no_request() -> None:
    fleet, _ = _fleet()
    fleet.remove("one", 1)
    with pytest.raises(NoCapacityError):
        fleet.enter({"one": 1})


def test_a_serverless_variant_takes_as_many_requests_as_its_limit() -> None:
    fleet, _ = _fleet()
    fleet.members["one"].limit = 2
    entered = [fleet.enter({"one": 1}) for _ in range(2)]
    with pytest.raises(ThrottledError):
        fleet.enter({"one": 1})
    fleet.leave(*entered[0])
    assert fleet.enter({"one": 1})[0] == "one"


def test_only_an_idle_serverless_variant_is_suspended() -> None:
    fleet, containers = _fleet()
    fleet.members["one"].limit = 1
    entered = fleet.enter({"one": 1})
    fleet.suspend_idle(0)
    assert not containers[0].suspended
    fleet.leave(*entered)
    fleet.suspend_idle(60)
    assert not containers[0].suspended
    fleet.suspend_idle(0)
    assert (containers[0].suspended, containers[1].suspended) == (True, False)
