"""Fills a tracking server of any version over its REST API with at least one object of each kind."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

START = 1_700_000_000_000
LONG = "ö" * 6000


class Seeder:
    """A server to fill, with short methods for its calls."""

    def __init__(self, url: str, auth: Any = None) -> None:
        self.http = httpx.Client(base_url=url, auth=auth, timeout=60, trust_env=False)

    def post(self, path: str, method: str = "POST", **body: Any) -> Any:
        answer = self.http.request(method, f"/api/2.0/mlflow/{path}", json=body)
        assert answer.status_code < 400, f"{path}: {answer.text}"
        return answer.json()

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(f"/api/2.0/mlflow/{path}", params=query)
        assert answer.status_code < 400, f"{path}: {answer.text}"
        return answer.json()

    def experiment(self, name: str, **body: Any) -> str:
        return str(self.post("experiments/create", name=name, **body)["experiment_id"])

    def run(self, experiment: str, name: str, start: int = START, **more: Any) -> dict[str, Any]:
        tags = {"mlflow.user": "ana", "mlflow.source.name": "train.py", **more.pop("tags", {})}
        body = {
            "experiment_id": experiment,
            "run_name": name,
            "start_time": start,
            "user_id": "ana",
            "tags": listed(tags),
        }
        info: dict[str, Any] = self.post("runs/create", **body)["run"]["info"]
        return info

    def runs(self, experiment: str) -> list[Any]:
        body = {"experiment_ids": [experiment], "run_view_type": "ALL", "max_results": 1000}
        found: list[Any] = self.post("runs/search", **body).get("runs", [])
        return found

    def log(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        points = [{"key": k, "value": v, "timestamp": t, "step": s} for k, v, t, s in metrics]
        for at in range(0, max(1, len(points)), 800):
            first = at == 0
            self.post(
                "runs/log-batch",
                run_id=run_id,
                metrics=points[at : at + 800],
                params=listed(dict(params)) if first else [],
                tags=listed(dict(tags)) if first else [],
            )

    def end(self, run_id: str, end: int = START + 5000, status: str = "FINISHED") -> None:
        self.post("runs/update", run_id=run_id, status=status, end_time=end)


def listed(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def folder(uri: str) -> Path:
    return Path(urlsplit(uri).path)


def write(uri: str, path: str, content: bytes) -> None:
    target = folder(uri) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def fill(url: str, *, models: bool, prefix: str = "", points: int = 2500) -> dict[str, str]:
    """Create at least one object of each kind. Artifacts are written to the server's local artifact root.

    Returns:
        The ids of the created objects, by name.
    """
    at = Seeder(url)
    one = at.experiment(f"{prefix}vision/größe", tags=listed({"team": "ä", "mlflow.note.content": "# note\n\nlong"}))
    two = at.experiment(f"{prefix}empty")
    gone = at.experiment(f"{prefix}gone")

    parent = _fill_parent(at, one, points)
    for index in range(3):
        child = at.run(one, f"child {index}", START + 10 + index, tags={"mlflow.parentRunId": parent["run_id"]})
        at.log(child["run_id"], [("loss", 0.5, START + 20, 0)], {"i": str(index)}, {"user tag": parent["run_id"]})
        at.end(child["run_id"], status=["FINISHED", "FAILED", "KILLED"][index])
    live = at.run(one, "still running", START + 50)
    at.log(live["run_id"], [("loss", 1.0, START + 51, 0)])
    dead = at.run(one, "deleted", START + 60)
    at.log(dead["run_id"], [("loss", 1.0, START + 61, 0)], {"kept": "yes"})
    at.end(dead["run_id"])
    at.post("runs/delete", run_id=dead["run_id"])
    inside = at.run(gone, "inside gone")
    at.end(inside["run_id"])
    at.post("experiments/delete", experiment_id=gone)
    default = at.run("0", f"{prefix}in default")
    at.end(default["run_id"])

    _fill_registry(at, parent, prefix)
    made = {"experiment": one, "empty": two, "gone": gone, "parent": parent["run_id"], "live": live["run_id"]}
    if models:
        made |= fill_models(at, one, parent, prefix)
    return made


def _fill_parent(at: Seeder, experiment: str, points: int) -> dict[str, Any]:
    """Create a run with files, parameters, metrics with unusual values, and a data set."""
    parent = at.run(experiment, "parent", tags={"mlflow.note.content": "a *note*"})
    write(parent["artifact_uri"], "model/MLmodel", f"run_id: {parent['run_id']}\nflavors: {{}}\n".encode())
    write(parent["artifact_uri"], "model/data/weights.bin", bytes(range(256)) * 4096)
    write(parent["artifact_uri"], "leer.txt", b"")
    write(parent["artifact_uri"], "straße/ünï code.txt", "ä".encode())
    history = [("loss", 1 / (i + 1), START + i, i) for i in range(points)]
    history += [("odd", value, START + i, i) for i, value in enumerate(["NaN", "Infinity", "-Infinity", 0.1 + 0.2])]
    history += [("back", 5.0, START, -3), ("back", 6.0, START + 1, -3), ("back", 6.0, START + 2, 2**40)]
    at.log(
        parent["run_id"],
        history,
        {"long": LONG, "empty": "", "emoji": "🙂", **{f"p{i:03}": str(i) for i in range(90)}},
        {
            "mlflow.log-model.history": f'[{{"run_id": "{parent["run_id"]}", "artifact_path": "model"}}]',
            "quote": 'it\'s "so"\n\tnew line',
            "blank": "",
        },
    )
    at.log(parent["run_id"], (), {f"q{i:03}": "x" * 500 for i in range(60)})
    at.post(
        "runs/log-inputs",
        run_id=parent["run_id"],
        datasets=[
            {
                "dataset": {
                    "name": "wine",
                    "digest": "d1",
                    "source_type": "local",
                    "source": "{}",
                    "schema": '{"a": 1}',
                },
                "tags": listed({"mlflow.data.context": "training", "b": "2"}),
            }
        ],
    )
    at.end(parent["run_id"])
    return parent


def _fill_registry(at: Seeder, parent: dict[str, Any], prefix: str) -> None:
    """Create a registered model with versions, stages and aliases, and one without versions."""
    name = f"{prefix}it's a model"
    at.post("registered-models/create", name=name, description="dé\nscription", tags=listed({"team": "ä"}))
    for number in range(1, 5):
        at.post(
            "model-versions/create",
            name=name,
            source=f"{parent['artifact_uri']}/model" if number != 2 else f"runs:/{parent['run_id']}/model",
            run_id=parent["run_id"],
            description=f"number {number}",
            tags=listed({"n": str(number)}),
        )
    at.post("model-versions/delete", "DELETE", name=name, version="3")
    for version, stage in (("1", "Archived"), ("2", "Production"), ("4", "Staging")):
        at.post(
            "model-versions/transition-stage",
            name=name,
            version=version,
            stage=stage,
            archive_existing_versions=False,
        )
    at.post("registered-models/alias", name=name, alias="champion", version="2")
    at.post("registered-models/alias", name=name, alias="next", version="4")
    at.post("registered-models/create", name=f"{prefix}without versions")


def fill_models(at: Seeder, experiment: str, parent: dict[str, Any], prefix: str) -> dict[str, str]:
    """Create the objects of MLflow 3: logged models with links and metrics, a prompt, a trace."""
    created = at.post(
        "logged-models",
        experiment_id=experiment,
        name="net",
        model_type="Agent",
        source_run_id=parent["run_id"],
        params=listed({"depth": "3", "empty": ""}),
        tags=listed({"kind": "ß"}),
    )["model"]["info"]
    model = created["model_id"]
    write(created["artifact_uri"], "MLmodel", f"model_id: {model}\nrun_id: {parent['run_id']}\n".encode())
    write(created["artifact_uri"], "python_model.pkl", b"\0" * 5000)
    at.post(f"logged-models/{model}", "PATCH", model_id=model, status=2)
    at.post("logged-models", experiment_id=experiment, name="pending")
    at.post("runs/outputs", run_id=parent["run_id"], models=[{"model_id": model, "step": 7}])
    judge = at.run(experiment, "judge", START + 100)
    at.post("runs/log-inputs", run_id=judge["run_id"], models=[{"model_id": model}])
    at.post(
        "runs/log-batch",
        run_id=judge["run_id"],
        metrics=[
            {"key": "acc", "value": 0.9, "timestamp": START, "step": 1, "model_id": model},
            {"key": "nan", "value": "NaN", "timestamp": START, "step": 1, "model_id": model},
            {"key": "acc", "value": 0.8, "timestamp": START, "step": 2},
        ],
    )
    at.end(judge["run_id"])
    name = f"{prefix}net"
    at.post("registered-models/create", name=name)
    at.post("model-versions/create", name=name, source=f"models:/{model}", run_id=parent["run_id"], model_id=model)
    at.post("model-versions/create", name=name, source=f"models:/{name}/1")
    _fill_prompt(at, prefix)
    trace = _fill_trace(at, experiment, parent)
    return {"model": model, "judge": judge["run_id"], "trace": trace}


def _fill_prompt(at: Seeder, prefix: str) -> None:
    prompt = f"{prefix}prompt"
    marks = {"mlflow.prompt.is_prompt": "true"}
    at.post("registered-models/create", name=prompt, tags=listed(marks))
    at.post(
        "model-versions/create",
        name=prompt,
        source="prompt-template",
        description="first",
        tags=listed({**marks, "mlflow.prompt.text": "Say {{ word }}"}),
    )


def _fill_trace(at: Seeder, experiment: str, parent: dict[str, Any]) -> str:
    """Create a trace with its file, and return its id."""
    trace = at.post(
        "traces",
        experiment_id=experiment,
        timestamp_ms=START,
        request_metadata=listed({"mlflow.sourceRun": parent["run_id"], "mlflow.traceInputs": '"q"'}),
        tags=listed({"mlflow.traceName": "ask", "colour": "rot"}),
    )["trace_info"]
    where = next(tag["value"] for tag in trace["tags"] if tag["key"] == "mlflow.artifactLocation")
    text = f'{{"spans": [{{"attributes": {{"mlflow.traceRequestId": "{trace["request_id"]}"}}}}]}}'
    write(where, "traces.json", text.encode())
    at.post(
        f"traces/{trace['request_id']}",
        "PATCH",
        request_id=trace["request_id"],
        timestamp_ms=START + 1234,
        status="OK",
        request_metadata=[],
        tags=[],
    )
    request: str = trace["request_id"]
    return request
