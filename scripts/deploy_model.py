"""Deploy a model to an environment's endpoint, update what it serves, roll it back, or remove it."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlflow_common.console import Console, make_app, run
from mlflow_common.deploy_options import DeployOptions
from mlflow_common.errors import PlatformError, explain, reason
from mlflow_common.gathered_options import gathered
from mlflow_common.instance_types import has_local_storage
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking, tracking_server
from mlflow_platform.endpoints import hosting, model, package, scaling, specification, strategy, variants
from mlflow_platform.endpoints.state import ServedModel
from mlflow_platform.endpoints.usage import check_usage
from mlflow_platform.endpoints.weights import changed_weights, parse_weights
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from boto3 import Session
    from mlflow import MlflowClient

    from mlflow_platform.compatibility.matrix import Operation
    from mlflow_platform.endpoints.deployment import Change, Deployer, Guards, Preview
    from mlflow_platform.endpoints.publishing import Companion, Published
    from mlflow_platform.endpoints.resources import Clients
    from mlflow_platform.endpoints.specification import EndpointSpec
    from mlflow_platform.environment import Environment

app = make_app()

# What to do if the model versions could not be tagged. A second rollback would return to the newer configuration.
_AGAIN = "Run the same command again."
_AFTER_ROLLBACK = "Do not roll back again. The next deployment to the endpoint corrects the tags."


class ScalingError(PlatformError):
    """An endpoint serves its new model, and its automatic scaling could not be changed."""


@dataclass(frozen=True)
class Protection:
    """The options that protect an update."""

    strategy: strategy.Strategy
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

    def clients(self) -> Clients:
        """The clients that a deployment needs."""
        from mlflow_platform.endpoints.resources import Clients

        return Clients(
            self.session.client("sagemaker"),
            self.session.client("s3"),
            self.session.client("logs"),
            self.session.client("sagemaker-runtime"),
            self.session.client("cloudwatch"),
            self.session.client("application-autoscaling"),
        )

    def deployer(self) -> Deployer:
        """What deploys to the environment's endpoints."""
        from mlflow_platform.endpoints.deployment import Deployer

        return Deployer(self.clients(), self.environment, progress=self.console.progress, clock=SystemClock())

    def image_of(self, found: model.Model, given: str | None) -> str:
        """The image that serves a model. It is shown, with the reason for it."""
        from mlflow_platform.endpoints import serving_image

        chosen = serving_image.choose(self.session, self.environment, found.location, given, version("mlflow"))
        self.console.progress(f"image of {found.uri}: {chosen}")
        return chosen.uri

    def client(self, needs: Sequence[Operation] = ("registry",)) -> MlflowClient:
        """A client of the tracking server, which must be running, for these operations."""
        tracking_server.require_running(self.session.client("sagemaker"), self.environment.server)
        tracking.prepare(os.environ)
        return tracking.connect(self.environment.server, self.session, needs)

    def find(self, uri: str) -> model.Model:
        """Find a model. Of a model package it is the MLflow model that the package names."""
        if package.is_package(uri):
            return self.package(uri).model
        if not model.is_tracked(uri):
            return model.find(uri, None)
        self.console.progress(f"finding {uri}")
        return model.find(uri, self.client(model.needs(uri)), self.environment.artifact_stores)

    def package(self, arn: str) -> package.ModelPackage:
        """Describe a model package."""
        self.console.progress(f"reading {arn}")
        return package.describe(self.session.client("sagemaker"), self.environment, arn)

    def approve(self, arn: str) -> None:
        """Approve a model package, unless it is approved."""
        if self.package(arn).approval != package.APPROVED:
            self.console.progress(f"approving {arn}")
            package.set_approval(self.session.client("sagemaker"), arn, package.APPROVED, "Set by deploy_model.py")

    def may_be_tagged(self, endpoint: str, *, removed: bool) -> bool:
        """Whether a model version may have the tag of an endpoint, which serves a registered model or did so.

        If the endpoint is to be removed and does not exist, an earlier removal may have left tags.
        """
        from mlflow_platform.endpoints.status import variants_of

        variants = variants_of(self.session.client("sagemaker"), endpoint)
        return any(variant.model.name for variant in variants) or (removed and not variants)

    def write_back(self, endpoint: str, *, tagged: bool, repair: str) -> None:
        """Tag the model versions that the endpoint serves. A failure is reported, and does not undo the deployment.

        Args:
            tagged: whether a version may have the endpoint's tag.
            repair: what to do after a failure.
        """
        from mlflow_platform.endpoints.status import variants_of
        from mlflow_platform.endpoints.write_back import write_back

        try:
            variants = variants_of(self.session.client("sagemaker"), endpoint)
            if tagged or any(variant.model.name for variant in variants):
                for change in write_back(self.client(), endpoint, variants):
                    self.console.progress(change)
        except Exception as error:
            why = reason(error).rstrip(".")
            self.console.progress(
                f"the work on {endpoint} is done, but the registry's tags may not say so: {why}. {repair}"
            )


