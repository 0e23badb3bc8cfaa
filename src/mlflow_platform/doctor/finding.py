"""The result of one check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: the check's name, such as "tracking server".
        status: `skip` says that the check does not apply, or could not run because an earlier one failed.
        detail: what was seen, and what it means.
        repair: the command or step that repairs it; empty unless the status is `warn` or `fail`.
    """

    check: str
    status: Status
    detail: str
    repair: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """What a check reports: a finding without the check's name."""

    status: Status
    detail: str
    repair: str = ""

    def of(self, check: str) -> Finding:
        """The finding of the check with that name."""
        return Finding(check, self.status, self.detail, self.repair)


def passed(detail: str) -> Verdict:
    """The check found nothing wrong."""
    return Verdict("pass", detail)


def warned(detail: str, repair: str) -> Verdict:
    """Something needs attention, but works."""
    return Verdict("warn", detail, repair)


def failed(detail: str, repair: str) -> Verdict:
    """Something does not work, or is not as Terraform deployed it."""
    return Verdict("fail", detail, repair)


def skipped(detail: str) -> Verdict:
    """The check does not apply to this environment."""
    return Verdict("skip", detail)
