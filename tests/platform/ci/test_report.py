"""The texts about a plan: what they say, and that nothing in a plan can break or outgrow them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.ci import report
from mlflow_platform.ci.github import GitHub
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.plan_guard.review import review as reviewed_plan
from scripts import ci_report

MARKER = report.marker("plan", "staging")
COST = {
    "currency": "USD",
    "always": 1468.66,
    "scheduled": 512.5,
    "schedule_planned": True,
    "not_priced": ["requests"],
}


def change(action: str, address: str = "aws_s3_bucket.a", *attributes: str) -> dict[str, Any]:
    return {"action": action, "address": address, "name": address, "attributes": list(attributes)}


def review(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "changes": list(changes),
        "warnings": [],
        "refused": None,
        "monthly_cost": COST,
        "lost": [],
        "confirmed": [],
        **more,
    }


def test_the_comment_names_the_losses_that_were_confirmed() -> None:
    text = report.plan_comment("prod", review(change("delete"), confirmed=["mlflow-prod-3-0"]), "")
    assert "The plan guard allows it because CONFIRM names it: mlflow-prod-3-0." in text
    assert "deletes no tracking server" not in text


def test_the_comment_says_what_changes_what_it_costs_and_what_the_guard_says() -> None:
    found = review(change("create"), change("update", "module.m.aws_sns_topic.t[0]", "name", "tags"))
    text = report.plan_comment("staging", found, "Terraform will perform…", "https://github.com/a/b/actions/runs/1")
    assert text.startswith(f"{MARKER}\n### Plan of `staging`: 1 to create, 1 to update\n")
    assert "The plan guard allows this plan" in text
    assert "1,468.66 USD, without requests." in text
    assert "On the planned schedule: 512.50 USD." in text
    assert "| ~ update | `module.m.aws_sns_topic.t[0]` | `name`, `tags` |" in text
    assert "```diff\nTerraform will perform…\n```" in text
    assert "(https://github.com/a/b/actions/runs/1)" in text


def test_a_refusal_is_the_first_thing_that_the_comment_says() -> None:
    text = report.plan_comment("prod", review(change("delete"), refused="it deletes bucket a."), "")
    assert "**The plan guard refuses this plan.** it deletes bucket a." in text
    assert "allows" not in text


def test_a_plan_without_changes_and_prices_says_so() -> None:
    text = report.plan_comment("staging", review(monthly_cost=None), "No changes.")
    assert "no changes" in text
    assert "Monthly cost: not known." in text
    assert "| Resource |" not in text


def test_text_in_a_plan_is_not_markdown() -> None:
    hostile = "````\n</details>\n@everybody\n"
    text = report.plan_comment("staging", review(change("create", "a|`b"), warnings=["see @acme <b>"]), hostile)
    assert f"`````diff\n{hostile}\n`````" in text
    assert "`a\\|'b`" in text
    assert "see &#64;acme &#60;b&#62;" in text


def test_the_plan_in_a_comment_is_no_command_of_a_log() -> None:
    """GitLab's job prints the comment."""
    comment = report.plan_comment("staging", review(), "tags = <<-EOT\n  ::add-mask::e\n\x1b[0Ksection_end:1:x\r")
    assert "tags = <<-EOT\n" in comment
    assert "  :\\x3aadd-mask::e\n\\x1b[0Ksection_end:1:x\\r\n" in comment


@pytest.mark.parametrize("changes", [1, 5000])
def test_a_comment_is_within_githubs_limit_and_says_that_it_is_cut(changes: int) -> None:
    found = review(*(change("create", f"aws_s3_bucket.number{number}") for number in range(changes)))
    text = report.plan_comment("staging", found, "x" * 200_000)
    assert len(text) <= report.LIMIT
    assert "(cut: the log of the workflow has the rest)" in text
    assert f"{changes} to create" in text


def test_gitlab_counts_a_replacement_as_a_creation_and_a_deletion() -> None:
    found = review(change("create"), change("replace"), change("update"), change("delete"), change("forget"))
    assert report.gitlab_report(found) == {"create": 2, "update": 1, "delete": 2}


