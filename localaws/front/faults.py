"""Fault injection: makes operations fail, take longer, drop the connection, or lose their response."""

import re
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

from localaws.call import Call

# Codes are sent in a header.
CODE = re.compile(r"[A-Za-z0-9._-]*")
LONGEST = 86400


@dataclass
class Fault:
    """A fault for the next `times` calls whose `service:Operation` matches.

    Attributes:
        operation: a pattern like `sagemaker:CreateMlflowTrackingServer` or `s3:*`.
        error: the error code of the response; empty: only delay.
        status: the HTTP status of that response.
        delay: seconds to wait first, or with `lost` afterwards.
        drop: close the connection without a response; the call is not made.
        lost: make the call, but close the connection without a response.
        each: "operation": `times` counts for each operation that matches; "resource": for each operation on each
            resource. Such a fault stays until all are cleared.
        resource: only calls on resources that match this pattern.
    """

    operation: str
    times: int = 1
    error: str = ""
    status: int = 400
    message: str = "Injected by localaws."
    delay: float = 0
    drop: bool = False
    lost: bool = False
    each: str = ""
    resource: str = "*"

    @classmethod
    def parse(cls, given: Any) -> Self:
        """Checks a JSON body.

        Raises:
            ValueError: not an object, an unknown key, a value of the wrong type, or no effect.
        """
        if not isinstance(given, dict) or not isinstance(given.get("operation"), str):
            raise ValueError('A fault is an object with an "operation" such as "sagemaker:CreateEndpoint".')
        known = cls.__dataclass_fields__
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f"Unknown: {', '.join(unknown)}. A fault has: {', '.join(known)}.")
        for name, value in given.items():
            wanted = known[name].type
            if isinstance(value, bool) is not (wanted is bool) or not isinstance(
                value,
                (int, float) if wanted is float else wanted,  # type: ignore[arg-type]
            ):
                raise ValueError(f'"{name}" takes a {wanted.__name__}.')  # type: ignore[union-attr]
        fault = cls(**given)
        if not CODE.fullmatch(fault.error):
            raise ValueError('"error" takes a code of letters, digits, points and dashes.')
        if not (200 <= fault.status <= 599 and fault.times >= 1 and 0 <= fault.delay <= LONGEST):
            raise ValueError(f'"status" is 200 to 599, "times" 1 or more, "delay" 0 to {LONGEST} seconds.')
        if fault.each not in ("", "operation", "resource"):
            raise ValueError('"each" takes "operation" or "resource".')
        if not (fault.error or fault.delay or fault.drop or fault.lost):
            raise ValueError('Name an effect: "error", "delay", "drop" or "lost".')
        return fault


class Faults:
    """The faults that are still active, applied in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._struck: Counter[tuple[int, str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Adds one."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Removes all."""
        with self._lock:
            self._faults.clear()
            self._struck.clear()

    def list(self) -> list[dict[str, Any]]:
        """The active faults, with the number of calls that each one affected ("struck")."""
        with self._lock:
            struck: Counter[int] = Counter()
            for (fault_id, *_), times in self._struck.items():
                struck[fault_id] += times
            return [{**asdict(fault), "struck": struck[id(fault)]} for fault in self._faults]

    def take(self, call: Call) -> Fault | None:
        """The fault to apply to this call; it counts as used."""
        with self._lock:
            for fault in self._faults:
                counted = (
                    id(fault),
                    call.action if fault.each else "",
                    call.resource if fault.each == "resource" else "",
                )
                matches = fnmatchcase(call.action, fault.operation) and fnmatchcase(call.resource, fault.resource)
                if matches and self._struck[counted] < fault.times:
                    self._struck[counted] += 1
                    if not fault.each and self._struck[counted] == fault.times:
                        self._faults.remove(fault)
                        del self._struck[counted]  # Python may reuse the id for another fault.
                    return fault
        return None
