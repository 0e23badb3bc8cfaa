"""SNS on localaws."""

import json

from tests.support.running import RunningLocalAws


def test_a_message_that_one_queue_cannot_take_reaches_the_others(localaws: RunningLocalAws) -> None:
    sns, sqs = localaws.client("sns"), localaws.client("sqs")
    topic = sns.create_topic(Name="sns-partly")["TopicArn"]
    queue = sqs.create_queue(QueueName="sns-partly")["QueueUrl"]
    for name in ("sns-absent", "sns-partly"):
        endpoint = f"arn:aws:sqs:us-east-1:{localaws.settings.account}:{name}"
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)
    sns.publish(TopicArn=topic, Message="hello")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Message"] == "hello"
