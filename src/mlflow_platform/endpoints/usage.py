"""Which options of a deployment go together. Every combination has an effect, or is refused before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_platform.endpoints import hosting, model, package, scaling, specification, variants
from mlflow_platform.endpoints import strategy as strategies
from mlflow_platform.endpoints.weights import parse_weights

if TYPE_CHECKING:
    from mlflow_common.deploy_options import DeployOptions

# What is done instead of a deployment.
ACTIONS = ("--delete", "--rollback", "--status", "--shift")
_DRY_RUN = "--dry-run"
# The options that an action takes in addition to --dry-run.
_EVERYWHERE = frozenset({"--env", "--local", "--endpoint", "--json", "--debug"})
# Options that have no effect with another one.
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {"--no-alarms": ("--max-latency", "--max-failures")}
_SERVERLESS_EXCLUDES = (
    *("--instance-type", "--instance-count", "--autoscale", "--startup-timeout", "--download-timeout"),
    *("--capture", "--challenger", "--shadow", "--variant", "--subnet", "--kms-key"),
)
_ASYNC_EXCLUDES = ("--challenger", "--shadow", "--variant", "--serverless")


def check_usage(given: DeployOptions) -> strategies.Strategy:
    """Check the options of a deployment, or of an action, and return how traffic moves.

    Raises:
        InputError: an option has a wrong value, or two have no meaning together.
    """
    variants.beside(given.variant or [], given.challenger, given.shadow, given.weight)
    parse_weights(given.shift or [])
    strategy = strategies.strategy(given.strategy, share=given.share, wait=given.wait, keep=given.keep_old)
    _check_model(given, _checked_action(given))
    if given.name:
        specification.check_name(given.name)
    hosting.parse_network(given.subnet or [], given.security_group or [])
    hosting.check_key(given.kms_key)
    hosting.parse_tags(given.tag or [])
    _check_together(given, strategy)
    scaling.parse_scaling(given.autoscale, given.target, asynchronous=given.asynchronous)
    strategy.check_instances(given.instance_count)
    strategy.check_variants(several=bool(given.challenger or given.variant or given.shadow))
    return strategy


def _checked_action(given: DeployOptions) -> str | None:
    """The option that asks for something other than a deployment; None for a deployment."""
    chosen = [action for action in ACTIONS if action in given.explicit]
    if len(chosen) > 1:
        raise InputError(f"{', '.join(ACTIONS)} exclude each other. Give one of them.")
    if not chosen:
        return None
    if chosen == ["--status"] and given.dry_run:
        raise InputError("--status changes nothing. Leave --dry-run out.")
    surplus = sorted(given.explicit - _EVERYWHERE - {_DRY_RUN, *ACTIONS})
    if surplus:
        raise InputError(f"{surplus[0]} goes with a deployment, not with {chosen[0]}. Leave it out.")
    return chosen[0]


def _check_model(given: DeployOptions, action: str | None) -> None:
    is_package = package.is_package(given.uri or "")
    if given.uri:
        (package.check_arn if is_package else model.check_uri)(given.uri)
    elif action != "--status" and not (action and given.name):
        raise InputError(
            "no model given. Give MODEL, or name the endpoint to remove or roll back (--endpoint NAME --delete)."
        )
    if is_package and given.image_uri:
        raise InputError("a model package has its own image. Leave --image out.")
    if given.approve and not is_package:
        raise InputError("--approve is for model packages. Give the ARN of one, or leave it out.")


def _check_together(given: DeployOptions, strategy: strategies.Strategy) -> None:
    for option, others in _WITHOUT_EFFECT.items():
        surplus = [other for other in others if {option, other} <= given.explicit]
        if surplus:
            raise InputError(f"{surplus[0]} has no effect with {option}. Leave one of them out.")
    if "--weight" in given.explicit and not (given.challenger or given.shadow):
        raise InputError("--weight is the share of a --challenger or a --shadow. Give one of them, or leave it out.")
    serverless = hosting.parse_serverless(given.serverless)
    excluded = {option: option in given.explicit for option in _SERVERLESS_EXCLUDES}
    # AWS names instances' capacity for canaries and linear steps, and has no rolling updates of serverless endpoints.
    excluded["--strategy " + strategy.kind] = strategy.kind != strategies.ALL_AT_ONCE
    hosting.check_combination(serverless, excluded)
    hosting.check_async(
        wanted=given.asynchronous,
        topic=given.notify,
        concurrency=given.concurrency,
        given={option: option in given.explicit for option in _ASYNC_EXCLUDES},
    )
