"""A function runs only when it is invoked, and is refused as a target of other services."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from moto.s3.models import S3Backend

from localaws import services
from localaws.call import Call, current_call
from localaws.quotas import function_targets, s3_targets
from localaws.services import functions, sns

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


@pytest.mark.parametrize(
    ("service", "operation", "given"),
    [
        ("events", "PutTargets", {"Targets": [{"Arn": "arn:aws:sqs:us-east-1:123456789012:q"}, {"Arn": ARN}]}),
        ("logs", "PutSubscriptionFilter", {"destinationArn": ARN}),
        ("secretsmanager", "RotateSecret", {"RotationLambdaARN": ARN}),
        ("sns", "Subscribe", {"Protocol": "lambda", "Endpoint": ARN}),
    ],
)
def test_a_function_is_refused_as_a_target(service: str, operation: str, given: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError, match=f"Lambda functions as targets of {service}"):
        function_targets.check(service, operation, given)


def test_other_targets_are_accepted() -> None:
    function_targets.check("events", "PutTargets", {"Targets": [{"Arn": "arn:aws:sqs:us-east-1:123456789012:q"}]})
    function_targets.check("secretsmanager", "RotateSecret", {"SecretId": "s"})
    function_targets.check("sns", "Subscribe", {"Protocol": "sqs"})


def test_s3_refuses_to_notify_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []
    keep = lambda _backend, _bucket, given: stored.append(given)  # noqa: E731
    for name in ("notification_configuration", "replication", "encryption"):
        monkeypatch.setattr(S3Backend, f"put_bucket_{name}", keep)
    s3_targets.install()
    backend = SimpleNamespace(account_id="123456789012")
    put: Any = S3Backend.put_bucket_notification_configuration
    with pytest.raises(NotImplementedError, match="Lambda functions as targets of s3"):
        put(backend, "b", {"CloudFunctionConfiguration": [{"CloudFunction": ARN}]})
    put(backend, "b", {})
    assert stored == [{}]


@pytest.mark.parametrize("call", [None, Call("POST", "/", "/", "", {}, None, service="logs", operation="PutLogEvents")])
def test_other_services_cannot_invoke_a_function(call: Call | None) -> None:
    unused: Any = None
    token = current_call.set(call) if call else None
    try:
        with pytest.raises(NotImplementedError, match="by other services"):
            functions._invocation(unused)(unused, "{}", {}, {})
    finally:
        if token:
            current_call.reset(token)


def test_lambda_is_installed_when_another_part_has_imported_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    find = lambda name: SimpleNamespace(install=lambda _: installed.append(name))  # noqa: E731
    monkeypatch.setattr(services, "import_module", find)
    monkeypatch.delitem(sys.modules, "moto.awslambda.models", raising=False)
    unused: Any = None
    prepare = services.late_installer(unused)
    prepare("s3")
    assert installed == []
    monkeypatch.setitem(sys.modules, "moto.awslambda.models", sys)
    for service in ("s3", "lambda", "states"):
        prepare(service)
    assert installed == [services.LATE["lambda"], services.LATE["states"]]


def test_a_subscriber_that_fails_in_any_way_does_not_fail_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.sns.models import Subscription

    def fail(*_: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(Subscription, "publish", fail)
    unused: Any = None
    sns.install(unused)
    deliver: Any = Subscription.publish
    deliver(SimpleNamespace(topic=SimpleNamespace(arn="t"), endpoint=ARN), "message")


def test_invoke_runs_the_version_of_the_query() -> None:
    ran = lambda _backend, name, qualifier, *_: (name, qualifier)  # noqa: E731
    call = Call("POST", "/", "/", "", {}, None, service="lambda", operation="Invoke", parameters={"Qualifier": "1"})
    token = current_call.set(call)
    try:
        assert functions._qualified(ran)("backend", "f", None, "{}") == ("f", "1")
    finally:
        current_call.reset(token)


def test_the_role_of_an_update_is_checked() -> None:
    checked: list[Any] = []
    given: Any = SimpleNamespace(check_role=lambda *role: checked.append(role))
    backend = SimpleNamespace(get_function=lambda _: SimpleNamespace(function_arn=ARN))
    update = functions._checked_update(lambda *_, body: body, given)
    update(backend, "f", None, body={"Timeout": 3})
    assert checked == []
    update(backend, "f", None, body={"Role": "r"})
    assert checked == [("r", ARN)]
