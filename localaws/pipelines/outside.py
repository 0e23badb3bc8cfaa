"""Steps whose work is done outside SageMaker: Lambda and Callback steps.

Sources: the JSON schema of definitions (see expressions.py), SageMaker's SDK (workflow/lambda_step.py and
workflow/callback_step.py), and for stops
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopPipelineExecution.html
"""

import json
import threading
from typing import Any

from localaws.endpoints.role import RoleClients
from localaws.pipelines.callbacks import Callbacks
from localaws.pipelines.errors import StepError, StoppedError
from localaws.pipelines.expressions import as_text
from localaws.pipelines.outputs import typed
from localaws.pipelines.record import StepRun

_POLL_SECONDS = 0.05


def invoke(step: dict[str, Any], run: StepRun, arguments: dict[str, Any], clients: RoleClients) -> None:
    """Run a Lambda step. "the Lambda function invoked by the lambda step can't be stopped".

    Raises:
        StepError: the function failed, or an output has another type than declared.
    """
    arn = step["FunctionArn"]
    run.shown["Metadata"] = {"Lambda": {"Arn": arn}}
    answer = clients.functions.invoke(FunctionName=arn, Payload=json.dumps(arguments, default=as_text))
    payload = answer["Payload"].read().decode(errors="replace")
    if answer.get("FunctionError"):
        raise StepError(f"ClientError: The Lambda function {arn} failed: {payload}")
    returned = json.loads(payload)
    # "The output_name in LambdaOutput corresponds to the dictionary key in the Lambda's return dictionary":
    # sm-pipelines_lambda_step in aws/amazon-sagemaker-examples.
    _keep(step, run, "Lambda", returned if isinstance(returned, dict) else {})


def wait(
    step: dict[str, Any],
    run: StepRun,
    arguments: dict[str, Any],
    clients: RoleClients,
    callbacks: Callbacks,
    execution: str,
    stop: threading.Event,
) -> None:
    """Run a Callback step: send a message with a token, and wait for the answer. It has no time limit.

    Members of the message: `token` and `arguments` are those that the consumers in AWS's public examples read
    (sm-pipelines_callback_step in aws/amazon-sagemaker-examples), `Status` is in the documentation of stops.

    Raises:
        StepError: the answer is a failure.
        StoppedError: the execution was stopped, or localaws stops.
    """
    url = step["SqsQueueUrl"]
    callback = callbacks.open(execution)
    run.shown["Metadata"] = {"Callback": {"CallbackToken": callback.token, "SqsQueueUrl": url}}
    message = {"token": callback.token, "arguments": arguments}
    clients.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message, default=as_text))
    is_told = False
    while not callback.answered.wait(_POLL_SECONDS):
        if stop.is_set() and not is_told:
            # "sends an additional Amazon SQS message [...] Only when SageMaker Pipelines receives one of these calls
            # will it stop the pipeline execution."
            stopping = {**message, "Status": "Stopping"}
            clients.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(stopping, default=as_text))
            is_told = True
    if callback.closed or (callback.reason is not None and stop.is_set()):
        raise StoppedError
    if callback.reason is not None:
        raise StepError(callback.reason)
    _keep(step, run, "Callback", {one["Name"]: one["Value"] for one in callback.outputs})


def _keep(step: dict[str, Any], run: StepRun, kind: str, given: dict[str, Any]) -> None:
    """Keep a step's outputs: those that the definition declares, in their types, are what later steps refer to."""
    declared = {one["OutputName"]: one.get("OutputType", "String") for one in step.get("OutputParameters") or []}
    found = {name: typed(name, given[name], declared[name]) for name in declared if name in given}
    shown = [{"Name": name, "Value": as_text(value)} for name, value in found.items()]
    run.properties = {"OutputParameters": found}
    run.shown["Metadata"][kind]["OutputParameters"] = shown
