"""A file store with unreadable parts: each part is a named loss, and everything else is read."""

import asyncio
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_transfer.records import Run, to_json
from mlflow_transfer.sources.filestore import FileStoreSource
from tests.support.properties import examples
from tests.transfer.moving import places

RUN, OTHER = "a" * 32, "b" * 32
META = (
    "artifact_uri: {root}/1/{run}/artifacts\nend_time: 2\nexperiment_id: '1'\nlifecycle_stage: active\n"
    "run_id: {run}\nrun_name: r\nstart_time: 1\nstatus: 3\nuser_id: u\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two runs in one experiment, a registered model, a logged model and a trace."""
    return store(tmp_path / "mlruns")


def store(root: Path) -> Path:
    def put(path: str, content: str) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)

    (root / ".trash").mkdir(parents=True)
    put("1/meta.yaml", f"artifact_location: {root}/1\nexperiment_id: '1'\nlifecycle_stage: active\nname: one\n")
    for run in (RUN, OTHER):
        put(f"1/{run}/meta.yaml", META.format(root=root, run=run))
        put(f"1/{run}/metrics/loss", "1 0.5 0\n2 0.25 1\n")
        put(f"1/{run}/params/p", "v")
        put(f"1/{run}/tags/t", "v")
        put(f"1/{run}/inputs/i/meta.yaml", "source_type: DATASET\nsource_id: d\n")
    put("1/datasets/d/meta.yaml", "name: n\ndigest: d\n")
    put("1/models/m-1/meta.yaml", "model_id: m-1\nexperiment_id: '1'\nname: m\nartifact_location: /x\nstatus: 2\n")
    put("1/models/m-1/metrics/acc", f"1 0.5 0 {RUN}\n")
    put("1/traces/tr-1/trace_info.yaml", "request_id: tr-1\nexperiment_id: '1'\ntimestamp_ms: 1\nstatus: OK\n")
    put("models/reg/meta.yaml", "name: reg\ncreation_timestamp: 1\n")
    put("models/reg/version-1/meta.yaml", "name: reg\nversion: 1\ncreation_timestamp: 1\n")
    put("models/reg/aliases/best", "1")
    return root


async def everything(source: Any) -> dict[str, Any]:
    """All records and points in a form for JSON."""
    found: dict[str, Any] = {"runs": {}, "points": {}, "models": [], "traces": [], "experiments": []}
    async for experiment in source.experiments():
        found["experiments"].append(to_json(experiment))
        async for page in source.runs(experiment.id):
            found["runs"] |= {run.id: to_json(run) for run in page}
            async for run, history in source.histories(page):
                found["points"][run.id] = [point async for chunk in history for point in chunk]
        async for models in source.logged_models(experiment.id):
            found["models"] += map(to_json, models)
        async for traces in source.traces(experiment.id):
            found["traces"] += map(to_json, traces)
    found["registered"] = [to_json(model) for model in await source.registered_models()]
    json.dumps(found, default=str).encode()
    return found


def read(root: Path) -> tuple[dict[str, Any], list[str]]:
    source = FileStoreSource(root, places().store)
    found = asyncio.run(everything(source))
    first = list(source.losses())
    # Listing everything again finds the same losses.
    asyncio.run(everything(source))
    assert source.losses() == first
    return found, [f"{loss.place}: {loss.reason}" for loss in first]


def test_reads_a_whole_store_without_losses(root: Path) -> None:
    found, losses = read(root)
    assert losses == []
    assert set(found["runs"]) == {RUN, OTHER}
    assert len(found["points"][RUN]) == 2
    assert (len(found["models"]), len(found["traces"])) == (1, 1)
    assert found["registered"][0]["aliases"] == {"best": 1}


def test_reads_a_trace_of_mlflow_3_with_its_previews(root: Path) -> None:
    """MLflow 3.10 writes other keys than MLflow 2 (mlflow/store/tracking/file_store.py, `_save_trace_info`)."""
    folder = root / "1/traces/tr-2"
    (folder / "tags").mkdir(parents=True)
    (folder / "tags/mlflow.traceName").write_text("f")
    (folder / "trace_info.yaml").write_text(
        "execution_duration_ms: 174\nrequest_preview: '{}'\nrequest_time: '2026-11-30T20:40:15.643Z'\nstate: OK\n"
        "trace_id: tr-2\ntrace_location:\n  mlflow_experiment:\n    experiment_id: '1'\n  type: MLFLOW_EXPERIMENT\n"
    )
    found, losses = read(root)
    assert losses == []
    trace = found["traces"][1]
    assert (trace["id"], trace["timestamp"], trace["duration"], trace["status"]) == ("tr-2", 1796071215643, 174, "OK")
    assert (trace["request_preview"], trace["tags"]) == ("{}", {"mlflow.traceName": "f"})


