"""Determines the AWS operation of a request from botocore's own service models through moto's router."""

import io
import json
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.members import located, of_form, of_json
from localaws.front.sigv4 import Signature
from localaws.mlflow_actions import action_of
from localaws.moto_methods import BOTOCORE_NAMES

TRACKING_SERVER_HEADER = "x-mlflow-sm-tracking-server-arn"
APP_HEADER = "x-sm-mlflow-app-arn"
# The one IAM action of all tracking calls to an App, whose signing name is `sagemaker`.
# Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-app-setup-prerequisites-iam.html
CALL_APP = "CallMlflowAppApi"


def identify(call: Call, signature: Signature | None) -> None:
    """Sets service, operation, protocol, region and resource; an unknown one stays "-".

    Raises:
        AwsError: InvalidSignatureException, a tracking call is signed for another service; SerializationException, the
            body is not JSON.
    """
    if signature:
        call.service, call.region, call.access_key = signature.service, signature.region, signature.access_key
    if APP_HEADER in call.headers:
        if signature and signature.service != "sagemaker":
            message = "Credential should be scoped to correct service: 'sagemaker'."
            raise AwsError("InvalidSignatureException", message, 403)
        call.service, call.operation = "sagemaker", CALL_APP
        call.resource = call.headers[APP_HEADER]
        call.parameters = {"Arn": call.resource}
        return
    if TRACKING_SERVER_HEADER in call.headers or call.service == "sagemaker-mlflow":
        if signature and signature.service != "sagemaker-mlflow":
            message = "Credential should be scoped to correct service: 'sagemaker-mlflow'."
            raise AwsError("InvalidSignatureException", message, 403)
        call.service = "sagemaker-mlflow"
        call.operation = action_of(call.method, call.path)
        call.resource = call.headers.get(TRACKING_SERVER_HEADER, "")
        return
    if not signature:
        call.service, call.protocol = "s3", "rest-xml"  # moto's default service for an unsigned request.
    model_name = BOTOCORE_NAMES.get(call.service, call.service)
    if model_name == "sagemaker" and call.path.startswith("/endpoints/"):
        model_name = "sagemaker-runtime"
    found = _match(call, model_name)
    if found is None:
        return
    operation, path_parameters = found
    call.operation = operation.name
    # SDKs prefer different protocols of a service with several, such as CloudWatch.
    call.protocol = determine_request_protocol(operation.service_model, call.headers.get("content-type", ""))
    call.model = operation
    call.parameters = parameters = {**_parameters(call), **path_parameters}
    call.resource = _resource(call.service, parameters)
    if call.protocol == "rest-json":
        # A member of the body cannot replace a parameter that belongs into the URL.
        known = located(operation)
        asked: dict[str, Any] = {}
        for name, value in parse_qsl(call.query):
            if name in known and known[name].type_name == "list":
                asked.setdefault(name, []).append(value)
            elif name in known:
                asked[name] = value
        call.parameters = {**asked, **parameters}


def is_service(signing_name: str) -> bool:
    """Whether moto or localaws has the service of a signing name."""
    if signing_name in ("sagemaker-mlflow", "s3"):
        return True
    try:
        _router(BOTOCORE_NAMES.get(signing_name, signing_name))
    except Exception:  # botocore's own error for an unknown service.
        return False
    return True


def protocol_of(call: Call, signing_name: str) -> str:
    """The protocol of a service's requests, as far as the headers determine it."""
    if signing_name in ("sagemaker-mlflow", "s3"):
        return "rest-xml" if signing_name == "s3" else call.protocol
    name = BOTOCORE_NAMES.get(signing_name, signing_name)
    if name == "sagemaker" and call.path.startswith("/endpoints/"):
        name = "sagemaker-runtime"
    try:
        protocol: str = determine_request_protocol(get_service_model(name), call.headers.get("content-type", ""))
    except Exception:  # A content type that the service does not support; `identify` decides with the body.
        return call.protocol
    return protocol


def _match(call: Call, model_name: str) -> tuple[Any, dict[str, Any]] | None:
    environ = {
        "REQUEST_METHOD": call.method,
        "PATH_INFO": call.path.encode().decode("latin1"),
        "RAW_URI": call.raw_path,
        "QUERY_STRING": call.query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(call.body or b""),
        "CONTENT_LENGTH": str(len(call.body or b"")),
    }
    for name, value in call.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name == "x-amz-target":
            environ["HTTP_X_AMZ_TARGET"] = _whole_target(model_name, value)
        elif name != "content-length" and "_" not in name:  # moto does not get those either.
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    try:
        match: tuple[Any, dict[str, Any]] = _router(model_name).match(Request(environ))
    except Exception:  # The router has no error of its own for "no such operation or service".
        return None
    return match


def _whole_target(model_name: str, target: str) -> str:
    """The target as botocore writes it. The Go SDK leaves out the beginning of CloudTrail's."""
    given, _, operation = target.rpartition(".")
    try:
        prefix = str(get_service_model(model_name).metadata.get("targetPrefix", ""))
    except Exception:  # botocore's own error for an unknown service.
        return target
    return f"{prefix}.{operation}" if prefix.endswith(f".{given}") else target


@cache
def _router(model_name: str) -> Any:
    return get_service_router(model_name)


def _parameters(call: Call) -> dict[str, Any]:
    """The top-level input of JSON and query calls, without what the operation does not have."""
    body = call.body or b""
    if call.protocol in ("query", "ec2"):
        # A GET has them in the URL: https://docs.aws.amazon.com/IAM/latest/UserGuide/programming.html
        given = body.decode(errors="replace") if body else call.query
        return of_form(call.model, dict(parse_qsl(given, keep_blank_values=True)), call.protocol)
    if call.protocol == "json" and body.strip():
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise AwsError("SerializationException", "The request's body is not a JSON object.")
        return of_json(call.model, content)
    if call.protocol == "rest-json" and body.startswith(b"{"):
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return of_json(call.model, found) if isinstance(found, dict) else {}
    return {}


def _resource(service: str, parameters: dict[str, Any]) -> str:
    if service == "s3":
        key = parameters.get("Key")
        bucket = parameters.get("Bucket")
        return f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "") if bucket else "arn:aws:s3:::*"
    if service == "events" and (rule := parameters.get("Rule", parameters.get("Name"))):
        return str(rule)  # The rule, not its event bus.
    for ending in ("Arn", "ARN", "Name", "KeyId", "Id"):
        for name, value in parameters.items():
            if name.endswith(ending) and isinstance(value, str):
                return value
    return "*"
