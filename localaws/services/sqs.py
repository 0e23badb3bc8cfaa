"""SQS: a call that waits for messages does not keep others from sending them.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""

from localaws.moto_methods import original
from localaws.services.context import ServiceContext
from localaws.turns import lets_others_go_first


def install(_context: ServiceContext) -> None:
    """Changes moto's SQS."""
    from moto.sqs.models import Queue

    Queue.wait_for_messages = lets_others_go_first(original(Queue.wait_for_messages))
