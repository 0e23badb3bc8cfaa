"""Deploy a model to an environment's endpoint, update what it serves, roll it back, or remove it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking, tracking_server
from mlflow_platform.endpoints import model, options, specification
from mlflow_platform.endpoints import strategy as strategies
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.endpoints.deployment import Deployer, Guards, Preview
    from mlflow_platform.endpoints.publishing import Hosting
    from mlflow_platform.endpoints.specification import EndpointSpec
    from mlflow_platform.environment import Environment

app = make_app()


@dataclass(frozen=True)
class Protection:
    """The options that protect an update."""

    strategy: strategies.Strategy
    max_latency: float | None
    alarms: bool
    smoke_request: bool

    def guards(self, endpoint: str, example: bytes | None) -> Guards:
        """What protects the update of an endpoint to a model with that input example."""
        from mlflow_platform.endpoints.alarms import rollback_alarms
        from mlflow_platform.endpoints.creation import VARIANT
        from mlflow_platform.endpoints.deployment import Guards

        watched = rollback_alarms(endpoint, [VARIANT], self.max_latency) if self.alarms else ()
        return Guards(self.strategy, watched, example if self.smoke_request else None)


@app.command()
def deploy_model(
    uri: options.ModelUri = None,
    env: Env = "staging",
    local: Local = False,
    name: options.EndpointName = None,
    image_uri: options.ImageUri = None,
    instance_type: options.InstanceType = "ml.m5.large",
    instance_count: options.InstanceCount = 1,
    startup_timeout: options.StartupTimeout = specification.STARTUP_SECONDS,
    download_timeout: options.DownloadTimeout = None,
    replace_model: options.ReplaceModel = False,
    strategy: options.StrategyName = strategies.ALL_AT_ONCE,
    share: options.Share = None,
    wait: options.Wait = None,
    keep_old: options.KeepOld = 0,
    max_latency: options.MaxLatency = None,
    alarms: options.Alarms = True,
    smoke_request: options.SmokeRequest = True,
    rollback: options.Rollback = False,
    dry_run: options.DryRun = False,
    delete: options.Delete = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Make an endpoint serve a model, and wait until it does.

    Deploying the model that is served already changes nothing.

    If a model does not start, does not answer its input example, or an alarm stops the update, the endpoint stays as
    it was, and the reason is shown.
    """
    _check_usage(uri, name, delete=delete, rollback=rollback, dry_run=dry_run)
    protection = Protection(
        strategies.strategy(strategy, share=share, wait=wait, keep=keep_old), max_latency, alarms, smoke_request
    )
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        if not name:
            name = specification.default_name(environment, model.registered_name(uri or ""), uri or "")
        deployer = _deployer(console, environment, session)
        if delete:
            _delete(console, deployer, name)
        elif rollback:
            _rollback(console, deployer, name)
        else:
            from mlflow_platform.endpoints.publishing import Hosting

            image = image_uri or _default_image(environment, session)
            hosting = Hosting(image, instance_type, instance_count, startup_timeout, download_timeout)
            found = _find(console, environment, session, uri or "")
            # Before anything is put into the bucket: nothing would remove it from there.
            deployer.check_target(name, found.name, replace_model=replace_model)
            wanted = (name, found, hosting, protection)
            _deploy(console, deployer, session, environment, wanted, replace_model=replace_model, dry_run=dry_run)


def _check_usage(uri: str | None, name: str | None, *, delete: bool, rollback: bool, dry_run: bool) -> None:
    if sum((delete, rollback, dry_run)) > 1:
        raise InputError("--delete, --rollback and --dry-run exclude each other. Give one of them.")
    if uri:
        model.check_uri(uri)
    elif not ((delete or rollback) and name):
        raise InputError(
            "no model given. Give MODEL, or name the endpoint to remove or roll back (--endpoint NAME --delete)."
        )
    if name:
        specification.check_name(name)


def _default_image(environment: Environment, session: Session) -> str:
    from mlflow_platform.endpoints.publishing import default_image

    return default_image(environment, session.get_partition_for_region(environment.region), version("mlflow"))


def _deployer(console: Console, environment: Environment, session: Session) -> Deployer:
    from mlflow_platform.endpoints.deployment import Deployer
    from mlflow_platform.endpoints.resources import Clients

    clients = Clients(
        session.client("sagemaker"),
        session.client("s3"),
        session.client("logs"),
        session.client("sagemaker-runtime"),
        session.client("cloudwatch"),
    )
    return Deployer(clients, environment, progress=console.progress, clock=SystemClock())


def _find(console: Console, environment: Environment, session: Session, uri: str) -> model.Model:
    if not model.is_tracked(uri):
        return model.find(uri, None)
    tracking_server.require_running(session.client("sagemaker"), environment.server)
    console.progress(f"finding {uri}")
    tracking.prepare(os.environ)
    return model.find(uri, tracking.connect(environment.server, session))


def _deploy(
    console: Console,
    deployer: Deployer,
    session: Session,
    environment: Environment,
    wanted: tuple[str, model.Model, Hosting, Protection],
    *,
    replace_model: bool,
    dry_run: bool,
) -> None:
    from mlflow_platform.endpoints.publishing import publish

    name, found, hosting, protection = wanted
    console.progress(f"packing {found.location}")
    published = publish(session.client("s3"), environment, name, found, hosting, upload=not dry_run)
    found, spec = published.model, published.spec
    if dry_run:
        console.result(_preview(name, found, spec, deployer.preview(spec, replace_model=replace_model)))
        return
    if protection.smoke_request and published.example is None:
        console.progress("no smoke request: the model was logged without an input example")
    guards = protection.guards(name, published.example)
    change = deployer.deploy(spec, replace_model=replace_model, guards=guards)
    console.result(
        {
            "endpoint": name,
            "change": "none: the endpoint serves this model already" if change == "unchanged" else change,
            "changed": change != "unchanged",
            "status": "InService",
            "model_uri": found.uri,
            "run_id": found.run_id,
            "model": spec.model_name,
            "configuration": spec.config_name,
            "archive": spec.archive_uri,
            "image": spec.image,
            "instances": f"{spec.instance_count} x {spec.instance_type}",
            "alarms": ", ".join(alarm.name for alarm in guards.alarms) if change == "updated" else None,
        }
    )


def _preview(name: str, found: model.Model, spec: EndpointSpec, preview: Preview) -> dict[str, Any]:
    return {
        "endpoint": name,
        "would_be": preview.change,
        "would_change": preview.change != "unchanged",
        "status": preview.status or "does not exist",
        "serves": preview.served.uri if preview.served else None,
        "model_uri": found.uri,
        "configuration": spec.config_name,
        "archive": spec.archive_uri,
        "would_create": ", ".join(preview.creates) or None,
        "would_remove": ", ".join(preview.removes) or None,
    }


def _rollback(console: Console, deployer: Deployer, name: str) -> None:
    served = deployer.rollback(name)
    console.result(
        {
            "endpoint": name,
            "change": "rolled back",
            "changed": True,
            "status": "InService",
            "model_uri": served.uri,
            "run_id": served.run_id,
        }
    )


def _delete(console: Console, deployer: Deployer, name: str) -> None:
    removed = deployer.delete(name)
    resources = removed.resources
    nothing = not (removed.endpoint or resources or removed.alarms)
    console.result(
        {
            "endpoint": name,
            "change": "none: there was nothing to remove" if nothing else "removed",
            "changed": not nothing,
            "configurations": len(resources.configs),
            "models": len(resources.models),
            "archives": len(resources.archives),
            "alarms": len(removed.alarms),
        }
    )


if __name__ == "__main__":
    run(app)
