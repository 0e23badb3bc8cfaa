"""The program of a function's process: imports the handler, calls it with the event, and writes its result.

It uses nothing of localaws, and imports its modules before the function's folder is on the path, which may have files
of the same names. Errors have the form of AWS's own program:
https://github.com/aws/aws-lambda-python-runtime-interface-client (awslambdaric/bootstrap.py)
"""

import importlib
import json
import logging
import os
import pathlib
import sys
import time
import traceback


class Context:
    """The second argument of a handler.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def __init__(self, given: dict[str, str], deadline: float) -> None:
        """`given` are the attributes; `identity` and `client_context` are those of mobile applications."""
        vars(self).update({**given, "identity": None, "client_context": None})
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """The time until the function is ended."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def main(folder: pathlib.Path) -> int:
    """Run the function once: `folder` has the files `event` and `context`, and gets `started` and
    `result` or `failure`."""
    context: dict[str, str] = json.loads((folder / "context").read_text())
    timeout = float(context.pop("timeout"))
    request = context["aws_request_id"]
    logging.basicConfig(stream=sys.stdout, format="[%(levelname)s]\t%(asctime)s\t%(message)s")
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name, None)
    except ImportError as error:
        return _fail(folder, request, f"Unable to import module '{module}': {error}", "Runtime.ImportModuleError")
    except SyntaxError as error:
        return _fail(folder, request, f"Syntax error in module '{module}': {error}", "Runtime.UserCodeSyntaxError")
    except Exception as error:
        return _fail(folder, request, str(error), type(error).__name__, error)
    if handler is None:
        return _fail(folder, request, f"Handler '{name}' missing on module '{module}'", "Runtime.HandlerNotFound")
    (folder / "started").touch()
    deadline = time.monotonic() + timeout
    try:
        result = handler(json.loads((folder / "event").read_text()), Context(context, deadline))
    except Exception as error:
        return _fail(folder, request, str(error), type(error).__name__, error)
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
        text.encode()  # A lone surrogate is no UTF-8.
    except (TypeError, ValueError) as error:
        return _fail(folder, request, f"Unable to marshal response: {error}", "Runtime.MarshalError")
    _write(folder, "result", text)
    return 0


def _fail(folder: pathlib.Path, request: str, message: str, kind: str, error: Exception | None = None) -> int:
    """Write an error as the result, and its traceback into the log."""
    frames = traceback.extract_tb(error.__traceback__)[1:] if error else []
    trace = traceback.format_list(frames)
    lines = [f"[ERROR] {kind}: {message}\n", *(["Traceback (most recent call last):\n"] if trace else []), *trace]
    sys.stdout.writelines(line.encode(errors="backslashreplace").decode() for line in lines)
    result = {"errorMessage": message, "errorType": kind, "requestId": request, "stackTrace": trace}
    _write(folder, "failure", json.dumps(result))
    return 1


def _write(folder: pathlib.Path, name: str, text: str) -> None:
    (folder / "part").write_text(text, encoding="utf-8")
    (folder / "part").replace(folder / name)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
