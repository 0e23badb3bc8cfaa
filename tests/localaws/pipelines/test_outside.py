"""Callback steps wait for the answer to their token, and Lambda steps run a function, as in AWS's public examples."""

import io
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.pipelines import outside
from localaws.pipelines.callbacks import Callbacks
from localaws.pipelines.errors import StepError, StoppedError
from localaws.pipelines.expressions import ExpressionError
from localaws.pipelines.record import StepRun
from localaws.services.context import Caller
from tests.localaws.jobs.conftest import JobBench
from tests.localaws.pipelines.test_executions import start, steps, wait
from tests.support.running import TRUST, allow_everything, role

CALLER = Caller("arn:aws:iam::123456789012:user/u", "us-east-1")
EXECUTION = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/e"
CALLBACK = {
    "Name": "Wait",
    "Type": "Callback",
    "SqsQueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/q",
    "OutputParameters": [{"OutputName": "rows", "OutputType": "Integer"}, {"OutputName": "unset"}],
}
LAMBDA = {
    "Name": "Call",
    "Type": "Lambda",
    "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
    "OutputParameters": [{"OutputName": "ok", "OutputType": "Boolean"}, {"OutputName": "code"}],
}


class Waiting:
    """A callback step that runs in a thread, with a queue that keeps its messages."""

    def __init__(self) -> None:
        self.callbacks = Callbacks()
        self.stop = threading.Event()
        self.run = StepRun({})
        self.messages: list[dict[str, Any]] = []
        self.sent = threading.Semaphore(0)
        clients: Any = SimpleNamespace(sqs=self)
        given = (CALLBACK, self.run, {"input": "x"}, clients, self.callbacks, EXECUTION, self.stop)
        self._pool = ThreadPoolExecutor(1)
        self.ended = self._pool.submit(outside.wait, *given)
        self.next_message()

    def send_message(self, **given: Any) -> None:
        assert given["QueueUrl"] == CALLBACK["SqsQueueUrl"]
        self.messages.append(json.loads(given["MessageBody"]))
        self.sent.release()

    def next_message(self) -> None:
        assert self.sent.acquire(timeout=60)

    def succeed(self, value: str = "7", token: str = "", **more: Any) -> dict[str, Any]:
        outputs = [{"Name": "rows", "Value": value}, {"Name": "undeclared", "Value": "1"}]
        given = {"CallbackToken": token or self.messages[0]["token"], "OutputParameters": outputs, **more}
        return self.callbacks.succeed(CALLER, given)

    def fail(self) -> None:
        self.callbacks.fail(CALLER, {"CallbackToken": self.messages[0]["token"], "FailureReason": "no rows"})


@pytest.fixture
def waiting() -> Any:
    made = Waiting()
    yield made
    made.callbacks.close()


def test_a_callback_step_ends_with_the_outputs_of_the_answer(waiting: Waiting) -> None:
    token = waiting.messages[0]["token"]
    assert waiting.messages == [{"token": token, "arguments": {"input": "x"}}]
    assert (len(token), token.isalnum()) == (10, True)
    assert waiting.succeed(ClientRequestToken="r" * 32) == {"PipelineExecutionArn": EXECUTION}
    waiting.ended.result(60)
    assert waiting.run.properties == {"OutputParameters": {"rows": 7}}
    outputs = [{"Name": "rows", "Value": "7"}]
    shown = {"CallbackToken": token, "SqsQueueUrl": CALLBACK["SqsQueueUrl"], "OutputParameters": outputs}
    assert waiting.run.shown["Metadata"] == {"Callback": shown}
    assert waiting.succeed("8", ClientRequestToken="r" * 32) == {"PipelineExecutionArn": EXECUTION}
    with pytest.raises(AwsError, match="has ended"):
        waiting.fail()
    with pytest.raises(AwsError, match="No callback step has the token 0123456789"):
        waiting.succeed(token="0123456789")


def test_a_callback_step_fails_with_the_reason_of_the_answer(waiting: Waiting) -> None:
    waiting.fail()
    with pytest.raises(StepError, match=r"^no rows$"):
        waiting.ended.result(60)


def test_an_output_of_another_type_fails_the_step(waiting: Waiting) -> None:
    waiting.succeed("many")
    with pytest.raises(ExpressionError, match="rows is not of type Integer: 'many'"):
        waiting.ended.result(60)


def test_a_stop_is_announced_and_waits_for_the_answer(waiting: Waiting) -> None:
    waiting.stop.set()
    waiting.next_message()
    assert waiting.messages[1] == {**waiting.messages[0], "Status": "Stopping"}
    assert not waiting.ended.done()
    waiting.fail()
    with pytest.raises(StoppedError):
        waiting.ended.result(60)


def test_the_wait_ends_when_localaws_stops(waiting: Waiting) -> None:
    waiting.callbacks.close()
    with pytest.raises(StoppedError):
        waiting.ended.result(60)
    assert waiting.callbacks.open(EXECUTION).closed


