"""Deploys a model to an endpoint, watches it until it serves, rolls back, and removes the endpoint.

The configuration that served before is kept, with its model and archive, so that a rollback is possible. Older ones are
removed. AWS's rules, and what AWS does not say:
- A `Failed` endpoint can only be deleted (DescribeEndpoint, EndpointStatus).
- After a failed update the endpoint is `InService` again with its old configuration, and FailureReason can be empty.
  Only the configuration's name shows the failure (hashicorp/terraform-provider-aws issue 48997).
- A configuration must not be deleted while an endpoint runs on it or is being updated to it (UpdateEndpoint).
- AWS may not find at once what was just created (CreateEndpoint). Such a call is repeated.
- AWS may have done the work although its answer was lost. So after an error the endpoint is described first, and
  only resources that are not in use are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from mlflow_common.errors import InputError, PlatformError, PreconditionError, error_code, error_message, explain
from mlflow_common.waiting import Clock, Progress, wait_for
from mlflow_platform.endpoints import container_log, failures
from mlflow_platform.endpoints.alarms import (
    Before,
    RollbackAlarm,
    fired,
    place_alarms,
    remove_alarms,
    restore_alarms,
)
from mlflow_platform.endpoints.creation import as_list, ensure_resources, missing_resources, retag
from mlflow_platform.endpoints.previous import previous, serving_endpoint
from mlflow_platform.endpoints.removal import Removed, preview_removal
from mlflow_platform.endpoints.resources import (
    Clients,
    EndpointResources,
    config_names,
    remove_resources,
    variant_names,
)
from mlflow_platform.endpoints.scaling import Autoscaling, retained, stop_scaling
from mlflow_platform.endpoints.smoke import SmokeTest
from mlflow_platform.endpoints.specification import EndpointSpec, smoke_name
from mlflow_platform.endpoints.state import (
    CHANGE_TIMEOUT,
    CHANGING,
    EndpointState,
    ServedModel,
    check_same_model,
    find,
    find_own,
    has_instances,
    is_missing,
    tags_of,
)
from mlflow_platform.endpoints.strategy import ALL_AT_ONCE, Strategy
from mlflow_platform.endpoints.weights import checked_weights, shift_weights

if TYPE_CHECKING:
    from mlflow_platform.environment import Environment

Change = Literal["created", "updated", "restored", "unchanged"]

_AWS_ERRORS = (ClientError, BotoCoreError)
# An update can take this long to show in DescribeEndpoint. Until then its absence means nothing.
_SHOWS_WITHIN = 30.0
_TRIES, _PAUSE = 5, 2.0


@dataclass(frozen=True)
class Guards:
    """What protects a deployment: how traffic moves, the alarms that roll it back, and the smoke request.

    `smoke_request` is a JSON body for the model; without one, no smoke request is sent.
    """

    strategy: Strategy = field(default_factory=Strategy)
    alarms: tuple[RollbackAlarm, ...] = ()
    smoke_request: bytes | None = None


NO_GUARDS = Guards()


@dataclass(frozen=True)
class Target:
    """What an endpoint is moved to: a configuration, the tags that go with it, and the image for error messages.

    `shifts` is whether AWS can move traffic as the strategy says.
    """

    endpoint: str
    config: str
    tags: Mapping[str, str]
    image: str = ""
    instance_type: str = ""
    guards: Guards = NO_GUARDS
    shifts: bool = True


@dataclass(frozen=True)
class Preview:
    """What a deployment would do. `served` is what the endpoint serves now, if it exists."""

    change: Change
    served: ServedModel | None
    status: str
    creates: tuple[str, ...]
    removes: tuple[str, ...]


class Deployer:
    """Deploys to, rolls back and removes the endpoints of one environment. `watched` names the last update's alarms."""

    def __init__(self, clients: Clients, environment: Environment, *, progress: Progress, clock: Clock) -> None:
        self._clients, self._environment = clients, environment
        self._sagemaker = clients.sagemaker
        self._progress, self._clock = progress, clock
        self._smoke = SmokeTest(clients, progress=progress, clock=clock)
        self.watched: tuple[str, ...] = ()

    def check_target(
        self, endpoint: str, model_name: str | None, *, replace_model: bool, serverless: bool = False
    ) -> EndpointState | None:
        """Describe an endpoint that a registered model may be deployed to; None if it does not exist yet.

        Args:
            model_name: the registered model's name; None for a model that is not registered.
            replace_model: whether the endpoint may serve another registered model now.
            serverless: whether it will have serverless capacity.

        Raises:
            PreconditionError: the endpoint belongs to another environment or serves another registered model, or AWS
                cannot update it to serverless capacity.
        """
        state, served = find_own(self._sagemaker, self._environment, endpoint)
        # A failed endpoint serves nothing.
        if state and state.status != "Failed" and not replace_model:
            check_same_model(
                endpoint,
                served,
                model_name,
                advice="Choose another name with --endpoint, or replace the model with --replace-model.",
            )
        serves = state is not None and state.status not in {"Failed", "Deleting"}
        if serverless and serves and state and has_instances(self._sagemaker, state):
            raise PreconditionError(
                f"the endpoint {endpoint} has instances, and AWS cannot update it to serverless capacity. Use another "
                "--endpoint."
            )
        return state

    def preview(self, spec: EndpointSpec, *, replace_model: bool = False) -> Preview:
        """Say what `deploy` would do now, without changing anything.

        Raises:
            PreconditionError: see `check_target`.
        """
        name = ServedModel.from_tags(spec.tags).name
        state = self.check_target(spec.endpoint, name, replace_model=replace_model, serverless=bool(spec.serverless))
        served = ServedModel.from_tags(tags_of(self._sagemaker, state)) if state else None
        creates = missing_resources(self._sagemaker, spec)
        serves_it = state is not None and state.status == "InService" and state.config == spec.config_name
        if state is None or state.status in {"Failed", "Deleting"}:
            change: Change = "created"
        elif serves_it:
            change = "restored" if creates else "unchanged"
        else:
            change = "updated"
        outdated = self._outdated(spec, state) if not serves_it else set()
        return Preview(change, served, state.status if state else "", tuple(creates), tuple(sorted(outdated)))

    def deploy(self, spec: EndpointSpec, *, replace_model: bool = False, guards: Guards = NO_GUARDS) -> Change:
        """Make the endpoint serve what the specification says, and wait until it does.

        The archive must be in S3 already. If a change of the endpoint is in progress, it is awaited first. If the new
        model does not start, everything created for it is removed, and what served before continues to serve.

        Raises:
            InputError: the instance type does not exist.
            PreconditionError: see `check_target`; AWS cannot use the image; or another deployment is in progress.
            PlatformError: the model did not start (the details are the end of the container's log), did not answer the
                smoke request, or an alarm has rolled the update back.
        """
        name, serverless = ServedModel.from_tags(spec.tags).name, bool(spec.serverless)
        state = self.check_target(spec.endpoint, name, replace_model=replace_model, serverless=serverless)
        resumed = state is not None and state.status == "Creating"
        if state and state.status in CHANGING:
            self._wait_until_settled(spec.endpoint)
            state = self.check_target(spec.endpoint, name, replace_model=replace_model, serverless=serverless)
        if state and state.status == "Failed":
            self._progress(f"deleting the endpoint {spec.endpoint}: it has failed, and AWS can only delete it")
            self._delete_endpoint(spec.endpoint)
            state = None
        target = Target(spec.endpoint, spec.config_name, spec.tags, spec.image, spec.instance_type, guards)
        models = frozenset(one.model_name for one in spec.models)
        made = EndpointResources(frozenset({spec.config_name}), models, spec.archives)
        if state and state.status == "InService" and state.config == spec.config_name:
            restored = ensure_resources(self._sagemaker, spec)
            retag(self._sagemaker, state.arn, target.tags)
            if resumed and guards.smoke_request is not None:
                self._check_new_endpoint(target, guards.smoke_request, made)
            return "restored" if restored else "unchanged"

        # Only configurations that exist now: another process may prepare the next deployment meanwhile.
        outdated = self._outdated(spec, state)
        if state and variant_names(self._sagemaker, state.config) != set(spec.variants):
            # AWS moves traffic all at once, without alarms, if the variants' names change
            # (docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html).
            if guards.strategy.kind != ALL_AT_ONCE:
                raise InputError(
                    f"--strategy {guards.strategy.kind} is not possible while the endpoint {spec.endpoint} gets other "
                    "variants. Change the variants with --strategy all-at-once."
                )
            self._progress("the endpoint gets other variants, so AWS moves traffic at once and no alarm is watched")
            guards = replace(guards, alarms=())
            target = replace(target, guards=guards, shifts=False)
        self._smoke.clear(spec.endpoint, except_for=smoke_name(spec))
        self.watched = tuple(alarm.name for alarm in guards.alarms) if state else ()
        before: Before = {}
        try:
            self._move(target, state, made, prepare=lambda: self._prepare(spec, guards, state, before))
        except PlatformError as error:
            self._restore(spec.endpoint, before, refused=isinstance(error, PreconditionError))
            raise
        self._tidy(spec.endpoint, EndpointResources(configs=frozenset(outdated)))
        return "updated" if state else "created"

    @contextmanager
    def discarding(self, spec: EndpointSpec) -> Iterator[None]:
        """If the deployment of a specification is refused, remove the archives that were uploaded for it.

        Those that a model uses stay.
        """
        try:
            yield
        except Exception:
            self._tidy(spec.endpoint, EndpointResources(archives=spec.archives))
            raise

    def _prepare(self, spec: EndpointSpec, guards: Guards, state: EndpointState | None, alarms: Before) -> None:
        """Create, test and guard what the endpoint moves to. `alarms` receives what the alarms were before."""
        ensure_resources(self._sagemaker, spec)
        if state and guards.smoke_request is not None:
            try:
                self._smoke.ask_apart(spec, guards.smoke_request)
            except PlatformError as error:
                message = f"{error.message} The previous model continues to serve."
                raise PlatformError(message, error.details) from None
        now = find(self._sagemaker, spec.endpoint)
        if now and now.is_moved_elsewhere(spec.config_name, state):
            # Its alarms have the same names.
            raise failures.other_deployment(spec.endpoint)
        place_alarms(self._clients.cloudwatch, guards.alarms if state else (), spec.tags, alarms)

    def shift(self, endpoint: str, weights: Mapping[str, float], *, dry_run: bool = False) -> Mapping[str, float]:
        """Give variants of an endpoint other weights, and wait until they have them. The other variants keep theirs.

        Returns the weights before that. A dry run only checks.

        Raises:
            InputError: the endpoint has no such variant, or no variant would get requests.
            PreconditionError: there is no such endpoint, or it is changing.
        """
        state, _ = find_own(self._sagemaker, self._environment, endpoint)
        if state is None or state.status != "InService":
            raise PreconditionError(
                f"the endpoint {endpoint} is {state.status if state else 'not there'}, so its weights cannot change."
            )
        before = checked_weights(self._sagemaker, endpoint, weights)
        if not dry_run:
            shift_weights(self._sagemaker, endpoint, weights)
            self._wait_until_settled(endpoint)
        return before

    def rollback(self, endpoint: str) -> ServedModel:
        """Move the endpoint back to the configuration that served before, and wait until it serves.

        Nothing is removed, so that a second rollback returns to the newer configuration.

        Raises:
            PreconditionError: the endpoint does not exist, or no other configuration is kept.
            PlatformError: the model did not start.
        """
        state, _ = find_own(self._sagemaker, self._environment, endpoint)
        if state and state.status in CHANGING:
            self._wait_until_settled(endpoint)
            state, _ = find_own(self._sagemaker, self._environment, endpoint)
        state = serving_endpoint(state, endpoint)
        found = previous(self._sagemaker, self._environment, endpoint, state)
        # See `deploy`: AWS refuses or ignores a way to move traffic if the variants' names change.
        same = variant_names(self._sagemaker, state.config) == set(found.instance_types)
        target = Target(endpoint, found.name, found.tags, shifts=same)
        with Autoscaling(self._clients).across(endpoint, found, self._progress):
            self._move(target, state, EndpointResources(), prepare=lambda: None)
        return ServedModel.from_tags(target.tags)

    def delete(self, endpoint: str) -> Removed:
        """Remove an endpoint with its configurations, models and archives. What does not exist is skipped.

        Raises:
            PreconditionError: the endpoint belongs to another environment.
        """
        state, _ = find_own(self._sagemaker, self._environment, endpoint)
        existed = state is not None
        if state and state.status in CHANGING:
            # AWS refuses to delete an endpoint that is being created or updated.
            state = self._wait_until_settled(endpoint)
        found = replace(preview_removal(self._clients, self._environment, endpoint), endpoint=existed)
        stop_scaling(self._clients.autoscaling, self._clients.cloudwatch, endpoint, found.scaled)
        if state:
            self._delete_endpoint(endpoint)
        self._smoke.clear(endpoint, force=True)
        remove_alarms(self._clients.cloudwatch, found.alarms)
        remove_resources(self._clients, self._environment, endpoint, found.resources)
        return found

    def _restore(self, endpoint: str, before: Before, *, refused: bool) -> None:
        """Undo what a failed attempt did to the alarms. A failure is reported, and does not hide why it failed."""
        try:
            state = find(self._sagemaker, endpoint) if before and not refused else None
            if state and state.status in CHANGING:
                self._progress(f"kept the alarms: the endpoint {endpoint} is {state.status}")
                return
            restore_alarms(self._clients.cloudwatch, before, self._environment.tags)
        except _AWS_ERRORS as error:
            self._progress(f"could not restore the alarms: {error_message(error) or error_code(error) or error}")

    def _outdated(self, spec: EndpointSpec, state: EndpointState | None) -> set[str]:
        """The configurations that a deployment removes: all but the new one and the one that serves now."""
        found = config_names(self._sagemaker, self._environment, spec.endpoint)
        return found - {spec.config_name, state.config if state else ""}

    def _move(
        self, target: Target, state: EndpointState | None, made: EndpointResources, *, prepare: Callable[[], object]
    ) -> None:
        """Create the endpoint on a configuration or update it to one, and wait until it serves.

        `made` is removed again if that fails.
        """
        streams = container_log.streams(self._clients.logs, target.endpoint)
        try:
            prepare()
            self._progress(f"{'updating' if state else 'creating'} the endpoint {target.endpoint}")
            unconfirmed = self._request(target, state)
        except _AWS_ERRORS as error:
            self._tidy(target.endpoint, made)
            raise failures.refused(error, image=target.image, instance_type=target.instance_type) from error
        except PlatformError:
            self._tidy(target.endpoint, made)
            raise
        after = self._follow(target, state)
        if after and after.config not in {target.config, state.config if state else ""}:
            self._tidy(target.endpoint, made)
            raise failures.other_deployment(target.endpoint, serves=after.config)
        if after is None or after.status != "InService" or after.config != target.config:
            if unconfirmed is not None and after == state:
                self._tidy(target.endpoint, made)
                raise failures.refused(unconfirmed) from unconfirmed
            failure = _rolled_back(self._clients.cloudwatch, target, after) or failures.did_not_start(
                self._clients.logs, target.endpoint, before=state, after=after, old_streams=streams
            )
            if after and after.status == "Failed" and state is None:
                self._delete_endpoint(target.endpoint)
            self._tidy(target.endpoint, made)
            raise failure
        if state is None and target.guards.smoke_request is not None:
            self._check_new_endpoint(target, target.guards.smoke_request, made)
        retag(self._sagemaker, after.arn, target.tags)

    def _check_new_endpoint(self, target: Target, request: bytes, made: EndpointResources) -> None:
        """Send the smoke request to an endpoint that was just created. It is removed if the model does not answer."""
        try:
            self._smoke.ask(target.endpoint, request)
        except PlatformError as error:
            self._delete_endpoint(target.endpoint)
            self._tidy(target.endpoint, made)
            raise PlatformError(f"{error.message} Everything created for it has been removed.", error.details) from None

    def _request(self, target: Target, before: EndpointState | None) -> Exception | None:
        """Ask AWS to create or update the endpoint. Returns an error after which AWS may still do it.

        Raises:
            PreconditionError: another deployment to the endpoint is in progress.
            botocore's errors: AWS refused.
        """
        config: Any = retained(self._clients.autoscaling, target.endpoint) if before else {}
        if config:
            self._progress("the endpoint scales automatically, so it keeps its number of instances")
        if target.shifts:
            alarms = [alarm.name for alarm in target.guards.alarms]
            config["DeploymentConfig"] = target.guards.strategy.deployment_config(alarms)
        for attempt in range(1, _TRIES + 1):
            try:
                if before:
                    self._sagemaker.update_endpoint(
                        EndpointName=target.endpoint, EndpointConfigName=target.config, **config
                    )
                else:
                    self._sagemaker.create_endpoint(
                        EndpointName=target.endpoint, EndpointConfigName=target.config, Tags=as_list(target.tags)
                    )
            except _AWS_ERRORS as error:
                if is_missing(error):
                    if attempt == _TRIES:
                        raise
                    self._clock.sleep(_PAUSE)
                    continue
                if self._was_accepted(target, before, error):
                    return None
                if failures.is_final(error):
                    raise
                return error
            return None
        return None

    def _was_accepted(self, target: Target, before: EndpointState | None, error: Exception) -> bool:
        """Whether AWS accepted the request, although it answered with an error or not at all.

        Raises:
            PreconditionError: another deployment has moved the endpoint, or is moving it.
        """
        state = find(self._sagemaker, target.endpoint)
        if state is None:
            return False
        changing = state.status in CHANGING
        # Without a pending configuration, AWS does not say what the endpoint is moving to: the end will show it.
        unclear = changing and before and not state.pending_config and not failures.is_first_refusal(error)
        if not unclear and state.is_moved_elsewhere(target.config, before):
            raise failures.other_deployment(target.endpoint)
        return changing or target.config in state.configs_in_use

    def _wait_until_settled(self, endpoint: str) -> EndpointState | None:
        return self._watch(endpoint, lambda state: state is None or state.status not in CHANGING)

    def _delete_endpoint(self, endpoint: str) -> None:
        try:
            self._sagemaker.delete_endpoint(EndpointName=endpoint)
        except _AWS_ERRORS as error:
            state = find(self._sagemaker, endpoint)
            if state is not None and state.status != "Deleting":
                raise explain(error) or error from error
        self._watch(endpoint, lambda state: state is None)

    def _follow(self, target: Target, before: EndpointState | None) -> EndpointState | None:
        """Wait until a creation or an update has ended, in whatever way."""
        began, moved = self._clock.now(), False

        def ended(state: EndpointState | None) -> bool:
            nonlocal moved
            if state and state.status in CHANGING:
                moved = True
                return False
            # An endpoint that is described a moment too early looks as it did before.
            return moved or state != before or self._clock.now() - began > _SHOWS_WITHIN

        return self._watch(target.endpoint, ended)

    def _watch(self, endpoint: str, settled: Callable[[EndpointState | None], bool]) -> EndpointState | None:
        return wait_for(
            lambda: find(self._sagemaker, endpoint),
            settled=settled,
            describe=lambda state: f"endpoint {endpoint}: {state.status if state else 'deleted'}",
            progress=self._progress,
            clock=self._clock,
            timeout=CHANGE_TIMEOUT,
        )

    def _tidy(self, endpoint: str, unwanted: EndpointResources) -> None:
        """Remove what is neither needed nor in use. A failure is reported, and does not fail the deployment."""
        if not unwanted:
            return
        try:
            state = find(self._sagemaker, endpoint)
            if state and state.status in CHANGING and state.status != "Creating" and not state.pending_config:
                self._progress(f"kept what was created for {endpoint}: the endpoint may still be moving to it")
                return
            in_use = state.configs_in_use if state else frozenset()
            kept = EndpointResources(unwanted.configs - in_use, unwanted.models, unwanted.archives)
            remove_resources(self._clients, self._environment, endpoint, kept)
        except _AWS_ERRORS as error:
            self._progress(f"could not tidy up: {error_message(error) or error_code(error) or error}")


def _rolled_back(cloudwatch: Any, target: Target, after: EndpointState | None) -> PlatformError | None:
    """The error for an update that an alarm has rolled back; None if no alarm did."""
    if after is None or after.status != "InService" or not target.guards.alarms:
        return None
    alarm = fired(cloudwatch, target.guards.alarms, after.reason)
    return failures.rolled_back(target.endpoint, alarm, after.reason) if alarm else None