def test_artifacts_of_a_run_that_names_none_are_those_in_its_folder(root: Path) -> None:
    meta = root / f"1/{RUN}/meta.yaml"
    meta.write_text(meta.read_text().partition("\n")[2])
    (root / f"1/{RUN}/artifacts").mkdir()
    found, losses = read(root)
    assert (found["runs"][RUN]["artifact_uri"], losses) == (f"{root}/1/{RUN}/artifacts", [])


def test_an_input_of_an_unknown_kind_is_a_loss(root: Path) -> None:
    (root / f"1/{RUN}/inputs/i/meta.yaml").write_text("source_type: OTHER\nsource_id: d\n")
    (loss,) = read(root)[1]
    assert "source_type is 'OTHER'" in loss


@pytest.mark.parametrize("number", [0, -1])
def test_a_version_without_a_number_is_a_loss(root: Path, number: int) -> None:
    (root / "models/reg/version-1").rename(root / f"models/reg/version-{number}")
    (root / f"models/reg/version-{number}/meta.yaml").write_text(f"name: reg\nversion: {number}\n")
    (loss,) = read(root)[1]
    assert f"{number} is not the number of a version" in loss


BROKEN_META = {
    "empty": b"",
    "NUL bytes": b"\0" * 100,
    "Latin-1": "name: ä".encode("latin-1"),
    "broken YAML": b"run_id: [\n",
    "no mapping": b"- a\n",
    "no id": b"user_id: x\n",
    "nested": b"[" * 3_000,
    "nested more deeply than the stack of C": b"[" * 100_000,
    "nested in one line": b"- " * 100_000 + b"a",
    "anchors": b"a: &a [*a]\n",
    "a value that takes all memory": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9))
    + b"run_id: *j\nexperiment_id: *j\nname: *j\nmodel_id: *j\nrequest_id: *j\nstatus: 3\n",
    "no text": b"run_id:\nexperiment_id: 1.10\nname:\nmodel_id: yes\nrequest_id: {}\nversion: 1\nstatus: 3\n",
    "wrong types": b"run_id: r\nexperiment_id: '1'\nname: x\nstart_time: soon\nstatus: [1]\nversion: x\nmodel_id: m\n"
    b"request_id: t\ntimestamp_ms: x\nartifact_location: y\ncreation_timestamp: z\ncreation_time: z\n",
    "another stage": b"run_id: r\nexperiment_id: '1'\nname: x\nlifecycle_stage: gone\nversion: [1]\nrequest_id: t\n"
    b"timestamp_ms: [1]\nstatus: {}\ncreation_timestamp: [1]\nmodel_id: m\nartifact_location: y\n",
}


@pytest.mark.parametrize("how", [*BROKEN_META, "missing"])
@pytest.mark.parametrize(
    "file",
    [
        f"1/{RUN}/meta.yaml",
        "1/meta.yaml",
        "1/models/m-1/meta.yaml",
        "1/traces/tr-1/trace_info.yaml",
        "models/reg/meta.yaml",
        "models/reg/version-1/meta.yaml",
    ],
)
def test_a_folder_without_a_readable_description_is_a_loss(root: Path, file: str, how: str) -> None:
    if how == "missing":
        (root / file).unlink()
    else:
        (root / file).write_bytes(BROKEN_META[how])
    found, losses = read(root)
    assert any(str((root / file).parent) in loss for loss in losses), losses
    if not file.startswith("1/meta"):
        assert OTHER in found["runs"]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (f"1/{RUN}/metrics/loss", b"1 0.5 0\n2 torn", "line 2 is torn"),
        (f"1/{RUN}/metrics/loss", b"1 0.5 0\n2 0.9", "line 2 is torn"),
        (f"1/{RUN}/metrics/loss", b"1 0.5 0\n\0\0\0\0\n3 \xe4 1\n", "2 lines, the first 2, are torn"),
        (f"1/{RUN}/metrics/loss", b"1" * 200_000 + b"\n1 0.5 0\n", "line 1 is torn"),
        (f"1/{RUN}/tags/t", "ä".encode("latin-1"), "it is not UTF-8 text"),
        (f"1/{RUN}/params/p", b"a\0b", "NUL bytes"),
        (f"1/{RUN}/inputs/i/meta.yaml", b"source_type: DATASET\nsource_id: ../../../x\n", "is refused"),
        (f"1/{RUN}/inputs/i/meta.yaml", b"source_type: DATASET\nsource_id: gone\n", "cannot be read"),
        ("models/reg/aliases/best", b"first", "not a whole number"),
        ("1/models/m-1/metrics/acc", b"1 0.5\n", "line 1 is torn"),
        ("1/models/m-1/metrics/acc", b"", "it holds no point"),
    ],
)
def test_a_torn_part_is_a_loss_and_the_rest_is_read(root: Path, file: str, content: bytes, reason: str) -> None:
    (root / file).write_bytes(content)
    found, losses = read(root)
    (loss,) = losses
    assert reason in loss
    assert str(root / Path(file).parent) in loss
    assert {RUN, OTHER} == set(found["runs"])
    if file.endswith("loss"):
        assert len(found["points"][RUN]) == 1
        assert found["runs"][RUN]["latest"]["loss"][1] == 0.5


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_metric_without_points_is_a_loss(root: Path, content: bytes) -> None:
    (root / "1" / RUN / "metrics" / "loss").write_bytes(content)
    (loss,) = read(root)[1]
    assert f"run {RUN} metric 'loss'" in loss
    assert "it holds no point" in loss


