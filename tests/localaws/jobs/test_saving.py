"""Jobs and executions are saved as JSON. What ran when localaws stopped has failed, with the reason."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localaws.jobs.jobs import INTERRUPTED, Jobs
from localaws.jobs.record import PROCESSING, TRAINING, Job
from localaws.pipelines import executions
from localaws.pipelines.executions import Executions
from localaws.pipelines.record import Execution, StepRun
from tests.support.running import settings_of


def make_jobs(folder: Path) -> Jobs:
    nothing: Any = None
    return Jobs(settings_of(folder, 1), nothing, nothing, nothing, {})


def record(job: Job) -> dict[str, Any]:
    """As `Jobs.saved` returns it."""
    details = json.loads(json.dumps({name: value for name, value in job.details.items() if isinstance(value, str)}))
    return {"kind": job.kind.noun, "region": job.region, "given": job.given, "details": details, "tags": job.tags}


@pytest.mark.parametrize("kind", [PROCESSING, TRAINING])
def test_a_job_that_ran_fails_when_it_is_loaded(tmp_path: Path, kind: Any) -> None:
    job = Job.create(kind, "us-east-1", "123456789012", {f"{kind.noun}Name": "j", "Tags": [{"Key": "a", "Value": "b"}]})
    jobs = make_jobs(tmp_path)
    jobs.load([record(job)])
    again = make_jobs(tmp_path)
    again.load(json.loads(json.dumps(jobs.saved())))
    found = again.find(kind, "us-east-1", "j")
    assert found.done.is_set()
    assert (found.status, found.details["FailureReason"]) == ("Failed", INTERRUPTED)
    assert isinstance(found.details[kind.end], datetime)
    assert found.tags == [{"Key": "a", "Value": "b"}]


def test_an_execution_that_ran_fails_when_it_is_loaded(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    done = StepRun({"StepName": "a", "StepStatus": "Succeeded", "StartTime": now, "EndTime": now}, {"X": 1}, "key")
    execution = Execution(
        arn="arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/e",
        pipeline="arn:aws:sagemaker:us-east-1:123456789012:pipeline/p",
        role="r",
        text="{}",
        values={"n": 1},
        given=[],
        parallelism=1,
        token="t" * 32,
        details={"PipelineExecutionStatus": "Executing", "CreationTime": now},
        steps={"a": done, "b": StepRun({"StepName": "b", "StepStatus": "Executing", "StartTime": now})},
    )
    first = Executions(make_jobs(tmp_path), 1)
    first.add(execution)
    text = json.dumps(first.saved())
    second = Executions(make_jobs(tmp_path), 1)
    second.load(json.loads(text))
    (found,) = second.of(execution.pipeline)
    assert (found.status, found.details["FailureReason"]) == ("Failed", executions.INTERRUPTED)
    assert (found.steps["a"].status, found.steps["a"].properties, found.steps["a"].key) == (
        "Succeeded",
        {"X": 1},
        "key",
    )
    assert found.steps["a"].shown["EndTime"] == now
    assert (found.steps["b"].status, found.steps["b"].shown["FailureReason"]) == ("Failed", executions.INTERRUPTED)
