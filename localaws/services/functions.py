"""Lambda: functions that run, and the check of their roles. moto stores them, and runs them in Docker only.

Sources: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html and API_CreateFunction.html
"""

import base64
import json
from functools import wraps
from typing import Any

from localaws.call import current_call
from localaws.errors import AwsError
from localaws.functions.functions import Functions
from localaws.iam.function_names import short_name
from localaws.moto_methods import original
from localaws.services.context import ServiceContext

# "LogType Tail: the last 4 KB of the execution log".
_TAIL = 4096
# "For synchronous invocations, the maximum payload size is 6 MB."
_EVENT = 6 * 1024 * 1024
# moto's methods that take a function's name, but no partial ARN.
_LOOKUPS = (
    "get_function_by_name_or_arn_with_qualifier",
    "get_function_by_name_or_arn_forbid_qualifier",
    "del_function",
)


def install(context: ServiceContext) -> None:
    """Changes moto's Lambda."""
    from moto.awslambda.models import LambdaBackend, LambdaFunction, LambdaStorage
    from moto.awslambda.responses import LambdaResponse

    for name in _LOOKUPS:
        setattr(LambdaStorage, name, _by_any_name(getattr(LambdaStorage, name)))
    functions = context.functions
    LambdaFunction.invoke = _invocation(functions)
    LambdaBackend.invoke = _qualified(LambdaBackend.invoke)
    LambdaBackend.create_function = _checked(LambdaBackend.create_function, functions)
    LambdaBackend.update_function_configuration = _checked_update(
        LambdaBackend.update_function_configuration, functions
    )
    LambdaResponse.create_event_source_mapping = _refused("event source mappings")
    LambdaResponse.create_function_url_config = _refused("function URLs")
    LambdaResponse.invoke_async = _refused("InvokeAsync")


def _invocation(functions: Functions) -> Any:
    def invoke(function: Any, body: Any, request_headers: Any, response_headers: Any) -> bytes:
        call = current_call.get(None)
        if call is None or call.action != "lambda:Invoke":
            # moto's other services would hold their locks until the function has ended, which may call them itself.
            raise NotImplementedError("invocations of Lambda functions by other services")
        kind = request_headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind == "DryRun":
            return b""
        if kind == "Event":
            raise NotImplementedError("asynchronous invocations (InvocationType Event)")
        result = functions.run(function, _event(body))
        if result.error:
            response_headers["x-amz-function-error"] = result.error
        tail = result.log.encode()[-_TAIL:]
        response_headers["x-amz-log-result"] = base64.b64encode(tail).decode()
        return result.payload.encode()

    return invoke


def _event(body: Any) -> str:
    """The event of a request.

    Raises:
        AwsError: InvalidRequestContentException, it is not JSON; RequestTooLargeException.
    """
    if len(body or b"") > _EVENT:
        message = (
            f"{len(body)} byte payload is too large for the RequestResponse invocation type (limit {_EVENT} bytes)"
        )
        raise AwsError("RequestTooLargeException", message, 413)
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        json.loads(text or "{}")
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise AwsError("InvalidRequestContentException", message) from None
    return text


def _checked(method: Any, functions: Functions) -> Any:
    """CreateFunction: Lambda can assume the role."""
    moto = original(method)

    @wraps(moto)
    def create(backend: Any, spec: dict[str, Any]) -> Any:
        account, region = backend.account_id, backend.region_name
        functions.check_role(spec["Role"], f"arn:aws:lambda:{region}:{account}:function:{spec['FunctionName']}")
        return moto(backend, spec)

    return create


def _checked_update(method: Any, functions: Functions) -> Any:
    """UpdateFunctionConfiguration: Lambda can assume the role."""
    moto = original(method)

    @wraps(moto)
    def update(backend: Any, function_name: str, qualifier: Any, body: dict[str, Any]) -> Any:
        if body.get("Role"):
            functions.check_role(body["Role"], backend.get_function(function_name).function_arn)
        return moto(backend, function_name, qualifier, body=body)

    return update


def _by_any_name(method: Any) -> Any:
    moto = original(method)

    @wraps(moto)
    def find(storage: Any, name: str, *given: Any, **named: Any) -> Any:
        return moto(storage, short_name(name), *given, **named)

    return find


def _qualified(method: Any) -> Any:
    """Invoke: the version or the alias of the query, for which moto looks under another name."""
    moto = original(method)

    @wraps(moto)
    def invoke(backend: Any, function_name: str, qualifier: Any, *given: Any, **named: Any) -> Any:
        call = current_call.get(None)
        if call and call.action == "lambda:Invoke":
            qualifier = call.parameters.get("Qualifier")
        return moto(backend, function_name, qualifier, *given, **named)

    return invoke


def _refused(what: str) -> Any:
    def refuse(_response: Any) -> Any:
        raise NotImplementedError(what)

    return refuse