def test_a_second_experiment_of_one_name_is_a_loss(root: Path) -> None:
    (root / "2").mkdir()
    meta = (root / "1" / "meta.yaml").read_text()
    (root / "2" / "meta.yaml").write_text(re.sub("experiment_id: .*", "experiment_id: '2'", meta))
    found, (loss,) = read(root)
    assert [one["id"] for one in found["experiments"]] == ["1"]
    assert f"experiment folder {root / '2'}" in loss
    assert "holds an experiment of the same name" in loss


def test_assessments_of_traces_are_a_loss(root: Path) -> None:
    folder = root / "1" / "traces" / "tr-1" / "assessments"
    folder.mkdir()
    assert read(root)[1] == []
    (folder / "a-1.yaml").write_text("name: right\n")
    found, losses = read(root)
    assert losses == ["assessments of trace tr-1: assessments of traces are not transferred"]
    assert len(found["traces"]) == 1


def test_links_out_of_the_store_are_losses(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "meta.yaml").write_text(META.format(root=root, run="c" * 32))
    (root / "1" / RUN / "tags" / "stolen").symlink_to(tmp_path / "secret")
    (root / "1" / ("c" * 32)).symlink_to(tmp_path / "elsewhere")
    (root / "1" / OTHER / "meta.yaml").unlink()
    (root / "1" / OTHER / "meta.yaml").symlink_to(tmp_path / "elsewhere" / "meta.yaml")
    found, losses = read(root)
    assert set(found["runs"]) == {RUN}
    assert "stolen" not in found["runs"][RUN]["tags"]
    assert len(losses) == 3
    assert all("outside" in loss for loss in losses)


def test_links_that_lead_nowhere_are_losses(root: Path) -> None:
    (root / "7").symlink_to("/nonexistent/experiment")
    (root / "1" / ("c" * 32)).symlink_to("/nonexistent/run")
    (root / "1" / RUN / "tags" / "itself").symlink_to("itself")
    (root / "1" / RUN / "metrics" / "gone").symlink_to("/nonexistent/metric")
    found, losses = read(root)
    assert set(found["runs"]) == {RUN, OTHER}
    assert len(losses) == 4
    assert sum("it is a broken link" in loss for loss in losses) == 2


def test_a_run_that_was_copied_or_cut_off_is_a_loss(root: Path) -> None:
    shutil.copytree(root / "1" / RUN, root / "1" / f"{RUN}-copy")
    shutil.copytree(root / "1" / OTHER, root / "2" / OTHER)
    (root / "2" / "meta.yaml").write_text("artifact_location: x\nexperiment_id: '2'\nname: two\n")
    half = META.format(root=root, run="c" * 32).partition("status")[0]
    (root / "1" / ("c" * 32)).mkdir()
    (root / "1" / ("c" * 32) / "meta.yaml").write_text(half)
    found, losses = read(root)
    assert set(found["runs"]) == {RUN, OTHER}
    assert len(losses) == 3
    for reason in (f"describes the run '{RUN}'", "describes a run of the experiment '1'", "has no 'status'"):
        assert any(reason in loss for loss in losses), losses