@app.command()
@gathered(DeployOptions)
def deploy_model(given: DeployOptions) -> None:
    """Make an endpoint serve a model, and wait until it does.

    Deploying the model that is served already changes nothing.

    If a model does not start, does not answer its input example, or an alarm stops the update, the endpoint stays as
    it was, and the reason is shown.
    """
    uri, name = given.uri or "", given.name
    protection = Protection(
        check_usage(given), given.max_latency, given.max_failures, given.alarms, given.smoke_request
    )
    with Console(as_json=given.as_json) as console:
        console.progress(f"reading the outputs of {given.env}")
        here = Here(console, *open_environment(given.env, local=given.local))
        if given.status:
            _status(here, given.uri, name)
            return
        pushed = here.package(uri) if package.is_package(uri) else None
        registered = pushed.model.name if pushed else model.registered_name(uri)
        if not name:
            name = specification.default_name(here.environment, registered, uri)
        tagged = bool(registered) or here.may_be_tagged(name, removed=given.delete)
        repair = _AFTER_ROLLBACK if given.rollback else _AGAIN
        if given.shift:
            _shift(here, name, parse_weights(given.shift), dry_run=given.dry_run)
        elif given.delete:
            (_preview_removal if given.dry_run else _delete)(here, name)
        elif given.rollback:
            (_preview_rollback if given.dry_run else _rollback)(here, name)
        else:
            found = pushed.model if pushed else here.find(uri)
            # Before anything is put into the bucket: nothing would remove it from there.
            serverless = given.serverless is not None
            here.deployer().check_target(name, found.name, replace_model=given.replace_model, serverless=serverless)
            if pushed:
                package.require_approved(pushed, approve=given.approve)
            published = _published(here, given, name, pushed or found)
            try:
                _deploy(here, given, published, protection)
            except ScalingError:
                here.write_back(name, tagged=tagged, repair=repair)
                raise
        if not given.dry_run:
            here.write_back(name, tagged=tagged, repair=repair)


def _published(here: Here, given: DeployOptions, name: str, found: model.Model | package.ModelPackage) -> Published:
    """Pack and upload the model and the one beside it; a package has its archive already. A dry run only packs."""
    from mlflow_platform.endpoints.publishing import Hosting, publish, publish_beside, publish_package

    s3, upload = here.session.client("s3"), not given.dry_run
    image = "" if isinstance(found, package.ModelPackage) else here.image_of(found, given.image_uri)
    where = Hosting(
        image,
        given.instance_type,
        given.instance_count,
        given.startup_timeout,
        given.download_timeout,
        given.capture,
        hosting.parse_serverless(given.serverless),
        hosting.parse_network(given.subnet or [], given.security_group or []),
        given.kms_key,
        hosting.parse_tags(given.tag or []),
        specification.asynchronous(here.environment, name, given.notify, given.concurrency)
        if given.asynchronous
        else None,
    )
    companions = _companions(here, given)
    if isinstance(found, package.ModelPackage):
        published = publish_package(s3, here.environment, name, found, where)
    else:
        here.console.progress(f"packing {found.location}")
        published = publish(s3, here.environment, name, found, where, upload=upload)
    for beside in companions:
        here.console.progress(f"packing {beside.model.location}")
        with here.deployer().discarding(published.spec) if upload else nullcontext():
            published = publish_beside(s3, here.environment, published, beside, upload=upload)
    return published


def _companions(here: Here, given: DeployOptions) -> list[Companion]:
    from mlflow_platform.endpoints.publishing import Companion

    found = []
    for one in variants.beside(given.variant or [], given.challenger, given.shadow, given.weight):
        known = here.find(one.uri)
        image = here.image_of(known, given.image_uri)
        found.append(Companion(known, one.name, one.weight, shadow=one.shadow, image=image))
    return found


