"""Batch predictions: requests in the signature's types, one job for equal inputs, rows joined with predictions."""

import csv
import io
import json
import math
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlflow_common.errors import InputError
from mlflow_platform.batch import inputs, outputs
from mlflow_platform.batch.job import Batches, Job
from mlflow_platform.batch.outputs import Joined
from mlflow_platform.endpoints.creation import ensure_model
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.endpoints.specification import EndpointSpec
from mlflow_platform.environment import Environment
from mlflow_platform.validation.signature import Signature
from tests.platform.conftest import BUCKET, FakeClock
from tests.platform.interference import Call, Interference, attempt, failed, lost, repeated, unreachable
from tests.platform.validation.support import columns

CSV = "zip,n\n02134,1\n00501,2\n10001,3\n"
SIGNATURE = columns(zip="string", n="long")
STORE = f"s3://{BUCKET}"


@pytest.fixture
def spec(clients: Clients, environment: Environment) -> EndpointSpec:
    found = EndpointSpec(
        endpoint="mlflow-staging-zips-batch",
        archive_uri=f"{STORE}/endpoints/mlflow-staging-zips-batch/0/model.tar.gz",
        image="image",
        role=environment.endpoint_role,
        instance_type="ml.m5.large",
        instance_count=1,
        tags=environment.tags,
    )
    ensure_model(clients.sagemaker, found)
    return found


def parts_of(
    clients: Clients,
    text: str = CSV,
    *,
    in_request: int = 2,
    in_part: int = 2,
    signature: Signature = SIGNATURE,
    notes: list[str] | None = None,
) -> list[inputs.Part]:
    clients.s3.put_object(Bucket=BUCKET, Key="data/rows.csv", Body=text.encode())
    tables = inputs.read(clients.s3, f"{STORE}/data/rows.csv", print)
    noted = [] if notes is None else notes
    return list(inputs.parts(tables, signature, in_request=in_request, in_part=in_part, progress=noted.append))


def run(clients: Clients, spec: EndpointSpec, parts: list[inputs.Part], messages: list[str] | None = None) -> Job:
    messages = [] if messages is None else messages
    return Batches(clients.sagemaker, clients.s3, progress=messages.append, clock=FakeClock()).run(spec, parts, STORE)


def answer(clients: Clients, job: Job, part: inputs.Part, *answers: list[Any]) -> None:
    lines = "".join(json.dumps({"predictions": one}) + "\n" for one in answers)
    key = f"{job.outputs}/{part.name}.out".removeprefix(f"{STORE}/")
    clients.s3.put_object(Bucket=BUCKET, Key=key, Body=lines.encode())


def test_every_line_of_an_input_is_a_request_in_the_types_of_the_signature(clients: Clients) -> None:
    first, second = parts_of(clients)
    (line,) = first.body.splitlines()
    assert json.loads(line) == {"dataframe_split": {"columns": ["zip", "n"], "data": [["02134", 1], ["00501", 2]]}}
    assert (first.first, first.last, second.first, second.last) == (1, 2, 3, 3)
    (whole,) = parts_of(clients, in_request=1, in_part=10)
    assert len(whole.body.splitlines()) == 3


def test_rows_that_lack_an_optional_column_keep_their_place(clients: Clients, spec: EndpointSpec) -> None:
    """They are sent in requests of their own. Many paste the predictions beside their rows."""
    parts = parts_of(clients, "zip,n\na,1\nb,\nc,3\nd,\ne,5\n", signature=columns(zip="string", n="long?"))
    job = run(clients, spec, parts)
    answer(clients, job, parts[0], ["A", "C"])
    answer(clients, job, parts[1], ["B", "D"])
    joined = outputs.join(clients.s3, job.outputs, parts)
    assert [(number, values["zip"], found) for _, number, values, found in joined.rows] == [
        (1, "a", "A"),
        (2, "b", "B"),
        (3, "c", "C"),
        (4, "d", "D"),
    ]
    assert joined.failures == ["rows 5 to 5 of rows.csv have no predictions"]
    assert outputs.join(clients.s3, f"{job.root}/none", parts).failures[0].startswith("2 of the rows 1 to 3 of")


