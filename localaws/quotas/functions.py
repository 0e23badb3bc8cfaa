"""What Lambda refuses beyond its model.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html (Timeout: "The maximum allowed value is 900
seconds", which the model does not have; Handler "is required if the deployment package is a .zip file archive"),
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (reserved names, 4 KB of variables) and
API_AddPermission (ResourceConflictException). The messages: boto/boto3#488 (archives) and
mattermost/mattermost-cloud-monitoring#264 (reserved names).
"""

import base64
import io
import json
import zipfile
from typing import Any

from localaws.errors import AwsError
from localaws.iam.function_names import short_name

SECONDS = 900
VARIABLE_BYTES = 4096
RESERVED = frozenset(
    {"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME"}
    | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE"}
    | {"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION"}
    | {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"}
)
_CONFIGURED = "Lambda was unable to configure your environment variables because the environment variables you have "


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a function that runs too long, its archive or its variables, and a statement that exists.

    Raises:
        AwsError: ValidationException, InvalidParameterValueException or ResourceConflictException.
    """
    seconds = given.get("Timeout")
    if isinstance(seconds, int) and seconds > SECONDS:
        rule = f"Member must have value less than or equal to {SECONDS}"
        message = f"1 validation error detected: Value '{seconds}' at 'timeout' failed to satisfy constraint: {rule}"
        raise AwsError("ValidationException", message)
    if operation in ("CreateFunction", "UpdateFunctionCode"):
        _check_archive(given.get("Code", given).get("ZipFile"))
    is_archive = operation == "CreateFunction" and given.get("PackageType", "Zip") == "Zip"
    if is_archive and not (given.get("Handler") and given.get("Runtime")):
        raise _invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    if operation in ("CreateFunction", "UpdateFunctionConfiguration"):
        _check_variables((given.get("Environment") or {}).get("Variables") or {})
    if operation == "AddPermission":
        _check_statement(response, given["FunctionName"], given["StatementId"])


def _check_archive(content: Any) -> None:
    if content is None:
        return
    archive = base64.b64decode(content) if isinstance(content, str) else content
    if not zipfile.is_zipfile(io.BytesIO(archive)):
        raise _invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")


def _check_variables(variables: dict[str, str]) -> None:
    reserved = sorted(RESERVED & set(variables))
    if reserved:
        what = "provided contains reserved keys that are currently not supported for modification."
        raise _invalid(f"{_CONFIGURED}{what} Reserved keys used in this request: {', '.join(reserved)}")
    if len(json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode()) > VARIABLE_BYTES:
        raise _invalid(f"{_CONFIGURED}provided exceeded the 4KB limit.")


def _check_statement(response: Any, name: str, statement: str) -> None:
    for function in response.backend.list_functions():
        held = {one.get("Sid") for one in function.policy.statements}
        if function.function_name == short_name(name).partition(":")[0] and statement in held:
            message = f"The statement id ({statement}) provided already exists."
            raise AwsError("ResourceConflictException", message, 409)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)