def _shift(here: Here, name: str, weights: dict[str, float], *, dry_run: bool) -> None:
    before = here.deployer().shift(name, weights, dry_run=dry_run)
    changes = changed_weights(before, weights)
    if dry_run:
        here.console.result(
            {
                "endpoint": name,
                "would_be": "reweighted" if changes else "unchanged",
                "would_change": bool(changes),
                "weights": before,
                "would_weigh": dict(before) | weights,
            }
        )
        return
    change = "weights changed" if changes else "none: the variants have these weights already"
    here.console.result({"endpoint": name, "change": change, "changed": bool(changes), "weights": weights})


def _deploy(here: Here, given: DeployOptions, published: Published, protection: Protection) -> None:
    from mlflow_platform.endpoints.ended import ended_settings

    console, deployer = here.console, here.deployer()
    found, spec = published.model, published.spec
    wanted = scaling.parse_scaling(given.autoscale, given.target, asynchronous=given.asynchronous)
    autoscaling = scaling.Autoscaling(here.clients())
    # An endpoint that scales keeps its number of instances.
    scales = not wanted.off if wanted else autoscaling.bounds(spec.endpoint) is not None
    named = given.explicit | ({"--instance-count"} if scales else set())
    ended = ", ".join(ended_settings(here.session.client("sagemaker"), spec, named)) or None
    if ended:
        console.progress(f"the endpoint is deployed with {ended} now, which ends. Repeat the option to keep it")
    if given.dry_run:
        autoscaling.check(spec, wanted, protection.strategy)
        preview = deployer.preview(spec, replace_model=given.replace_model)
        waits = bool(spec.package) and here.package(spec.package).approval != package.APPROVED
        console.result(
            _preview(spec, found, preview, wanted)
            | {"would_approve": spec.package if waits else None, "would_end": ended}
        )
        return
    if given.kms_key and has_local_storage(given.instance_type):
        console.progress(f"--kms-key does not encrypt the local storage of {given.instance_type}: its hardware does")
    if protection.smoke_request and published.example is None:
        console.progress("no smoke request: the model was logged without an input example")
    with deployer.discarding(spec):
        if spec.package and given.approve:
            here.approve(spec.package)
        guards = protection.guards(spec, published.example)
        with autoscaling.during(spec, wanted, protection.strategy):
            change = deployer.deploy(spec, replace_model=given.replace_model, guards=guards)
    try:
        scaled = autoscaling.apply(spec, wanted)
        bounds = str(wanted) if wanted else autoscaling.bounds(spec.endpoint)
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        raise ScalingError(
            f"the endpoint {spec.endpoint} serves {found.uri}, but its automatic scaling could not be changed: "
            f"{known.message.rstrip('.')}. {_AGAIN}"
        ) from error
    console.result(_deployed(found, spec, change, scaled, deployer.watched, bounds) | {"ended": ended})


def _deployed(
    found: model.Model,
    spec: EndpointSpec,
    change: Change,
    scaled: bool,
    watched: Sequence[str],
    bounds: str | None,
) -> dict[str, Any]:
    """The result of a deployment. `scaled` is whether the automatic scaling was changed, `bounds` what it is now."""
    what = "none: the endpoint serves this model already" if change == "unchanged" else change
    return {
        "endpoint": spec.endpoint,
        "change": "scaling changed" if scaled and change == "unchanged" else what,
        "changed": change != "unchanged" or scaled,
        "status": "InService",
        "model_uri": found.uri,
        "run_id": found.run_id,
        "model": spec.model_name,
        "configuration": spec.config_name,
        "archive": spec.archive_uri or None,
        "image": spec.image or None,
        "package": spec.package or None,
        "variants": ", ".join(["AllTraffic", *(f"{one.name} ({one.weight:g})" for one in spec.others)]),
        "captured": f"{spec.capture_uri}/{spec.endpoint}" if spec.capture_percent is not None else None,
        "instances": None if spec.serverless else _instances(spec, bounds),
        "serverless": f"{spec.serverless.memory} MB, {spec.serverless.concurrency} requests at a time"
        if spec.serverless
        else None,
        "autoscaling": bounds,
        "async_results": spec.asynchronous.output if spec.asynchronous else None,
        "alarms": ", ".join(watched) or None,
    }