def test_what_the_model_does_not_get_is_noted(clients: Clients) -> None:
    notes: list[str] = []
    parts_of(clients, "zip,n,old\na,1,2\n", notes=notes)
    parts_of(clients, signature=Signature(), notes=notes)
    parts_of(clients, notes=notes)
    assert notes == [
        "note: columns that the model does not take are left out: old",
        "note: the model has no signature, so the types of the columns are guessed from the data",
    ]


def test_a_job_sends_one_line_at_a_time(clients: Clients, spec: EndpointSpec) -> None:
    requests: list[dict[str, Any]] = []
    event = "provide-client-params.sagemaker.CreateTransformJob"
    clients.sagemaker.meta.events.register(event, lambda params, **_: requests.append(dict(params)))
    parts = parts_of(clients)
    job = run(clients, spec, parts)
    (request,) = requests
    assert (request["BatchStrategy"], request["TransformInput"]["SplitType"]) == ("SingleRecord", "Line")
    assert request["MaxConcurrentTransforms"] * request["MaxPayloadInMB"] <= 100
    assert request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == f"{job.root}/in/"
    body = clients.s3.get_object(Bucket=BUCKET, Key=f"batch/{job.name}/in/{parts[0].name}")["Body"].read()
    assert body == parts[0].body
    assert job.name.startswith("mlflow-staging-zips-batch-")


def test_the_same_inputs_use_the_job_that_exists(clients: Clients, spec: EndpointSpec) -> None:
    parts = parts_of(clients)
    job = run(clients, spec, parts)
    answer(clients, job, parts[0], ["a", "b"])
    messages: list[str] = []
    assert run(clients, spec, parts_of(clients), messages).name == job.name
    assert f"the transform job {job.name} exists already" in messages
    assert run(clients, spec, parts_of(clients, CSV + "1,4\n")).name != job.name
    assert len(clients.sagemaker.list_transform_jobs()["TransformJobSummaries"]) == 2


def test_the_same_rows_in_other_objects_are_another_job(clients: Clients, spec: EndpointSpec) -> None:
    """The outputs of the first job have other names and other numbers of rows."""
    first, second = parts_of(clients, in_request=1, in_part=1), parts_of(clients, in_request=1, in_part=3)
    assert b"".join(part.body for part in first) == b"".join(part.body for part in second)
    assert run(clients, spec, first).name != run(clients, spec, second).name


def test_a_job_whose_outputs_were_deleted_is_followed_by_another_attempt(clients: Clients, spec: EndpointSpec) -> None:
    parts, messages = parts_of(clients), list[str]()
    job = run(clients, spec, parts)
    assert job.status == "Completed"
    assert run(clients, spec, parts, messages).name == f"{job.name.removesuffix('-1')}-2"
    assert f"the outputs of the transform job {job.name} were deleted, so there will be another attempt" in messages


