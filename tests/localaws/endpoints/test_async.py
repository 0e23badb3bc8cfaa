"""An asynchronous endpoint, a shadow variant and several instances, with real containers."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.endpoints.hosted import Hosted, unique

ROWS = b'{"dataframe_records": [{"variable": "GREETING"}]}'


def topic_with_queue(hosted: Hosted) -> tuple[str, Any]:
    """A topic, and a function that returns the messages that were published to it so far."""
    sns, sqs = hosted.localaws.client("sns"), hosted.localaws.client("sqs")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    queue = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def messages() -> list[dict[str, Any]]:
        got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return [json.loads(json.loads(one["Body"])["Message"]) for one in got]

    return topic, messages


def asynchronous(hosted: Hosted, obedient: Path, topic: str) -> str:
    """An endpoint in service that leaves results below a prefix with its name and notifies the topic."""
    config, name = unique("config"), unique("async")
    results = f"s3://{hosted.bucket}/{name}"
    hosted.sagemaker.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[
            {
                "VariantName": "one",
                "ModelName": hosted.model(obedient, GREETING="hello"),
                "InstanceType": "ml.m6i.large",
                "InitialInstanceCount": 1,
            }
        ],
        AsyncInferenceConfig={
            "OutputConfig": {
                "S3OutputPath": f"{results}/out",
                "S3FailurePath": f"{results}/failed",
                "NotificationConfig": {"SuccessTopic": topic, "ErrorTopic": topic},
            },
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1},
        },
    )
    hosted.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert hosted.settled(name)["EndpointStatus"] == "InService"
    return name


def invoke(hosted: Hosted, name: str, content: bytes, **more: Any) -> Any:
    key = f"{name}/in/{secrets.token_hex(4)}.json"
    hosted.s3.put_object(Bucket=hosted.bucket, Key=key, Body=content)
    location = f"s3://{hosted.bucket}/{key}"
    return hosted.runtime.invoke_endpoint_async(
        EndpointName=name, InputLocation=location, ContentType="application/json", **more
    )


def result(hosted: Hosted, location: str) -> Any:
    key = location.partition(f"{hosted.bucket}/")[2]
    hosted.until(lambda: hosted.s3.list_objects_v2(Bucket=hosted.bucket, Prefix=key), lambda got: got["KeyCount"] == 1)
    return hosted.s3.get_object(Bucket=hosted.bucket, Key=key)


def test_an_asynchronous_endpoint_leaves_results_in_s3_and_scales_to_zero(hosted: Hosted, obedient: Path) -> None:
    topic, messages = topic_with_queue(hosted)
    name = asynchronous(hosted, obedient, topic)
    with pytest.raises(ClientError, match="Use InvokeEndpointAsync"):
        hosted.predict(name, "{}")

    accepted = invoke(hosted, name, ROWS, InferenceId="row-1")
    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert accepted["InferenceId"] == "row-1"
    found = result(hosted, accepted["OutputLocation"])
    assert json.loads(found["Body"].read()) == {"predictions": ["hello"]}
    assert found["ContentType"] == "application/json"

    failed = invoke(hosted, name, b"no rows")
    assert b"error" in result(hosted, failed["FailureLocation"])["Body"].read().lower()
    both = hosted.until(messages, lambda got: {one["invocationStatus"] for one in got} == {"Completed", "Failed"})
    by_status = {one["invocationStatus"]: one for one in both}
    assert by_status["Completed"]["responseParameters"] == {
        "contentType": "application/json",
        "outputLocation": accepted["OutputLocation"],
    }
    assert by_status["Completed"]["inferenceId"] == "row-1"
    assert "from model. See the SageMaker Endpoint logs" in by_status["Failed"]["failureReason"]

    # Without instances, requests wait; they run once there is an instance.
    def scale(count: int) -> None:
        wanted = [{"VariantName": "one", "DesiredInstanceCount": count}]
        hosted.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wanted)
        (shown,) = hosted.settled(name)["ProductionVariants"]
        assert shown["CurrentInstanceCount"] == count

    scale(0)
    waiting = invoke(hosted, name, ROWS)
    cloudwatch = hosted.localaws.client("cloudwatch")
    seen = [{"Name": "EndpointName", "Value": name}]
    hosted.until(
        lambda: cloudwatch.list_metrics(MetricName="HasBacklogWithoutCapacity", Dimensions=seen)["Metrics"], bool
    )
    scale(1)
    assert json.loads(result(hosted, waiting["OutputLocation"])["Body"].read()) == {"predictions": ["hello"]}
    hosted.delete(name)


def test_a_shadow_variant_gets_copies_and_a_second_instance_shares_the_load(hosted: Hosted, obedient: Path) -> None:
    name, config = unique("shadowed"), unique("config")

    def variant(kind: str, greeting: str) -> dict[str, Any]:
        model = hosted.model(obedient, GREETING=greeting)
        return {"VariantName": kind, "ModelName": model, "InstanceType": "ml.m6i.large", "InitialInstanceCount": 1}

    hosted.sagemaker.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[variant("one", "")],
        ShadowProductionVariants=[variant("copy", "shadow")],
        DataCaptureConfig={
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{hosted.bucket}/{name}-captured",
            "CaptureOptions": [{"CaptureMode": "Output"}],
        },
    )
    hosted.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    (shown,) = hosted.settled(name)["ShadowProductionVariants"]
    assert (shown["VariantName"], shown["CurrentInstanceCount"]) == ("copy", 1)

    # The answer is the production variant's; the copy is captured.
    answers = {hosted.predict(name, ROWS.decode())[0] for _ in range(5)}
    assert "shadow" not in answers
    hosted.until(
        lambda: hosted.s3.list_objects_v2(Bucket=hosted.bucket, Prefix=f"{name}-captured/{name}/copy/"),
        lambda got: got["KeyCount"] > 0,
    )
    with pytest.raises(ClientError, match="Variant copy of endpoint"):
        hosted.predict(name, ROWS.decode(), TargetVariant="copy")

    # A target tracking policy starts a second process, which answers, too.
    scaling = hosted.localaws.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/one",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    with pytest.raises(ClientError, match="Only asynchronous endpoints scale to zero"):
        scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=2)
    scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=2)
    counts = hosted.until(
        lambda: hosted.describe(name)["ProductionVariants"][0], lambda got: got["CurrentInstanceCount"] == 2, 60
    )
    assert counts["DesiredInstanceCount"] == 2
    assert len({hosted.predict(name, ROWS.decode())[0] for _ in range(20)}) == 2
    (activity,) = scaling.describe_scaling_activities(**target)["ScalingActivities"]
    assert activity["Description"] == "Setting desired instance count to 2."
    scaling.deregister_scalable_target(**target)
    hosted.delete(name)