def test_copied_and_moved_parts_are_losses(root: Path) -> None:
    one, reg = root / "1", root / "models" / "reg"
    shutil.copytree(one / "models" / "m-1", one / "models" / "m-1 (copy)")
    shutil.copytree(one / "traces" / "tr-1", one / "traces" / "copy")
    for folder, text in (("models/m-1", "model_id: m-1\nname: m\nartifact_location: /x\n"), ("traces/tr-1", "")):
        name = "meta.yaml" if text else "trace_info.yaml"
        (root / "2" / folder).mkdir(parents=True)
        (root / "2" / folder / name).write_text(f"{text or 'request_id: tr-1'}\nexperiment_id: '1'\n")
    (root / "2" / "meta.yaml").write_text("artifact_location: x\nexperiment_id: '2'\nname: two\n")
    shutil.copytree(reg, root / "models" / "zz")
    shutil.copytree(reg / "version-1", reg / "version-2")
    (reg / "version-3").mkdir()
    (reg / "version-3" / "meta.yaml").write_text("name: other\nversion: 3\n")
    (reg / "aliases" / "old").write_text("9")
    found, losses = read(root)
    assert [model["id"] for model in found["models"]] == ["m-1"]
    assert [trace["id"] for trace in found["traces"]] == ["tr-1"]
    (model,) = found["registered"]
    assert ([version["version"] for version in model["versions"]], model["aliases"]) == ([1], {"best": 1})
    for place, reason in (
        ("m-1 (copy)", "it describes 'm-1'"),
        ("traces/copy", "it describes 'tr-1'"),
        ("logged model m-1 in the folder of the experiment '2'", "it belongs to the experiment '1'"),
        ("trace tr-1 in the folder of the experiment '2'", "it belongs to the experiment '1'"),
        ("models/zz", "another folder holds 'reg'"),
        ("reg/version-2", "it describes version-1 of 'reg'"),
        ("reg/version-3", "it describes version-3 of 'other'"),
    ):
        assert sum(place in loss and reason in loss for loss in losses) == 1, (place, losses)
    assert len(losses) == 7


def test_renamed_folders_and_files_in_place_of_folders_are_losses(root: Path) -> None:
    one, versions = root / "1", root / "models" / "reg"
    (one / OTHER).rename(one / f".{OTHER}")
    shutil.copytree(versions / "version-1", versions / "v2")
    (root / ".ipynb_checkpoints").mkdir()
    (one / "notes.txt").touch()
    for name in ("2", f"1/{'c' * 32}", "1/models/m-" + "d" * 32, "1/traces/tr-" + "e" * 32, "models/reg/version-3"):
        (root / name).write_bytes(b"torn")
    found, losses = read(root)
    assert set(found["runs"]) == {RUN}
    assert len(losses) == 7
    assert f"folder {one / ('.' + OTHER)}: it is hidden, and is not read" in losses
    assert f"model version folder {versions / 'v2'}: its name is not version-NUMBER" in losses
    assert sum("it has the name of a folder, and is not read" in loss for loss in losses) == 5


def test_a_run_with_an_unknown_status_is_a_loss(root: Path) -> None:
    meta = root / "1" / RUN / "meta.yaml"
    meta.write_text(meta.read_text().replace("status: 3", "status: 9"))
    found, losses = read(root)
    assert set(found["runs"]) == {OTHER}
    assert any("there is no status 9" in loss for loss in losses)


def test_two_experiments_with_one_id_are_distinguished(root: Path) -> None:
    shutil.copytree(root / "1", root / "2")
    _, losses = read(root)
    assert [loss for loss in losses if f"experiment folder {root}/2" in loss]


FILES = [
    f"1/{RUN}/meta.yaml", f"1/{RUN}/metrics/loss", f"1/{RUN}/tags/t", f"1/{RUN}/inputs/i/meta.yaml", "1/meta.yaml",
    "1/datasets/d/meta.yaml", "1/models/m-1/meta.yaml", "1/models/m-1/metrics/acc", "1/traces/tr-1/trace_info.yaml",
    "models/reg/meta.yaml", "models/reg/version-1/meta.yaml", "models/reg/aliases/best",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
KEYS = [
    "run_id", "experiment_id", "name", "start_time", "end_time", "status", "lifecycle_stage", "artifact_uri", "tags",
    "source_type", "source_id", "model_id", "artifact_location", "version", "request_id", "timestamp_ms", "digest",
    "creation_timestamp", "creation_time", "execution_time_ms", "current_stage", "user_id", "run_name",
]  # fmt: skip


def yaml_text(values: dict[str, Any]) -> bytes:
    return "".join(f"{key}: {json.dumps(value, default=str)}\n" for key, value in values.items()).encode(
        "utf-8", "surrogatepass"
    )


@pytest.mark.system
@examples(60)
@given(
    file=st.sampled_from(FILES),
    content=st.binary(max_size=60)
    | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8).map(yaml_text)
    | st.text(alphabet="0123456789. -eE\nnaif\0é", max_size=40).map(str.encode),
)
def test_no_file_content_causes_a_traceback(file: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = store(Path(folder).resolve() / "mlruns")
        (root / file).write_bytes(content)
        read(root)


def test_any_texts_of_a_run_can_be_hashed_and_written(root: Path) -> None:
    found, _ = read(root)
    assert Run(**{**found["runs"][RUN], "latest": {}}).finished
