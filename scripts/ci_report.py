"""Report a reviewed Terraform plan: as a comment on a pull request, as an issue about drift, as GitLab's report."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, as_json, make_app, run
from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.ci import report
from mlflow_platform.ci.github import GitHub

app = make_app("Report a reviewed Terraform plan to GitHub or GitLab. Writing to GitHub needs `gh` and GH_TOKEN.")

ReviewFile = Annotated[Path, typer.Option("--review", metavar="FILE", help="The output of `plan_guard.py --json`.")]
PlanFile = Annotated[Path, typer.Option("--plan", metavar="FILE", help="The output of `terraform show -no-color`.")]
Repository = Annotated[
    str, typer.Option(envvar="GITHUB_REPOSITORY", metavar="OWNER/NAME", help="The repository on GitHub.")
]
RunUrl = Annotated[str, typer.Option(metavar="URL", help="The workflow's run, to link to.")]


@app.command()
def comment(
    review: ReviewFile,
    plan: PlanFile,
    env: Env = "staging",
    pull_request: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="Write the comment on this pull request.")
    ] = None,
    repository: Repository = "",
    run_url: RunUrl = "",
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Write the plan as the one comment of its environment on a pull request; without --pull-request, print it."""
    text = report.plan_comment(env, _review(review), _text(plan), run_url)
    if pull_request is None:
        typer.echo(text)
        return
    done = GitHub(_checked(repository), _gh).comment(pull_request, report.marker("plan", env), text)
    Console(as_json=as_json).result({"comment": done, "pull_request": pull_request})


@app.command()
def drift(
    review: ReviewFile,
    plan: PlanFile,
    env: Env = "staging",
    repository: Repository = "",
    run_url: RunUrl = "",
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Open or update the environment's issue about drift, or close it if the plan changes nothing.

    The exit status is 1 if there is drift.
    """
    found, marker = _review(review), report.marker("drift", env)
    github, console = GitHub(_checked(repository), _gh), Console(as_json=as_json)
    if not found["changes"]:
        console.result({"drift": False, "closed_issues": github.close_issues(marker)})
        return
    body = report.drift_issue(env, found, _text(plan), run_url)
    done = github.open_issue(marker, f"{env} differs from the code: {report.summary(found)}", body)
    console.result({"drift": True, "issue": done})
    raise typer.Exit(1)


@app.command()
def gitlab(review: ReviewFile, debug: Debug = False) -> None:  # noqa: ARG001 read by `run`
    """Print GitLab's Terraform report, which a merge request shows: how many resources the plan changes."""
    typer.echo(as_json(report.gitlab_report(_review(review))))


def _review(file: Path) -> report.Review:
    try:
        return report.checked(json.loads(_text(file)))
    except (ValueError, RecursionError):
        raise InputError(f"{file} is not JSON. Give the output of `plan_guard.py --json`.") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({error}). Name an existing file.") from None


def _checked(repository: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise InputError(f"--repository takes OWNER/NAME, not {repository!r}.")
    return repository


def _gh(arguments: Sequence[str], content: str) -> str:
    try:
        done = subprocess.run(["gh", *arguments], input=content, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PreconditionError("gh is not installed. Install GitHub's CLI, or print the comment instead.") from None
    if done.returncode != 0:
        reason = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise PlatformError(f"GitHub refused the call ({reason}). Check GH_TOKEN and the job's permissions.")
    return done.stdout


if __name__ == "__main__":
    run(app)
