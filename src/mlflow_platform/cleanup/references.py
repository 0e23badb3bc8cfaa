"""What must not be deleted, because a registered model version or a SageMaker model refers to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_RUN = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_MODEL = re.compile(r"(?<![0-9a-z])m-[0-9a-f]{32}(?![0-9a-f])")


@dataclass
class References:
    """Reasons to keep something, by the id of a run or a logged model.

    URIs are reduced to the ids in them: `models:/m-ID`, `runs:/ID/model`, `s3://BUCKET/1/ID/artifacts/model`. So a
    reason applies wherever the id appears, which keeps too much rather than too little.
    """

    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, *texts: str | None) -> None:
        """Protect every run and logged model that is named in one of the texts. The first reason for an id stays."""
        for text in filter(None, texts):
            # An id of a model contains 32 hexadecimal digits, too, which name no run.
            for found in (*_MODEL.findall(text), *_RUN.findall(_MODEL.sub(" ", text))):
                self.reasons.setdefault(found, reason)

    def reason(self, ids: Iterable[str]) -> str | None:
        """The reason to keep something that has one of these ids; None if there is none."""
        return next((self.reasons[one] for one in ids if one in self.reasons), None)
