"""The status, phases and times of a build, in the shape of BatchGetBuilds."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Build.html
IN_PROGRESS, SUCCEEDED, FAILED, STOPPED, TIMED_OUT = "IN_PROGRESS", "SUCCEEDED", "FAILED", "STOPPED", "TIMED_OUT"


@dataclass
class BuildRecord:
    """One build. Its methods may be called from any thread.

    Attributes:
        details: the members of a Build that do not change.
    """

    id: str
    project: str
    details: dict[str, Any]
    clock: Callable[[], float] = time.time
    status: str = IN_PROGRESS
    stop_requested: threading.Event = field(default_factory=threading.Event)
    _phases: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.details["startTime"] = self.clock()
        self.begin("SUBMITTED")
        self.begin("QUEUED")

    def begin(self, phase: str, status: str = SUCCEEDED) -> None:
        """Begin a phase, and end the one before it with `status`."""
        with self._lock:
            self._end_phase(status, "")
            self._phases.append({"phaseType": phase, "startTime": self.clock()})

    def end(self, phase: str, status: str, message: str = "") -> None:
        """End a phase by its name, for example when a script reports it."""
        with self._lock:
            if self._phases[-1]["phaseType"] != phase:
                self._end_phase(SUCCEEDED, "")
                self._phases.append({"phaseType": phase, "startTime": self.clock()})
            self._end_phase(status, message)

    def complete(self, status: str) -> None:
        """End the build."""
        with self._lock:
            self._end_phase(SUCCEEDED if status == SUCCEEDED else status, "")
            self._phases.append({"phaseType": "COMPLETED", "startTime": self.clock()})
            self.status = status
            self.details["endTime"] = self.clock()

    def export(self, variables: dict[str, str]) -> None:
        """Record the values of the buildspec's exported variables."""
        with self._lock:
            self.details["exportedEnvironmentVariables"] = [
                {"name": name, "value": value} for name, value in variables.items()
            ]

    def describe(self) -> dict[str, Any]:
        """The build as BatchGetBuilds returns it."""
        with self._lock:
            return {
                **self.details,
                "id": self.id,
                "projectName": self.project,
                "buildStatus": self.status,
                "buildComplete": self.status != IN_PROGRESS,
                "currentPhase": self._phases[-1]["phaseType"],
                "phases": [dict(phase) for phase in self._phases],
            }

    def _end_phase(self, status: str, message: str) -> None:
        if self._phases and "phaseStatus" not in self._phases[-1]:
            now = self.clock()
            phase = self._phases[-1]
            phase.update(phaseStatus=status, endTime=now, durationInSeconds=int(now - phase["startTime"]))
            if message:
                phase["contexts"] = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": message}]
