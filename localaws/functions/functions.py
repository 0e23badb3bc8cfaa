"""Runs Lambda functions, which moto stores: each invocation is a new process in a folder of its own.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (the environment),
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (the phases and their time limits) and
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html (the lines of the log).
"""

import io
import json
import shutil
import sys
import time
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localaws.builds.source import SourceError, unpack
from localaws.endpoints.logs import ContainerLog
from localaws.endpoints.role import RoleClients
from localaws.errors import AwsError
from localaws.functions import bootstrap
from localaws.iam.trust import Service
from localaws.principals import Principals
from localaws.processes import Child, Processes
from localaws.settings import Settings
from mlflow_common.safe_path import UnsafeNameError

# The message of AWS, as quoted in https://github.com/hashicorp/terraform-provider-aws/issues/11895
LAMBDA = Service(
    "lambda.amazonaws.com",
    "InvalidParameterValueException",
    "The role defined for the function cannot be assumed by Lambda.",
)
# "The Init phase is limited to 10 seconds."
_INIT_SECONDS = 10
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Result:
    """What an invocation returns.

    Attributes:
        payload: JSON.
        error: the value of the header X-Amz-Function-Error; "" for a success.
        log: the function's output.
    """

    payload: str
    error: str
    log: str


class Functions:
    """Runs functions with the credentials of their roles."""

    def __init__(
        self, settings: Settings, processes: Processes, principals: Principals, environment: Mapping[str, str]
    ) -> None:
        """`environment` is what every AWS client of a function needs to find localaws."""
        self._settings = settings
        self._processes = processes
        self._principals = principals
        self._environment = environment
        self._folder = settings.run / "functions"
        shutil.rmtree(self._folder, ignore_errors=True)

    def check_role(self, role: str, function: str) -> None:
        """Refuse a role that Lambda cannot assume for the function of an ARN.

        Raises:
            AwsError: InvalidParameterValueException.
        """
        self._principals.check_trust(role, LAMBDA, function)

    def run(self, function: Any, event: str) -> Result:
        """Run a function of moto's once, with an event as JSON.

        Raises:
            NotImplementedError: localaws cannot run such a function.
            AwsError: Lambda may not assume its role, or its code is no zip archive.
        """
        _check(function)
        request = str(uuid.uuid4())
        credentials = self._principals.assume(function.role, function.function_name, LAMBDA, function.function_arn)
        clients = RoleClients(credentials, self._settings.url, function.region)
        folder = self._folder / request
        try:
            code = folder / "task"
            _unpack(function.code_bytes, code)
            stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
            context = _context(function, request, stream)
            (folder / "context").write_text(json.dumps(context))
            (folder / "event").write_text(event or "{}")
            variables = {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(folder),
                "LANG": "C.UTF-8",
                "PYTHONUNBUFFERED": "1",
                **_variables(function, code, stream),
                **function.environment_vars,
                **self._environment,
                "AWS_REGION": function.region,
                "AWS_DEFAULT_REGION": function.region,
                **credentials.env(),
            }
            command = (sys.executable, "-P", bootstrap.__file__, str(folder))  # -P: not the program's folder.
            child = self._processes.start(f"function-{request}", command, variables, code)
            output = ContainerLog(clients.logs, function.logs_group_name, stream, child.log)
            return self._finished(function, folder, request, child, output)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _finished(self, function: Any, folder: Path, request: str, child: Child, output: ContainerLog) -> Result:
        """The result of a process, when it has ended or its time is over."""
        output.write([f"START RequestId: {request} Version: {function.version}"])
        began = time.monotonic()
        is_late = _wait(child, folder, float(function.timeout))
        self._processes.stop(child, 0)
        milliseconds = (time.monotonic() - began) * 1000
        output.follow(to_the_end=True)
        text = child.log.read_text(errors="replace")
        child.log.unlink()
        written = _written(folder)
        if is_late:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            message = f"{now} {request} Task timed out after {function.timeout:.2f} seconds"
            output.write([message])
            found = Result(json.dumps({"errorMessage": message}), "Unhandled", text)
        elif written:  # Whatever the exit status is: a thread of the function may still have run.
            found = Result(written.read_text(encoding="utf-8"), "Unhandled" if written.name == "failure" else "", text)
        else:
            status = child.process.returncode
            reason = f"RequestId: {request} Error: Runtime exited with error: exit status {status}"
            payload = {"errorType": "Runtime.ExitError", "errorMessage": reason}
            found = Result(json.dumps(payload), "Unhandled", text)
        output.write([f"END RequestId: {request}", f"REPORT RequestId: {request}\tDuration: {milliseconds:.2f} ms"])
        return found


def _check(function: Any) -> None:
    runtime = str(function.run_time)
    if function.package_type != "Zip" or not runtime.startswith("python3."):
        raise NotImplementedError(f"functions other than Python's in a zip archive (this one is {runtime})")
    if function.layers:
        raise NotImplementedError("functions with layers")


def _unpack(archive: bytes, folder: Path) -> None:
    folder.mkdir(parents=True)
    try:
        unpack(io.BytesIO(archive), folder)
    except (zipfile.BadZipFile, NotImplementedError, OSError, SourceError, UnsafeNameError) as error:
        # The text is that of the error in https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        message = f"Lambda could not unzip the deployment package. {error}"
        raise AwsError("InvalidZipFileException", message, 502) from None


def _wait(child: Child, folder: Path, seconds: float) -> bool:
    """Wait until a process ends. Returns whether its time was over. The time begins when the handler is called."""
    deadline = time.monotonic() + _INIT_SECONDS
    is_started = False
    while child.running and not _written(folder):
        if not is_started and (folder / "started").exists():
            is_started, deadline = True, time.monotonic() + seconds
        if time.monotonic() > deadline:
            return True
        time.sleep(_POLL_SECONDS)
    with_result = time.monotonic() + 1  # It ends by itself after it has written the result.
    while child.running and time.monotonic() < with_result:
        time.sleep(_POLL_SECONDS)
    return False


def _written(folder: Path) -> Path | None:
    """The file with which a function has ended."""
    return next((folder / name for name in ("result", "failure") if (folder / name).exists()), None)


def _context(function: Any, request: str, stream: str) -> dict[str, str]:
    return {
        "function_name": function.function_name,
        "function_version": str(function.version),
        "invoked_function_arn": function.function_arn,
        "memory_limit_in_mb": str(function.memory_size),
        "aws_request_id": request,
        "log_group_name": function.logs_group_name,
        "log_stream_name": stream,
        "timeout": str(function.timeout),
    }


def _variables(function: Any, code: Path, stream: str) -> dict[str, str]:
    """The variables that Lambda sets itself."""
    return {
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LAMBDA_TASK_ROOT": str(code),
    }
