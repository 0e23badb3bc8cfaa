"""SNS: a message that one subscriber cannot take reaches the others, and Publish succeeds.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html (SNS delivers after Publish has
answered; a deleted subscriber is an error of the delivery).
"""

import logging
from functools import wraps
from typing import Any

from localaws.moto_methods import original
from localaws.quotas import sns
from localaws.services.context import ServiceContext

log = logging.getLogger(__name__)


def install(_context: ServiceContext) -> None:
    """Changes moto's SNS."""
    from moto.core.responses import ActionResult
    from moto.sns import models
    from moto.sns.models import Subscription
    from moto.sns.responses import SNSResponse

    # `localaws.quotas.sns` knows each topic's limit.
    models.MAXIMUM_MESSAGE_LENGTH = sns.SIZES[-1]
    describe = original(SNSResponse.get_topic_attributes)

    @wraps(describe)
    def get_topic_attributes(self: Any) -> Any:
        found = describe(self).result["Attributes"]
        topic = self.backend.get_topic(found["TopicArn"])
        return ActionResult({"Attributes": {**found, "MaximumMessageSize": str(sns.message_bytes(topic))}})

    SNSResponse.get_topic_attributes = get_topic_attributes

    publish = original(Subscription.publish)

    @wraps(publish)
    def deliver(self: Any, *given: Any, **named: Any) -> None:
        try:
            publish(self, *given, **named)
        except Exception as error:  # A function that localaws does not invoke, an endpoint that moto cannot use.
            log.warning("The message to %s could not be delivered to %s: %r", self.topic.arn, self.endpoint, error)

    Subscription.publish = deliver
