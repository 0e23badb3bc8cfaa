"""Texts about a reviewed plan, in Markdown, and the counts that GitLab shows in a merge request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow_common.console import printable
from mlflow_common.errors import InputError

# GitHub refuses comments and issues with more characters: https://github.com/orgs/community/discussions/27190
LIMIT = 65_536
_CUT = "\n… (cut: the log of the workflow has the rest)\n"
# What GitLab counts, by the actions of the plan guard's review.
_GITLAB = {"create": ("create",), "update": ("update",), "replace": ("create", "delete"), "delete": ("delete",)}
_SIGNS = {"create": "+", "update": "~", "replace": "!", "delete": "-", "forget": "x"}

# The output of `plan_guard.py --json`.
Review = Mapping[str, Any]


def marker(kind: str, environment: str) -> str:
    """An invisible line that tells CI's comments and issues apart, so that the next run updates its own."""
    return f"<!-- mlflow-platform {kind} {environment} -->"


def checked(review: Any) -> Review:
    """The review, if it is one.

    Raises:
        InputError: it is not the output of `plan_guard.py --json`.
    """
    try:
        # All texts are made of the same parts: what one of them needs must be there, in its type.
        plan_comment("", review, "")
        gitlab_report(review)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise InputError("this is not the output of `plan_guard.py --json`. Give that file as REVIEW.") from None
    return dict(review)


def plan_comment(environment: str, review: Review, plan: str, run_url: str = "") -> str:
    """The comment on a pull request: verdict, counts, cost, the changes as a table, and Terraform's own text.

    Args:
        plan: the output of `terraform show -no-color`.
        run_url: the workflow's run.
    """
    lines = [marker("plan", environment), f"### Plan of `{environment}`: {summary(review)}", ""]
    lines += [*_verdict(review), *_cost(review), *_changes(review)]
    end = [*([f"[Workflow run]({run_url})"] if run_url else []), ""]
    return _with_plan(lines, plan, end)


def drift_issue(environment: str, review: Review, plan: str, run_url: str = "") -> str:
    """The body of the issue that says that an environment differs from the code."""
    lines = [
        marker("drift", environment),
        f"`{environment}` differs from the code of the branch: {summary(review)}.",
        "",
        "Either someone changed it outside of Terraform, or a change was merged and not applied. To restore what the "
        f"code says, run `make apply ENV={environment}`; to keep the change, put it into the code. The next check "
        "without a difference closes this issue.",
        "",
        *_verdict(review),
        *_changes(review),
    ]
    return _with_plan(lines, plan, [*([f"[Workflow run]({run_url})"] if run_url else []), ""])


def gitlab_report(review: Review) -> dict[str, int]:
    """GitLab's Terraform report: https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsterraform."""
    counted = Counter(kind for change in review["changes"] for kind in _GITLAB.get(change["action"], ()))
    return {kind: counted[kind] for kind in ("create", "update", "delete")}


def summary(review: Review) -> str:
    """How many resources the plan creates, changes and deletes, such as "3 to create, 1 to update"."""
    counted = Counter(change["action"] for change in review["changes"])
    return ", ".join(f"{counted[action]} to {action}" for action in _SIGNS if counted[action]) or "no changes"


def _verdict(review: Review) -> Iterator[str]:
    if review["refused"]:
        yield f"**The plan guard refuses this plan.** {_inline(review['refused'])}"
    elif review["confirmed"]:
        names = ", ".join(map(_inline, review["confirmed"]))
        yield f"**This plan deletes or replaces data.** The plan guard allows it because CONFIRM names it: {names}."
    elif review["changes"]:
        yield "The plan guard allows this plan: it deletes no tracking server, MLflow App, bucket or key."
    yield from (f"- Warning: {_inline(warning)}" for warning in review["warnings"])
    yield ""


def _cost(review: Review) -> Iterator[str]:
    cost = review["monthly_cost"]
    if cost is None:
        yield "Monthly cost: not known."
    else:
        unknown = f", without {', '.join(map(_inline, cost['not_priced']))}" if cost["not_priced"] else ""
        yield f"Monthly cost, always running: {cost['always']:,.2f} {cost['currency']}{unknown}."
        if cost["schedule_planned"] and cost["scheduled"] is not None:
            yield f"On the planned schedule: {cost['scheduled']:,.2f} {cost['currency']}."
    yield ""


def _changes(review: Review) -> Iterator[str]:
    if not review["changes"]:
        return
    yield "| | Resource | Attributes |"
    yield "| --- | --- | --- |"
    for change in review["changes"]:
        attributes = ", ".join(_code(name) for name in change["attributes"])
        yield f"| {_SIGNS.get(change['action'], '?')} {change['action']} | {_code(change['address'])} | {attributes} |"
    yield ""


def _with_plan(lines: list[str], plan: str, end: list[str]) -> str:
    """The lines with the plan's text in a block that its own text cannot end, within GitHub's limit.

    GitLab's job prints the comment into its log: no line of the plan may be a command of a log.
    """
    plan = "\n".join(map(printable, plan.split("\n")))
    fence = "`" * max([3, *(len(found) + 1 for found in re.findall("`+", plan))])
    before = "\n".join([*lines, "<details><summary>Terraform's plan</summary>", "", f"{fence}diff", ""])
    after = "\n".join(["", fence, "", "</details>", "", *end])
    room = LIMIT - len(before) - len(after) - len(_CUT)
    if room < 0:
        # Thousands of changes: the verdict and the counts come first, and the rest is cut.
        return before[: LIMIT - len(_CUT)] + _CUT
    return before + (plan if len(plan) <= room else plan[:room] + _CUT) + after


def _inline(text: str) -> str:
    """A message as one line, in which nothing is a mention, a link or HTML."""
    return re.sub(r"[\\`*_<>\[\]|@#]", lambda found: f"&#{ord(found[0])};", printable(" ".join(str(text).split())))


def _code(text: str) -> str:
    """A name as code in a cell of a table."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"
