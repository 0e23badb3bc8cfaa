"""What a role's policy must allow and deny, judged by localaws's own evaluator."""

from collections.abc import Iterator
from dataclasses import dataclass

from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.policy import Policy
from localaws.iam.request import Principal, Request
from tests.policy.guards import mutants
from tests.policy.judging import USUAL, Ask
from tests.policy.rendered import Document
from tests.policy.scenarios import ACCOUNT


@dataclass(frozen=True)
class RolePolicy:
    """What the only policy of a role must allow and deny.

    Attributes:
        name: its name in `Rendered.documents`.
        plan: the variation that has it.
    """

    name: str
    needed: tuple[Ask, ...]
    refused: tuple[Ask, ...]
    plan: str = "isolated"

    @property
    def id(self) -> str:
        """For the names of tests."""
        name = self.name.removeprefix("role churn-dev-").removeprefix("policy ").replace("/", "-")
        return name if self.plan == "isolated" else f"{name}-{self.plan}"

    def wrong(self, document: Document) -> Iterator[str]:
        """The questions that a document answers wrongly."""
        policy = Policy.parse("policy", document)
        yield from (f"denied: {ask}" for ask in self.needed if not _allows(policy, ask))
        yield from (f"allowed: {ask}" for ask in self.refused if _allows(policy, ask))

    def unnoticed(self, document: Document) -> list[str]:
        """The changes of a document, each of which removes or widens a part, that none of the questions notices."""
        changed = dict(mutants(document))
        assert len(changed) > len(document["Statement"])
        return [name for name, mutant in changed.items() if not any(self.wrong(mutant))]


def _allows(policy: Policy, ask: Ask) -> bool:
    context = {**USUAL, **ask.context}
    request = Request(
        Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/job/now"),
        ask.action,
        ask.resource,
        ACCOUNT,
        {key: value for key, value in context.items() if value is not None},
    )
    return evaluate(request, Policies(identity=(policy,))).allowed


def asked(context: dict[str, str | None], resource: str, *actions: str) -> tuple[Ask, ...]:
    """Questions with the same context."""
    return tuple(Ask(action, resource, context) for action in actions)