def test_the_tokens_of_a_deleted_execution_are_removed(waiting: Waiting) -> None:
    kept = waiting.callbacks.open("other").token
    waiting.succeed()
    waiting.callbacks.forget(EXECUTION)
    with pytest.raises(AwsError, match="No callback step has the token"):
        waiting.succeed()
    assert waiting.succeed(token=kept) == {"PipelineExecutionArn": "other"}


class Function:
    """A client of Lambda with one function."""

    def __init__(self, payload: Any, error: str = "") -> None:
        self._answer = {
            "Payload": io.BytesIO(json.dumps(payload).encode()),
            **({"FunctionError": error} if error else {}),
        }

    def invoke(self, **given: Any) -> dict[str, Any]:
        assert given == {"FunctionName": LAMBDA["FunctionArn"], "Payload": '{"n": 1}'}
        return self._answer


def call(function: Function) -> StepRun:
    run = StepRun({})
    clients: Any = SimpleNamespace(functions=function)
    outside.invoke(LAMBDA, run, {"n": 1}, clients)
    return run


def test_the_outputs_of_a_lambda_step_are_members_of_what_the_function_returns() -> None:
    run = call(Function({"ok": True, "code": 200, "body": "more"}))
    assert run.properties == {"OutputParameters": {"ok": True, "code": "200"}}
    outputs = [{"Name": "ok", "Value": "true"}, {"Name": "code", "Value": "200"}]
    assert run.shown["Metadata"] == {"Lambda": {"Arn": LAMBDA["FunctionArn"], "OutputParameters": outputs}}
    assert call(Function("no object")).properties == {"OutputParameters": {}}


def test_a_function_that_fails_or_returns_another_type_fails_the_step() -> None:
    with pytest.raises(StepError, match=r"function:f failed: \{\"errorMessage\": \"no\"\}"):
        call(Function({"errorMessage": "no"}, "Unhandled"))
    with pytest.raises(ExpressionError, match="ok is not of type Boolean: 'perhaps'"):
        call(Function({"ok": "perhaps"}))


HANDLER = """
import os, boto3
def handle(event, context):
    group = os.environ["GROUP"] + event["suffix"]
    boto3.client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    return {"statusCode": 200, "group": group}
"""


def create_function(bench: JobBench, name: str, handler: str) -> str:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("code.py", handler)
    given = {"FunctionName": name, "Runtime": "python3.12", "Handler": "code.handle", "Timeout": 60}
    variables = {"Variables": {"GROUP": "made-by-"}}
    functions = bench.localaws.client("lambda")
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        functions.create_function(**given, Role=bench.role, Code={"ZipFile": code.getvalue()})
    trusted = role(bench.localaws, f"{name}-role")
    trust = json.dumps(TRUST).replace("sagemaker.amazonaws.com", "lambda.amazonaws.com")
    bench.localaws.client("iam").update_assume_role_policy(RoleName=f"{name}-role", PolicyDocument=trust)
    allow_everything(bench.localaws, f"{name}-role")
    arn: str = functions.create_function(
        **given, Role=trusted, Code={"ZipFile": code.getvalue()}, Environment=variables
    )["FunctionArn"]
    return arn


def test_a_pipeline_waits_for_a_consumer_of_the_queue_and_calls_a_function(bench: JobBench) -> None:
    sqs = bench.localaws.client("sqs")
    queue = sqs.create_queue(QueueName="callbacks")["QueueUrl"]
    arn = create_function(bench, "sagemaker-example", HANDLER)
    suffix = {"Get": "Steps.Wait.OutputParameters['suffix']"}
    given = [
        {**CALLBACK, "SqsQueueUrl": queue, "OutputParameters": [{"OutputName": "suffix", "OutputType": "String"}]},
        {**LAMBDA, "FunctionArn": arn, "Arguments": {"suffix": suffix}, "OutputParameters": [{"OutputName": "group"}]},
        {
            "Name": "End",
            "Type": "Fail",
            "Arguments": {"ErrorMessage": {"Get": "Steps.Call.OutputParameters['group']"}},
        },
    ]
    text = json.dumps({"Version": "2020-12-01", "Steps": given})
    bench.sagemaker.create_pipeline(PipelineName="outside", RoleArn=bench.role, PipelineDefinition=text)
    arn = start(bench, "outside")
    # A consumer that polls does not keep the step from sending its message.
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    answer = {"Name": "suffix", "Value": "the-example"}
    token = json.loads(message["Body"])["token"]
    bench.sagemaker.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=[answer])
    assert wait(bench, arn)["PipelineExecutionStatus"] == "Failed"
    assert steps(bench, arn)["End"]["FailureReason"] == "made-by-the-example"
    bench.sagemaker.describe_model_package_group(ModelPackageGroupName="made-by-the-example")
    logs = bench.localaws.client("logs").filter_log_events(logGroupName="/aws/lambda/sagemaker-example")["events"]
    assert any(one["message"].startswith("REPORT RequestId: ") for one in logs)
