"""What is checked is what is carried out: requests that moto would read in another way are refused."""

import gzip
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core.responses import BaseResponse

from localaws.call import Call, current_call
from localaws.credentials import Key
from localaws.errors import AwsError
from localaws.front.body import BUFFERED, inflated
from localaws.front.entrance import SignedEntrance
from localaws.front.identify import identify
from localaws.front.one_reading import check
from localaws.front.sigv4 import Signature
from localaws.iam.s3_permissions import _copy_source, listed_objects
from localaws.moto_methods import carry_out_checked_operations
from tests.localaws.iam.capture import captured
from tests.localaws.iam.required_permission_cases import CASES

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
FORM_TYPE = {"content_type": FORM["content-type"]}
GET_ROLE = b"Action=GetRole&Version=2010-05-08&RoleName=own"

PARTS = b'--x\r\nContent-Disposition: form-data; name="Action"\r\n\r\nGetRole\r\n--x--\r\n'


def call(service: str, method: str, url: str, body: bytes = b"", **headers: str) -> Call:
    """An identified call of a service."""
    path, _, query = url.partition("?")
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    signed = "AWS4-HMAC-SHA256 Credential=AK/20261130/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
    names |= {"authorization": signed.format(service), "x-amz-date": "20261130T000000Z"}
    made = Call(method, path, unquote(path), query, names, body)
    identify(made, Signature.of(made))
    return made


def form(body: bytes, query: str = "", content_type: str = FORM["content-type"]) -> Call:
    return call("iam", "POST", f"/?{query}", body, content_type=content_type)


def json_call(service: str, target: str, body: dict[str, str], path: str = "/") -> Call:
    return call(service, "POST", path, json.dumps(body).encode(), x_amz_target=target)


@pytest.mark.parametrize(
    "ambiguous",
    [
        lambda: form(GET_ROLE + b"&RoleName=other"),
        lambda: form(b"Action=ListUsers&" + GET_ROLE),
        lambda: form(GET_ROLE, "RoleName=other"),
        lambda: form(GET_ROLE, "Action=DeleteRole"),
        lambda: form(PARTS, content_type="multipart/form-data; boundary=x"),
        lambda: call("iam", "GET", "/?Action=GetRole&RoleName=own&RoleName=other"),
        lambda: call("ssm", "POST", "/?Action=GetParameter", b"{}", x_amz_target="AmazonSSM.DescribeParameters"),
        lambda: call("sagemaker", "POST", "/?ModelName=other", b"{}", x_amz_target="SageMaker.DescribeModel"),
        lambda: call("scheduler", "GET", "/schedules/a?groupName=own&groupName=other"),
        lambda: call("scheduler", "POST", "/schedules/a?GroupName=other", b"{}"),
        lambda: json_call("sqs", "AmazonSQS.SendMessage", {"QueueUrl": "http://h/1/other"}, "/1/own"),
        lambda: json_call("logs", "Logs_20140328.GetLogEvents", {"logGroupName": "a", "logGroupIdentifier": "b"}),
        lambda: call("sns", "POST", "/", b"Action=Publish&TopicArn=a&TargetArn=b&Message=c", **FORM_TYPE),
        lambda: call("s3", "GET", "/data?list-type=2&prefix=a&prefix=b"),
        lambda: call("s3", "GET", "/data?location&uploads"),
        lambda: call("s3", "GET", "/data/key?tagging&uploadId=u"),
        lambda: call("s3", "GET", "//data/key"),
        lambda: call("s3", "GET", "/data%2Fkey"),
    ],
)  # fmt: skip
def test_an_ambiguous_request_is_refused(ambiguous: Any) -> None:
    made = ambiguous()
    with pytest.raises(AwsError) as refused:
        check(made)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("iam", "/?Action=GetRole&Version=2010-05-08&RoleName=own&X-Amz-Date=x&X-Amz-Date=y"),
        ("scheduler", "/tags/arn?TagKeys=a&TagKeys=b"),
        ("scheduler", "/schedules/a?groupName=g&x-id=GetSchedule"),
        ("s3", "/data/key?versionId=v&tagging&x-id=GetObjectTagging"),
        ("s3", "/data/key?partNumber=1&uploadId=u"),
        ("s3", "/data?versions&prefix=a&delimiter=%2F"),
        ("s3", "/data/a//b/../c?select&select-type=2"),
    ],
)
def test_a_request_with_one_meaning_passes(service: str, url: str) -> None:
    check(call(service, "DELETE" if "/tags/" in url else "GET", url))


