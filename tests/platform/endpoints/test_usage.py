"""The options of deploy_model.py in pairs: each pair has the effects of both, or is refused with one line."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import combinations
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import typer
from botocore.exceptions import ClientError

from mlflow_common.errors import InputError, PlatformError
from mlflow_common.gathered_options import flag
from mlflow_platform.endpoints import ended, publishing, scaling, specification
from mlflow_platform.endpoints.deployment import Preview
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.package import ModelPackage
from mlflow_platform.endpoints.publishing import Published
from mlflow_platform.endpoints.state import ServedModel
from mlflow_platform.environment import Environment
from scripts import deploy_model

MODEL = "models:/iris/1"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/iris/1"
TOPIC = "arn:aws:sns:us-east-1:123456789012:answers"
TWO = ["--instance-count", "2"]
# Each option with a value that is not its default, and with what it needs.
UNITS: Mapping[str, list[str]] = {
    "--endpoint": ["--endpoint", "other"],
    "--image": ["--image", "image"],
    "--instance-type": ["--instance-type", "ml.c5.large"],
    "--instance-count": ["--instance-count", "3"],
    "--startup-timeout": ["--startup-timeout", "60"],
    "--download-timeout": ["--download-timeout", "60"],
    "--replace-model": ["--replace-model"],
    "--approve": [PACKAGE, "--approve"],
    "--serverless": ["--serverless", "2048"],
    "--async": ["--async"],
    "--notify": ["--async", "--notify", TOPIC],
    "--concurrency": ["--async", "--concurrency", "2"],
    "--autoscale": ["--autoscale", "1:4", "--target", "5"],
    "--target": ["--autoscale", "1:4", "--target", "6"],
    "--subnet": ["--subnet", "subnet-1", "--security-group", "sg-1"],
    "--security-group": ["--subnet", "subnet-1", "--security-group", "sg-2"],
    "--kms-key": ["--kms-key", "alias/key"],
    "--tag": ["--tag", "team=a"],
    "--capture": ["--capture", "50"],
    "--challenger": ["--challenger", "models:/iris/2"],
    "--shadow": ["--shadow", "models:/iris/3"],
    "--variant": ["--variant", "B=models:/iris/4:0.2"],
    "--weight": ["--challenger", "models:/iris/2", "--weight", "0.3"],
    "--shift": ["--shift", "Challenger=0.5"],
    "--strategy": ["--strategy", "canary", *TWO],
    "--share": ["--strategy", "canary", "--share", "20", *TWO],
    "--wait": ["--wait", "7"],
    "--keep-old": ["--keep-old", "8"],
    "--max-latency": ["--max-latency", "100"],
    "--max-failures": ["--max-failures", "0.1"],
    "--no-alarms": ["--no-alarms"],
    "--no-smoke-request": ["--no-smoke-request"],
    "--rollback": ["--rollback"],
    "--status": ["--status"],
    "--dry-run": ["--dry-run"],
    "--delete": ["--delete"],
}
# Every script has them: where it works and how it prints.
COMMON = {"--env", "--local", "--json", "--debug", "--help"}
# A dry run takes every option of the deployment that it describes, and shows the names that these do not change.
PROTECTS = {
    *("--strategy", "--share", "--wait", "--keep-old", "--max-latency", "--max-failures", "--no-alarms"),
    "--no-smoke-request",
}


@dataclass
class Recorder:
    """Stands for the environment: records what the command would do there."""

    environment: Environment
    done: list[Any] = field(default_factory=list)

    def record(self, name: str, answer: Any = None) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.done.append((name, arguments, tuple(sorted(named.items()))))
            return answer

        return call

    def deployer(self) -> Any:
        nothing = SimpleNamespace(endpoint=False, resources=SimpleNamespace(), alarms=frozenset())
        return SimpleNamespace(
            watched=(),
            check_target=self.record("check"),
            discarding=lambda _: nullcontext(),
            deploy=self.record("deploy", "created"),
            preview=self.record("preview", Preview("created", None, "", (), ())),
            shift=self.record("shift", {"Challenger": 0.5}),
            rollback=self.record("rollback", ServedModel(None, None, None, None)),
            delete=self.record("delete", nothing),
        )

    def package(self, arn: str) -> ModelPackage:
        return ModelPackage(arn, "PendingManualApproval", "image", None, ServedModel(MODEL, "iris", "1", None))


@pytest.fixture
def recorder(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder(environment)
    session: Any = SimpleNamespace(client=lambda _: None)
    here = deploy_model.Here

    def publish(_: Any, where: Environment, name: str, found: Model, hosting: Any, **__: Any) -> Published:
        spec = hosting.specification(where, name, found.uri, specification.tags(where, found))
        return Published(found, spec, b"{}")

    def beside(_: Any, where: Environment, published: Published, other: Any, **__: Any) -> Published:
        tags = specification.tags(where, other.model)
        variant = specification.OtherVariant(other.name, other.model.uri, tags, other.weight, other.shadow, other.image)
        spec = replace(published.spec, others=(*published.spec.others, variant))
        return replace(published, spec=spec)

    def package(_: Any, where: Environment, name: str, found: ModelPackage, hosting: Any) -> Published:
        return publish(None, where, name, found.model, hosting)

    monkeypatch.setattr(deploy_model, "open_environment", lambda *_, **__: (environment, session))
    monkeypatch.setattr(publishing, "publish", publish)
    monkeypatch.setattr(publishing, "publish_beside", beside)
    monkeypatch.setattr(publishing, "publish_package", package)
    replaced = {
        "deployer": lambda _: made.deployer(),
        "find": lambda _, uri: Model(uri, uri, "iris", uri[-1], None),
        "image_of": lambda _, __, given: given or "built",
        "package": lambda _, arn: made.package(arn),
        "approve": lambda _, arn: made.record("approve")(arn),
        "may_be_tagged": lambda *_, **__: False,
        "write_back": lambda *_, **__: None,
        "clients": lambda _: None,
    }
    for name, function in replaced.items():
        monkeypatch.setattr(here, name, function)
    scaler = SimpleNamespace(
        during=lambda *_: nullcontext(), apply=made.record("scale"), bounds=lambda _: None, check=lambda *_: None
    )
    monkeypatch.setattr(scaling, "Autoscaling", lambda _: scaler)
    monkeypatch.setattr(ended, "ended_settings", lambda *_: [])
    monkeypatch.setattr(deploy_model, "_status", lambda _, *given: made.record("status")(*given))
    for name in ("_preview_rollback", "_preview_removal", "_preview", "_delete"):
        monkeypatch.setattr(deploy_model, name, lambda _, *given, name=name: made.record(name)(*given) or {})
    return made


@pytest.fixture
def effect(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What the command does with some options, as a text; or the error."""
    command = typer.main.get_command(deploy_model.app)

    def of(*units: str) -> str:
        recorder.done.clear()
        arguments: dict[str, str | None] = {}
        model = MODEL
        for unit in units:
            rest = iter(UNITS[unit])
            for text in rest:
                if not text.startswith("--"):
                    model = text
                elif text not in arguments or text == unit:
                    arguments[text] = None if text in FLAGS else next(rest)
                elif text not in FLAGS:
                    next(rest)
        listed = [text for pair in arguments.items() for text in pair if text is not None]
        try:
            command.main([model, *listed], standalone_mode=False, prog_name="deploy_model")
        except InputError as error:
            # Refused before anything is done, on one line.
            return f"error: {error.message}" if "\n" not in error.message and not recorder.done else "half-done"
        return str(recorder.done)

    return of