@pytest.mark.parametrize("how", [repeated, lost, unreachable, failed])
def test_a_job_is_started_once_whatever_call_has_a_fault(
    how: Callable[[Call], Any],
    clients: Clients,
    spec: EndpointSpec,
    interference: Interference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # moto's jobs are completed at once, and write nothing.
    monkeypatch.setattr(Batches, "_has_outputs", lambda *_: True)
    struck = []
    for target in range(20):
        clients.sagemaker.delete_model(ModelName=spec.model_name)
        # Other rows, so another job.
        parts = parts_of(clients, CSV + f"1,{target}\n")

        def work(parts: list[inputs.Part] = parts) -> None:
            ensure_model(clients.sagemaker, spec)
            run(clients, spec, parts)

        interference.arm(target, how)
        attempt(work, interference, how)
        struck.append(interference.struck)
        interference.arm(None)
        work()
        jobs = clients.sagemaker.list_transform_jobs(MaxResults=100)["TransformJobSummaries"]
        assert len(jobs) == target + 1, struck
        if not struck[-1]:
            break
    assert {"CreateModel", "CreateTransformJob", "PutObject"} <= set(struck)
    assert struck[-1] == "", "the last calls were not tested"


def test_a_failed_job_is_followed_by_another_attempt(
    clients: Clients, spec: EndpointSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(clients, spec, parts_of(clients))
    describe = clients.sagemaker.describe_transform_job

    def failed(TransformJobName: str) -> Any:  # noqa: N803
        found = describe(TransformJobName=TransformJobName)
        return {**found, "TransformJobStatus": "Failed"} if TransformJobName == first.name else found

    monkeypatch.setattr(clients.sagemaker, "describe_transform_job", failed)
    second = run(clients, spec, parts_of(clients))
    assert (first.name[-2:], second.name) == ("-1", f"{first.name[:-1]}2")


def test_rows_are_joined_with_their_predictions(clients: Clients, spec: EndpointSpec, tmp_path: Path) -> None:
    parts = parts_of(clients)
    job = run(clients, spec, parts)
    answer(clients, job, parts[0], ["a", "b"])
    answer(clients, job, parts[1], [[0.25, 0.75]])
    joined = outputs.join(clients.s3, job.outputs, parts)
    assert joined.failures == []
    outputs.write(joined, tmp_path / "out" / "p.csv", several=False)
    with (tmp_path / "out" / "p.csv").open() as file:
        found = list(csv.DictReader(file))
    assert found[0] == {"row": "1", "zip": "02134", "n": "1", "prediction": "a"}
    assert (found[2]["row"], found[2]["prediction"]) == ("3", "[0.25, 0.75]")
    outputs.write(joined, tmp_path / "p.jsonl", several=True)
    last = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[-1])
    assert (last["file"], last["prediction"]) == ("rows.csv", [0.25, 0.75])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_columns_named_as_the_added_ones_are_kept(suffix: str, tmp_path: Path) -> None:
    values = {"row": "x", "prediction": 7, "input.row": "y", "file": "z"}
    outputs.write(Joined([("a.csv", 1, values, "new")], []), tmp_path / f"p{suffix}", several=True)
    text = (tmp_path / f"p{suffix}").read_text()
    (found,) = csv.DictReader(io.StringIO(text)) if suffix == ".csv" else [json.loads(text)]
    assert {name: str(value) for name, value in found.items()} == {
        "file": "a.csv",
        "row": "1",
        "input.input.row": "x",
        "input.row": "y",
        "input.prediction": "7",
        "input.file": "z",
        "prediction": "new",
    }


def test_values_of_a_parquet_file_are_written_as_json_has_them(tmp_path: Path) -> None:
    values = {"bytes": b"\x00\xff", "nan": math.nan, "nested": [{"at": b"a", "of": math.nan}], "day": date(2026, 1, 31)}
    rows = [("a.parquet", 1, values, math.nan)]
    assert Joined([*rows, ("a.parquet", 2, values, 0.5)], []).missing == 1
    outputs.write(Joined(rows, []), tmp_path / "p.jsonl", several=False)
    plain = {"bytes": "AP8=", "nan": None, "nested": [{"at": "YQ==", "of": None}], "day": "2026-01-31"}
    assert json.loads((tmp_path / "p.jsonl").read_text()) == {"row": 1, **plain, "prediction": None}
    outputs.write(Joined(rows, []), tmp_path / "p.csv", several=False)
    (found,) = csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text()))
    assert (found["bytes"], json.loads(found["nested"])) == ("AP8=", [{"at": "YQ==", "of": None}])