def _instances(spec: EndpointSpec, bounds: str | None) -> str:
    """An endpoint that scales has the number of instances that it needs."""
    return spec.instance_type if bounds not in (None, "off") else f"{spec.instance_count} x {spec.instance_type}"


def _preview(
    spec: EndpointSpec, found: model.Model, preview: Preview, wanted: scaling.Scaling | None
) -> dict[str, Any]:
    return {
        "endpoint": spec.endpoint,
        "would_be": preview.change,
        "would_change": preview.change != "unchanged",
        "status": preview.status or "does not exist",
        "serves": preview.served.uri if preview.served else None,
        "model_uri": found.uri,
        "configuration": spec.config_name,
        "archive": spec.archive_uri or None,
        "package": spec.package or None,
        "would_scale": str(wanted) if wanted else None,
        "would_create": ", ".join(preview.creates) or None,
        "would_remove": ", ".join(preview.removes) or None,
    }


def _status(here: Here, uri: str | None, name: str | None) -> None:
    from mlflow_platform.endpoints.status import aliases_of, columns, report, serving

    variants, unknown = serving(here.session.client("sagemaker"), here.environment)
    if name:
        variants = [variant for variant in variants if variant.endpoint == name]
        unknown = [one for one in unknown if one == name]
    if uri:
        wanted = here.find(uri)
        variants = [variant for variant in variants if variant.model.uri == wanted.uri]
    aliases: dict[tuple[str, str], list[str]] = {}
    if any(variant.model.name for variant in variants):
        try:
            aliases = aliases_of(here.client(), variants)
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            here.console.progress(f"aliases are not shown ({known.message})")
    rows = report(variants, aliases)
    if here.console.as_json:
        here.console.result({"environment": here.environment.name, "serving": rows, "unknown": unknown})
        return
    nothing = f"nothing in {here.environment.name} serves {uri or name or 'a model'}"
    here.console.table([(line, "") for line in (columns(rows) if rows else [nothing])])
    if unknown:
        why = "You may not read their tags, which say whether they are the environment's"
        here.console.table([(f"unknown: {', '.join(unknown)}. {why}.", "yellow")])


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


def _preview_rollback(here: Here, name: str) -> None:
    from mlflow_platform.endpoints.previous import preview_rollback

    preview = preview_rollback(here.session.client("sagemaker"), here.environment, name)
    target = ServedModel.from_tags(preview.target.tags)
    here.console.result(
        {
            "endpoint": name,
            "would_be": "rolled back",
            "would_change": True,
            "status": preview.status,
            "serves": preview.served.uri,
            "model_uri": target.uri,
            "run_id": target.run_id,
            "serving_configuration": preview.config,
            "configuration": preview.target.name,
            "would_scale": str(scaling.Autoscaling(here.clients()).upon_rollback(name, preview.target)) or None,
            "variants": ", ".join(
                f"{one['VariantName']} ({one.get('InitialVariantWeight', 1):g})" for one in preview.target.variants
            ),
        }
    )


def _preview_removal(here: Here, name: str) -> None:
    from mlflow_platform.endpoints.removal import preview_removal

    found = preview_removal(here.clients(), here.environment, name)
    resources = found.resources
    names = [
        *([f"endpoint {name}"] if found.endpoint else []),
        *(f"scaling of {one}" for one in sorted(found.scaled)),
        *(f"test endpoint {one}" for one in sorted(found.tests)),
        *(f"configuration {one}" for one in sorted(resources.configs)),
        *(f"model {one}" for one in sorted(resources.models)),
        *sorted(resources.archives),
        *(f"alarm {one}" for one in sorted(found.alarms)),
    ]
    here.console.result(
        {
            "endpoint": name,
            "would_be": "removed" if names else "unchanged: there is nothing to remove",
            "would_change": bool(names),
            "would_remove": ", ".join(names) or None,
        }
    )


def _delete(here: Here, name: str) -> None:
    removed = here.deployer().delete(name)
    resources = removed.resources
    here.console.result(
        {
            "endpoint": name,
            "change": "removed" if removed else "none: there was nothing to remove",
            "changed": bool(removed),
            "configurations": len(resources.configs),
            "models": len(resources.models),
            "archives": len(resources.archives),
            "alarms": len(removed.alarms),
        }
    )


if __name__ == "__main__":
    run(app)