def test_the_review_of_the_plan_guard_is_accepted() -> None:
    plan = TerraformPlan.parse(json.dumps({"planned_values": {}}))
    made = reviewed_plan(plan, EnvironmentRef("staging"), set(), None, Path())
    assert report.summary(report.checked(json.loads(json.dumps(made.as_json)))) == "no changes"


_EMPTY: dict[str, Any] = {"changes": [], "warnings": [], "refused": None, "confirmed": [], "monthly_cost": None}


@pytest.mark.parametrize(
    "content",
    [
        *([], {}, {"changes": []}, "text", _EMPTY | {"changes": None}, _EMPTY | {"changes": [{}]}),
        *(_EMPTY | {"warnings": 3}, _EMPTY | {"monthly_cost": {}}, _EMPTY | {"monthly_cost": []}),
        _EMPTY | {"changes": [{"action": [], "address": "a", "attributes": []}]},
    ],
)
def test_other_json_is_refused(content: Any) -> None:
    with pytest.raises(InputError, match=r"not the output of `plan_guard.py --json`"):
        report.checked(content)


class FakeGitHub:
    """A `gh` that answers with these objects and keeps what it is told to write."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = list(found)
        self.written: list[tuple[str, str, Any]] = []

    def __call__(self, arguments: Sequence[str], content: str) -> str:
        if "--slurp" in arguments:
            # Two pages.
            return json.dumps([self.found[:1], self.found[1:]])
        self.written.append((arguments[2], arguments[3], json.loads(content)))
        return "{}"


def own(number: int, marker: str = MARKER, kind: str = "Bot", **more: Any) -> dict[str, Any]:
    return {"id": number, "number": number, "body": f"{marker}\nold", "user": {"type": kind}, **more}


def test_the_first_comment_is_created_and_the_next_updates_it() -> None:
    gh = FakeGitHub(own(1, report.marker("plan", "prod")), own(2, kind="User"))
    assert GitHub("acme/ml", gh).comment(7, MARKER, "new") == "created"
    assert gh.written == [("POST", "repos/acme/ml/issues/7/comments", {"body": "new"})]

    gh = FakeGitHub(own(1, report.marker("plan", "prod")), own(3))
    assert GitHub("acme/ml", gh).comment(7, MARKER, "new") == "updated"
    assert gh.written == [("PATCH", "repos/acme/ml/issues/comments/3", {"body": "new"})]


def test_drift_has_one_issue_which_is_updated_and_closed() -> None:
    gh = FakeGitHub(own(1, pull_request={}), own(4))
    github = GitHub("acme/ml", gh)
    assert github.open_issue(MARKER, "title", "new") == "updated"
    assert github.close_issues(MARKER) == 1
    assert gh.written == [
        ("PATCH", "repos/acme/ml/issues/4", {"title": "title", "body": "new"}),
        ("PATCH", "repos/acme/ml/issues/4", {"state": "closed", "state_reason": "completed"}),
    ]
    assert GitHub("acme/ml", FakeGitHub()).open_issue(MARKER, "title", "new") == "created"
    assert GitHub("acme/ml", FakeGitHub()).close_issues(MARKER) == 0


def test_an_answer_that_is_not_json_is_an_error() -> None:
    with pytest.raises(PlatformError, match="did not answer with JSON"):
        GitHub("acme/ml", lambda *_: "<html>").comment(7, MARKER, "new")


@pytest.mark.parametrize(("changes", "status"), [((), 0), ((change("update"),), 1)])
def test_drift_is_an_exit_status(
    changes: tuple[dict[str, Any], ...], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gh = FakeGitHub()
    monkeypatch.setattr(ci_report, "_gh", gh)
    (tmp_path / "review.json").write_text(json.dumps(review(*changes)))
    (tmp_path / "plan.txt").write_text("the plan")
    options = ["--review", str(tmp_path / "review.json"), "--plan", str(tmp_path / "plan.txt")]
    with pytest.raises(SystemExit) as ended:
        ci_report.app(["drift", *options, "--repository", "acme/ml"])
    assert ended.value.code == status
    assert [method for method, _, _ in gh.written] == ["POST"] * status
