"""Runs the steps of a proof in their order; the environment is torn down whatever happened before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlflow_common.errors import explain, first_line
from mlflow_common.waiting import Clock, Progress
from mlflow_platform.proving.record import Record, Status, StepResult


@dataclass(frozen=True)
class Step:
    """A step of a proof.

    Attributes:
        proves: the assumption that the step tests, for readers of the record.
        run: returns the evidence, or raises an error that says why the assumption does not hold.
        required: whether the later steps are useless if this one fails.
    """

    name: str
    proves: str
    run: Callable[[], str]
    required: bool = False


@dataclass(frozen=True)
class Proof:
    """Steps that build and check, and steps that remove. `left` says what still exists after them."""

    steps: Sequence[Step]
    removal: Sequence[Step]
    left: Callable[[], Sequence[str]]


def prove(proof: Proof, record: Record, clock: Clock, progress: Progress, save: Callable[[], None]) -> None:
    """Run all steps and write what they find into the record, which is saved after each of them.

    A failed check does not stop the others. After a failed required step, or Ctrl-C, the rest is skipped. The removal
    always runs, and each of its steps, whatever the one before found.
    """
    try:
        _run_all(proof.steps, record, clock, progress, save)
    except KeyboardInterrupt:
        record.interrupted = True
        progress("interrupted: the environment is destroyed now. Press Ctrl-C again to leave it")
    try:
        for step in proof.removal:
            _run(step, record, clock, progress)
            save()
        record.left = list(proof.left())
    except KeyboardInterrupt:
        record.interrupted = True
        record.left = [f"possibly everything of {record.environment}: the removal was interrupted"]
    except Exception as error:
        record.left = [f"not known, because it could not be listed: {_reason(error)}"]
    save()


def _run_all(steps: Sequence[Step], record: Record, clock: Clock, progress: Progress, save: Callable[[], None]) -> None:
    broken = ""
    for step in steps:
        if broken:
            record.steps.append(StepResult(step.name, step.proves, "skip", f"the step {broken!r} failed", 0.0))
            continue
        passed = _run(step, record, clock, progress)
        save()
        if step.required and not passed:
            broken = step.name


def _run(step: Step, record: Record, clock: Clock, progress: Progress) -> bool:
    progress(step.name)
    start = clock.now()
    status: Status = "fail"
    evidence = "interrupted"
    try:
        evidence = step.run()
        status = "pass"
    except Exception as error:
        evidence = _reason(error)
    finally:
        record.steps.append(StepResult(step.name, step.proves, status, evidence, round(clock.now() - start, 1)))
    progress(f"{step.name}: {status}: {evidence}")
    return status == "pass"


def _reason(error: Exception) -> str:
    known = explain(error)
    if known is None:
        return f"{type(error).__name__}: {first_line(error)}"
    return " ".join([known.message, *known.details])
