"""EventBridge: rules run builds, pipelines and notifications."""

from localaws.services.context import ServiceContext


def install(context: ServiceContext) -> None:
    """Changes moto's rules."""
    context.delivery.events.install()