@pytest.mark.parametrize(("service", "operation", "parameters"), [case[:3] for case in CASES], ids=str)
def test_the_requests_of_boto3_pass(service: str, operation: str, parameters: dict[str, Any]) -> None:
    check(captured(service, operation, **parameters))


@pytest.mark.parametrize("path", ["/", "/1/own"])
def test_a_queue_may_be_named_by_the_address_too(path: str) -> None:
    check(json_call("sqs", "AmazonSQS.SendMessage", {"QueueUrl": "http://h/1/own", "MessageBody": "a"}, path))


def test_a_get_has_its_parameters_in_the_url() -> None:
    found = call("iam", "GET", "/?Action=GetRole&Version=2010-05-08&RoleName=own")
    assert (found.operation, found.parameters["RoleName"]) == ("GetRole", "own")


def test_a_body_does_not_replace_a_parameter_of_the_url() -> None:
    found = call("scheduler", "DELETE", "/schedules/a?groupName=real", b'{"groupName": "claimed", "Name": "b"}')
    assert (found.parameters["groupName"], found.parameters["Name"]) == ("real", "a")


@pytest.mark.parametrize("names", [{"x_amz_target": "AWSScheduler.DeleteScheduleGroup"}, {}])
def test_moto_carries_out_the_operation_that_was_checked(
    names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_get_action", "get_region_from_url"):
        monkeypatch.setattr(BaseResponse, name, getattr(BaseResponse, name))
    carry_out_checked_operations()
    checked = call("scheduler", "GET", "/schedule-groups/g", **names)

    class Response(BaseResponse):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__("scheduler")
            self.querystring: dict[str, Any] = {} if names else {"Action": ["DeleteScheduleGroup"]}
            self.headers = checked.headers

    token = current_call.set(checked)
    try:
        assert Response()._get_action() == "GetScheduleGroup"
        elsewhere = SimpleNamespace(headers={"User-Agent": "aws-sdk region/eu-west-1"})
        assert Response().get_region_from_url(elsewhere, "http://a.eu-west-1.amazonaws.com/") == "us-east-1"
    finally:
        current_call.reset(token)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<Object><Key>a</Key></Object>", [("a", False)]),
        ("<Object a='b'><Key>a</Key></Object>", [("a", False)]),
        ("<Object ><Key >a</Key ></Object >", [("a", False)]),
        ("<Object><!--<Key>b</Key>--><Key>a</Key></Object>", [("a", False)]),
        ("<Object><Key><![CDATA[a&b]]></Key></Object>", [("a&b", False)]),
        ("<Object><Key> a &amp; b </Key><VersionId>v</VersionId></Object>", [(" a & b ", True)]),
        ("<Object><Key>a</Key></Object><Object><Key>b</Key></Object>", [("a", False), ("b", False)]),
    ],
)
def test_every_object_of_a_deletion_is_found(inside: str, expected: list[tuple[str, bool]]) -> None:
    assert listed_objects(f"<Delete>{inside}</Delete>".encode()) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"<Delete/>", b"<Delete>", b"<x:Delete><x:Object><x:Key>a</x:Key></x:Object></x:Delete>",
     b"<Delete><Object/></Delete>", b"<Delete><Object><Key/></Object></Delete>",
     b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
     b'<!DOCTYPE d [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>'],
)  # fmt: skip
def test_a_deletion_without_readable_objects_is_refused(body: bytes) -> None:
    with pytest.raises(AwsError, match="MalformedXML"):
        listed_objects(body)


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("/data/a/b", ("data", "a/b", None)),
        ("data/a%20b?versionId=v", ("data", "a b", "v")),
        ("data/a?versionId=v&versionId=w", ("data", "a", "v")),
        ("//own/data/a", ("data", "a", None)),
    ],
)
def test_the_source_of_a_copy_is_the_object_that_moto_reads(given: str, source: tuple[str, str, str | None]) -> None:
    assert _copy_source(call("s3", "PUT", "/own/copy", x_amz_copy_source=given)) == source


def compressed(body: bytes, service: str = "iam", protocol: str = "query") -> Call:
    headers = {**FORM, "content-encoding": "gzip"}
    return Call("POST", "/", "/", "", headers, body, service=service, protocol=protocol)


def test_compressed_parameters_are_read() -> None:
    """botocore compresses those of PutMetricData."""
    assert inflated(compressed(gzip.compress(GET_ROLE))) == GET_ROLE
    stored = gzip.compress(b"an object")
    assert inflated(compressed(stored, "s3", "rest-xml")) == stored


