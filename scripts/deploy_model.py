"""Deploy a model to an environment's endpoint, update what it serves, roll it back, or remove it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlflow_common import deploy_options as options
from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, explain
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking, tracking_server
from mlflow_platform.endpoints import model, specification
from mlflow_platform.endpoints import strategy as strategies
from mlflow_platform.endpoints.weights import parse_weights
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient

    from mlflow_platform.endpoints.deployment import Deployer, Guards, Preview
    from mlflow_platform.endpoints.publishing import Companion, Hosting
    from mlflow_platform.endpoints.specification import EndpointSpec
    from mlflow_platform.environment import Environment

app = make_app()


@dataclass(frozen=True)
class Protection:
    """The options that protect an update."""

    strategy: strategies.Strategy
    max_latency: float | None
    max_failures: float
    alarms: bool
    smoke_request: bool

    def guards(self, spec: EndpointSpec, example: bytes | None) -> Guards:
        """What protects the update of an endpoint to what a specification says, with the model's input example."""
        from mlflow_platform.endpoints.alarms import rollback_alarms
        from mlflow_platform.endpoints.deployment import Guards

        watched = (
            rollback_alarms(spec.endpoint, spec.config_name, spec.variants, self.max_latency, self.max_failures)
            if self.alarms
            else ()
        )
        return Guards(self.strategy, watched, example if self.smoke_request else None)


@dataclass(frozen=True)
class Here:
    """Where a command works: the environment, the AWS session, and the console that shows progress."""

    console: Console
    environment: Environment
    session: Session

    def deployer(self) -> Deployer:
        """What deploys to the environment's endpoints."""
        from mlflow_platform.endpoints.deployment import Deployer
        from mlflow_platform.endpoints.resources import Clients

        clients = Clients(
            self.session.client("sagemaker"),
            self.session.client("s3"),
            self.session.client("logs"),
            self.session.client("sagemaker-runtime"),
            self.session.client("cloudwatch"),
        )
        return Deployer(clients, self.environment, progress=self.console.progress, clock=SystemClock())

    def default_image(self) -> str:
        """The image that MLflow's own command pushes."""
        from mlflow_platform.endpoints.publishing import default_image

        partition = self.session.get_partition_for_region(self.environment.region)
        return default_image(self.environment, partition, version("mlflow"))

    def registry(self) -> MlflowClient:
        """A client of the tracking server, which must be running."""
        tracking_server.require_running(self.session.client("sagemaker"), self.environment.server)
        tracking.prepare(os.environ)
        return tracking.connect(self.environment.server, self.session)

    def find(self, uri: str) -> model.Model:
        """Find a model."""
        if not model.is_tracked(uri):
            return model.find(uri, None)
        self.console.progress(f"finding {uri}")
        return model.find(uri, self.registry())

    def models_of(self, endpoint: str) -> set[str]:
        """The registered models that an endpoint serves."""
        from mlflow_platform.endpoints.status import variants_of

        variants = variants_of(self.session.client("sagemaker"), endpoint)
        return {variant.model.name for variant in variants if variant.model.name}

    def write_back(self, endpoint: str, formerly: set[str]) -> None:
        """Tag the model versions that the endpoint serves. A failure is reported, and does not undo the deployment."""
        from mlflow_platform.endpoints.status import variants_of
        from mlflow_platform.endpoints.write_back import write_back

        variants = variants_of(self.session.client("sagemaker"), endpoint)
        if not (formerly or any(variant.model.name for variant in variants)):
            return
        try:
            for change in write_back(self.registry(), endpoint, variants, formerly):
                self.console.progress(f"tagged {change}")
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            self.console.progress(f"could not tag the model versions ({known.message}) Run the same command again.")


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
    capture: options.Capture = None,
    challenger: options.Challenger = None,
    shadow: options.Shadow = None,
    weight: options.Weight = 0.1,
    shift: options.Shift = None,
    strategy: options.StrategyName = strategies.ALL_AT_ONCE,
    share: options.Share = None,
    wait: options.Wait = None,
    keep_old: options.KeepOld = 0,
    max_latency: options.MaxLatency = None,
    max_failures: options.MaxFailures = 0.5,
    alarms: options.Alarms = True,
    smoke_request: options.SmokeRequest = True,
    rollback: options.Rollback = False,
    status: options.Status = False,
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
    actions = {
        "--delete": delete,
        "--rollback": rollback,
        "--status": status,
        "--shift": bool(shift),
        "--dry-run": dry_run,
    }
    _check_variants(challenger, shadow, weight)
    weights = parse_weights(shift or [])
    _check_usage(uri, name, actions)
    protection = Protection(
        strategies.strategy(strategy, share=share, wait=wait, keep=keep_old),
        max_latency,
        max_failures,
        alarms,
        smoke_request,
    )
    protection.strategy.check_instances(instance_count)
    protection.strategy.check_variants(several=challenger is not None)
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        here = Here(console, *open_environment(env, local=local))
        if status:
            _status(here, uri, name)
            return
        if not name:
            name = specification.default_name(here.environment, model.registered_name(uri or ""), uri or "")
        formerly = here.models_of(name) | {found for found in [model.registered_name(uri or "")] if found}
        if shift:
            _shift(here, name, weights)
        elif delete:
            _delete(here, name)
        elif rollback:
            _rollback(here, name)
        else:
            from mlflow_platform.endpoints.publishing import Hosting

            image = image_uri or here.default_image()
            hosting = Hosting(image, instance_type, instance_count, startup_timeout, download_timeout, capture)
            found = here.find(uri or "")
            # Before anything is put into the bucket: nothing would remove it from there.
            here.deployer().check_target(name, found.name, replace_model=replace_model)
            beside = _companion(here, challenger, shadow, weight)
            _deploy(here, (name, found, hosting, protection, beside), replace_model=replace_model, dry_run=dry_run)
        if not dry_run:
            here.write_back(name, formerly)