def test_infinities_are_written_as_text_that_strict_readers_of_json_take(tmp_path: Path) -> None:
    values = {"x": math.inf, "nested": [{"of": -math.inf}], "decimal": Decimal("Infinity"), "none": Decimal("NaN")}
    rows = [("a.parquet", 1, values, -math.inf), ("a.parquet", 2, {"x": 0.5, "nested": []}, 1.5)]
    assert Joined(rows, []).missing == 0
    outputs.write(Joined(rows, []), tmp_path / "p.jsonl", several=False)
    lines = (tmp_path / "p.jsonl").read_text().splitlines()
    found = json.loads(lines[0], parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    expected = {"x": "Infinity", "nested": [{"of": "-Infinity"}], "decimal": "Infinity", "none": None}
    assert found == {"row": 1, **expected, "prediction": "-Infinity"}
    outputs.write(Joined(rows, []), tmp_path / "p.csv", several=False)
    for table in (pd.read_json(tmp_path / "p.jsonl", lines=True), pd.read_csv(tmp_path / "p.csv")):
        assert table["prediction"].tolist() == [-math.inf, 1.5]
        assert table["x"].tolist() == [math.inf, 0.5]


def test_rows_without_predictions_are_named_and_the_others_are_kept(clients: Clients, spec: EndpointSpec) -> None:
    parts = parts_of(clients, CSV + "1,4\n2,5\n")
    job = run(clients, spec, parts)
    answer(clients, job, parts[1], ["a", "b"])
    answer(clients, job, parts[2], ["c", "d"])
    joined = outputs.join(clients.s3, job.outputs, parts)
    assert [row[1] for row in joined.rows] == [3, 4]
    assert joined.failures == [
        "rows 1 to 2 of rows.csv have no predictions",
        "rows 5 to 5 of rows.csv: the model answers with 2 predictions for 1 rows",
    ]


def test_the_jobs_data_log_has_the_reasons(clients: Clients) -> None:
    group = "/aws/sagemaker/TransformJobs"
    assert outputs.reasons(clients.logs, "job-1") == []
    clients.logs.create_log_group(logGroupName=group)
    for stream, message in (("job-1/i-0", "started"), ("job-1/i-0/data-log", "bad row"), ("job-2/i-0", "other")):
        clients.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        event: Any = {"timestamp": int(time.time() * 1000), "message": message}
        clients.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
    assert outputs.reasons(clients.logs, "job-1") == ["bad row"]


def test_all_data_files_below_a_prefix_are_read(clients: Clients) -> None:
    for name in ("a.csv", "b.csv", "1/a.csv", "c.csv.gz", "d.tsv", "_SUCCESS"):
        clients.s3.put_object(Bucket=BUCKET, Key=f"many/{name}", Body=CSV.encode())
    messages: list[str] = []
    tables = inputs.read(clients.s3, f"{STORE}/many/", messages.append)
    assert [table.name for table in tables] == ["1/a.csv", "a.csv", "b.csv"]
    (message,) = messages
    assert message.endswith("c.csv.gz, d.tsv")
    assert [table.name for table in inputs.read(clients.s3, f"{STORE}/many/1/a.csv", print)] == ["a.csv"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (f"{STORE}/none.csv", "there is no object s3://.*none.csv"),
        (f"{STORE}/none/", "there are no data files below"),
        ("none.csv", "there is no file none.csv"),
        (f"{STORE}/empty.csv", "empty.csv has no rows"),
    ],
)
def test_says_what_is_wrong_with_the_data(clients: Clients, source: str, message: str) -> None:
    clients.s3.put_object(Bucket=BUCKET, Key="empty.csv", Body=b"zip,n\n")
    with pytest.raises(InputError, match=message):
        inputs.read(clients.s3, source, print)


def test_a_missing_column_is_named_before_anything_is_uploaded(clients: Clients) -> None:
    with pytest.raises(InputError, match="lacks columns that the model needs: n"):
        parts_of(clients, "zip\n1\n")