@pytest.mark.parametrize("service", ["lambda", "scheduler"])
def test_moto_decompresses_the_requests_of_every_service_but_s3_so_localaws_does_too(service: str) -> None:
    body = json.dumps({"Role": "arn:aws:iam::123456789012:role/other"}).encode()
    assert inflated(compressed(gzip.compress(body), service, "rest-json")) == body


def sent_compressed(body: bytes) -> Call:
    """A call of IAM with a compressed body, which has passed the entrance."""
    sent = gzip.compress(body, mtime=0)
    request = AWSRequest("POST", "http://127.0.0.1:1/", data=sent, headers={**FORM, "Content-Encoding": "gzip"})
    SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), "iam", "us-east-1").add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": "127.0.0.1:1"}
    made = Call("POST", "/", "/", "", headers, sent)
    key = Key("secret", "arn:aws:iam::123456789012:user/tester")
    SignedEntrance({"AKIAEXAMPLE": key}.get, lambda: datetime.now(UTC)).admit(made)()
    assert made.body == sent
    return made


def test_the_entrance_reads_a_compressed_request() -> None:
    made = sent_compressed(GET_ROLE)
    assert (made.operation, made.parameters["RoleName"]) == ("GetRole", "own")


@pytest.mark.parametrize("body", [GET_ROLE + b"&RoleName=other", b"Action=ListUsers&" + GET_ROLE])
def test_an_ambiguous_request_is_refused_if_it_is_compressed(body: bytes) -> None:
    with pytest.raises(AwsError, match="InvalidQueryParameter"):
        sent_compressed(body)


@pytest.mark.parametrize(
    ("made", "ignored"),
    [
        (lambda: form(b"Action=CreateAccessKey&Version=2010-05-08&UserName=admin&RoleName=own"), "RoleName"),
        (lambda: form(b"Action=CreatePolicyVersion&Version=2010-05-08&PolicyArn=arn&RoleName=own"), "RoleName"),
        (lambda: json_call("ssm", "AmazonSSM.GetParameters", {"Names": "victim", "Name": "own"}), "Name"),
        (lambda: json_call("ssm", "AmazonSSM.GetParametersByPath", {"Path": "/victim", "Name": "own"}), "Name"),
        (lambda: json_call("logs", "Logs_20140328.DeleteLogGroup", {"logGroupName": "a", "resourceArn": "b"}),
         "resourceArn"),
        (lambda: call("lambda", "POST", "/2015-03-31/functions", b'{"FunctionName": "a", "Resource": "own"}'),
         "Resource"),
        (lambda: call("lambda", "POST", "/2015-03-31/functions/a/invocations", b'{"Resource": "own"}'), "Resource"),
        (lambda: call("scheduler", "GET", "/schedules/a?GroupName=own"), "GroupName"),
    ],
)  # fmt: skip
def test_a_parameter_that_the_operation_does_not_have_chooses_no_resource(made: Any, ignored: str) -> None:
    found = made()
    assert found.model is not None
    assert ignored not in found.parameters
    assert "own" not in found.resource


def test_a_list_does_not_replace_a_text_of_the_same_name() -> None:
    made = form(GET_ROLE + b"&RoleName.member.1=other")
    assert made.parameters["RoleName"] == "own"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (gzip.compress(b"a" * (BUFFERED + 1)), "RequestEntityTooLarge"),
        (gzip.compress(GET_ROLE) + gzip.compress(b"&RoleName=other"), "SerializationException"),
        (gzip.compress(GET_ROLE)[:-1], "SerializationException"),
        (GET_ROLE, "SerializationException"),
    ],
    ids=["too large", "two files", "incomplete", "not compressed"],  # The bodies contain the time.
)
def test_a_compressed_body_that_is_too_large_or_ambiguous_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(AwsError, match=code):
        inflated(compressed(body))


def test_a_form_with_many_parameters_is_read_in_linear_time() -> None:
    """It is read before its signature is checked. moto's own parser takes quadratic time."""
    pairs = "&".join(f"Tags.member.{number}.Key=k" for number in range(20_000, 0, -1))
    found = form(f"Action=TagRole&RoleName=own&{pairs}&Tags.member.1.Value=v&Tags.{'a.' * 100_000}=b".encode())
    assert found.parameters["Tags"][:2] == [{"Key": "k", "Value": "v"}, {"Key": "k"}]
    assert len(found.parameters["Tags"]) == 20_000
    assert found.parameters["RoleName"] == "own"