def _check_usage(uri: str | None, name: str | None, actions: dict[str, bool]) -> None:
    given = [action for action, wanted in actions.items() if wanted]
    if len(given) > 1:
        raise InputError(f"{', '.join(actions)} exclude each other. Give one of them.")
    if uri:
        model.check_uri(uri)
    elif given != ["--status"] and not (given and given != ["--dry-run"] and name):
        raise InputError(
            "no model given. Give MODEL, or name the endpoint to remove or roll back (--endpoint NAME --delete)."
        )
    if name:
        specification.check_name(name)


def _check_variants(challenger: str | None, shadow: str | None, weight: float) -> None:
    if challenger and shadow:
        # CreateEndpointConfig (SageMaker API), ShadowProductionVariants.
        raise InputError("an endpoint with a shadow has one other variant only. Give --challenger or --shadow.")
    for uri in filter(None, (challenger, shadow)):
        model.check_uri(uri)
        if (weight in {0, 1} and challenger) or weight == 0:
            raise InputError("--weight must leave requests for both models: use a share above 0 and below 1.")


def _companion(here: Here, challenger: str | None, shadow: str | None, weight: float) -> Companion | None:
    from mlflow_platform.endpoints.publishing import Companion

    uri = challenger or shadow
    if not uri:
        return None
    name = specification.CHALLENGER if challenger else specification.SHADOW
    return Companion(here.find(uri), name, weight, shadow=not challenger)


def _shift(here: Here, name: str, weights: dict[str, float]) -> None:
    here.deployer().shift(name, weights)
    here.console.result({"endpoint": name, "change": "weights changed", "changed": True, "weights": weights})


def _deploy(
    here: Here,
    wanted: tuple[str, model.Model, Hosting, Protection, Companion | None],
    *,
    replace_model: bool,
    dry_run: bool,
) -> None:
    from mlflow_platform.endpoints.publishing import publish, publish_beside

    name, found, hosting, protection, beside = wanted
    console, deployer, s3 = here.console, here.deployer(), here.session.client("s3")
    console.progress(f"packing {found.location}")
    published = publish(s3, here.environment, name, found, hosting, upload=not dry_run)
    if beside:
        console.progress(f"packing {beside.model.location}")
        published = publish_beside(s3, here.environment, published, beside, upload=not dry_run)
    found, spec = published.model, published.spec
    if dry_run:
        console.result(_preview(name, found, spec, deployer.preview(spec, replace_model=replace_model)))
        return
    if protection.smoke_request and published.example is None:
        console.progress("no smoke request: the model was logged without an input example")
    guards = protection.guards(spec, published.example)
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
            "variants": ", ".join(["AllTraffic", *(f"{one.name} ({one.weight:g})" for one in spec.others)]),
            "captured": f"{spec.capture_uri}/{name}" if spec.capture_percent is not None else None,
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


def _status(here: Here, uri: str | None, name: str | None) -> None:
    from mlflow_platform.endpoints.status import aliases_of, columns, report, serving

    variants = serving(here.session.client("sagemaker"), here.environment)
    if name:
        variants = [variant for variant in variants if variant.endpoint == name]
    if uri:
        wanted = here.find(uri)
        variants = [variant for variant in variants if variant.model.uri == wanted.uri]
    aliases: dict[tuple[str, str], list[str]] = {}
    if any(variant.model.name for variant in variants):
        try:
            aliases = aliases_of(here.registry(), variants)
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            here.console.progress(f"aliases are not shown ({known.message})")
    rows = report(variants, aliases)
    if here.console.as_json:
        here.console.result({"environment": here.environment.name, "serving": rows})
    elif rows:
        here.console.table([(line, "") for line in columns(rows)])
    else:
        here.console.table([(f"nothing in {here.environment.name} serves {uri or name or 'a model'}", "")])


def _rollback(here: Here, name: str) -> None:
    served = here.deployer().rollback(name)
    here.console.result(
        {
            "endpoint": name,
            "change": "rolled back",
            "changed": True,
            "status": "InService",
            "model_uri": served.uri,
            "run_id": served.run_id,
        }
    )


def _delete(here: Here, name: str) -> None:
    removed = here.deployer().delete(name)
    resources = removed.resources
    nothing = not (removed.endpoint or resources or removed.alarms)
    here.console.result(
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
