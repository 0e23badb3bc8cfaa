"""Evaluates the expectations: needed permissions, denied permissions, and the granted actions."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from localaws.iam.evaluate import Decision
from localaws.iam.policy import texts
from tests.localaws.iam.reference import actions, knows
from tests.policy.asking import KEY, THROUGH_S3, Denied, Documented
from tests.policy.demo_calls import Recording, asks
from tests.policy.expectations import DENIED, DOCUMENTED, WALKS
from tests.policy.judging import Ask, has, holders, judge, names, subject_statements
from tests.policy.rendered import Document, Rendered

ROLE = re.compile(r"\{(\w+_role)\}")
EVERYBODY = {*WALKS, *(row.subject for row in (*DOCUMENTED, *DENIED))}  # type: ignore[attr-defined]
WRITES, READS = "s3:PutObject", "s3:GetObject"


@dataclass(frozen=True)
class Judged:
    """A request and the decision on it. `title` describes a denied request; `source` says why a request is needed."""

    subject: str
    ask: Ask
    decision: Decision
    title: str = ""
    source: str = ""

    def __str__(self) -> str:
        outcome = "allowed" if self.decision.allowed else "denied"
        return f"{self.subject}: {self.ask.action} on {self.ask.resource} {dict(self.ask.context)} is {outcome}"


def needed(environment: Rendered, recording: Recording, of: Container[str] = EVERYBODY) -> Iterator[Judged]:
    """All permissions that a subject needs: those of the recorded calls, and those that AWS documents."""
    for subject, walks in WALKS.items():
        if subject in of and has(environment, subject):
            for ask in [*asks(recording, walks), *_through_the_key(environment, asks(recording, walks))]:
                yield Judged(subject, ask, judge(environment, subject, ask), source="recorded")
    for row in DOCUMENTED:
        if row.subject in of and _concerns(row, environment):
            for ask in row.asks:
                yield Judged(row.subject, ask, judge(environment, row.subject, ask), source=row.source)


def refused(environment: Rendered, of: Container[str] = EVERYBODY) -> Iterator[Judged]:
    """All permissions that a subject must not have."""
    for row in DENIED:
        if row.subject in of and _concerns(row, environment):
            for ask in row.asks:
                yield Judged(row.subject, ask, judge(environment, row.subject, ask), title=row.title)


def _concerns(row: Denied | Documented, environment: Rendered) -> bool:
    """Whether a row applies to a plan."""
    if not has(environment, row.subject) or (row.with_key and environment.key is None):
        return False
    if any(role not in names(environment) for ask in row.asks for role in ROLE.findall(ask.resource)):
        return False
    return not row.with_key_policy or environment.key in environment.resources


def failures(environment: Rendered, recording: Recording, changed: Document) -> Iterator[str]:
    """The expectations that an environment's policies no longer meet after one of them was changed.

    A change of a subject's own policy affects only that subject; a change of a resource's policy affects all.
    """
    of = holders(environment, changed) or EVERYBODY
    yield from (str(judged) for judged in needed(environment, recording, of) if not judged.decision.allowed)
    yield from (str(judged) for judged in refused(environment, of) if judged.decision.allowed)


def granted(environment: Rendered, subject: str) -> set[str]:
    """Every action of AWS that a subject's own policies allow on at least one resource."""
    found = set()
    for statement in subject_statements(environment, subject):
        if statement["Effect"] != "Allow":
            continue
        resources = [one for pattern in texts(statement["Resource"]) for one in _examples_of(pattern)]
        for pattern in texts(statement["Action"]):
            for action in actions(pattern.partition(":")[0]):
                if fnmatchcase(action.lower(), pattern.lower()) and any(knows(action, one) for one in resources):
                    found.add(action)
    return found


def _examples_of(pattern: str) -> list[str]:
    """Resources that match a pattern, one for each form of a name."""
    return ["*"] if pattern == "*" else [pattern.replace("*", name) for name in ("x", "x/x", "x:log-stream:x")]


def _through_the_key(environment: Rendered, walked: list[Ask]) -> Iterator[Ask]:
    """The permissions on a customer managed key: S3 uses the bucket's key with the rights of the caller."""
    if environment.key is None:
        return
    bucket = f"arn:aws:s3:::{names(environment)['bucket']}/"
    touched = {ask.action for ask in walked if ask.resource.format(**names(environment)).startswith(bucket)}
    if WRITES in touched:
        yield Ask("kms:GenerateDataKey", KEY, THROUGH_S3)
    if READS in touched:
        yield Ask("kms:Decrypt", KEY, THROUGH_S3)