FLAGS = {name for name, unit in UNITS.items() if unit[-1] == name}


def test_a_failure_of_scaling_says_that_the_model_serves_and_tags_its_version(
    recorder: Recorder, effect: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "RegisterScalableTarget")

    scaler: Any = scaling.Autoscaling(None)  # type: ignore[arg-type]
    monkeypatch.setattr(deploy_model.Here, "write_back", lambda _, *given, **__: recorder.record("tagged")(*given))
    for name, failing in (("apply", denied), ("bounds", Mock(side_effect=[None, ClientError({}, "Describe")]))):
        with monkeypatch.context() as patch:
            patch.setattr(scaler, name, failing)
            with pytest.raises(
                PlatformError, match=r"serves models:/\S+, but its automatic scaling could not be changed"
            ):
                effect("--endpoint")
        assert [done[0] for done in recorder.done if done[0] in {"deploy", "tagged"}] == ["deploy", "tagged"]


def test_every_option_is_tried() -> None:
    options = {flag(one) for one in typer.main.get_command(deploy_model.app).params} - {""}
    assert options == set(UNITS) | COMMON - {"--help"}


def test_every_pair_of_options_has_the_effects_of_both_or_is_refused(effect: Callable[..., str]) -> None:
    alone = {unit: effect(unit) for unit in UNITS}
    assert not [unit for unit, done in alone.items() if done.startswith("error")]
    silent = []
    for one, other in combinations(UNITS, 2):
        both = effect(one, other)
        if both.startswith("error"):
            continue
        assert both != "half-done", (one, other)
        for ignored, kept in ((one, other), (other, one)):
            if ignored in UNITS[kept] or (kept == "--dry-run" and ignored in PROTECTS):
                continue
            if both == alone[kept]:
                silent.append(f"{ignored} is ignored with {kept}")
    assert not silent
