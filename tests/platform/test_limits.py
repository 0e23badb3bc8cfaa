"""Limits that keep the code readable: sizes of functions, modules and classes, and no dead code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import vulture

from mlflow_platform.environment import REPOSITORY

FOLDERS = ("src", "scripts", "localaws", "training", "serving", "bench")
FUNCTION_LINES, MODULE_LINES, CLASS_METHODS = 60, 500, 20
# Larger than the limits, with the reason.
TOO_LARGE = {
    "scripts/demo.py:demo": "declares command-line options",
    "scripts/deploy_model.py:deploy_model": "declares command-line options",
    "scripts/log_run.py:log_run": "declares command-line options",
}
# Names that are used only dynamically, with the reason. vulture compares names.
USED_BY_NAME = {
    "on_header": "called by httptools",
    "on_body": "called by httptools",
    "on_message_complete": "called by httptools",
    "post_worker_init": "called by gunicorn",
    "load_config": "called by gunicorn",
    "should_exit": "read by uvicorn",
    "text_factory": "read by sqlite3",
    "flatten_mapping": "called by PyYAML",
    "protocol_version": "read by http.server",
    "do_POST": "called by http.server",
    "log_message": "called by http.server",
    "regex": "read by werkzeug",
    "reducer_override": "called by pickle",
    "in_context": "called by MLflow",
    "request_headers": "called by MLflow",
    "requires_request_body": "read by httpx",
    "auth_flow": "called by httpx",
    "handle_async_request": "called by httpx",
    "enable_network_isolation": "read by moto",
    "validate_instance_type": "read by moto",
    "DEFAULT_SESSION": "read by boto3",
    "_image_digest": "read by moto",
    "_create_digest": "called by moto",
    "get_image_size_in_bytes": "called by moto",
    "get_execution_history": "called by moto",
    "MAXIMUM_MESSAGE_LENGTH": "read by moto",
    "_eval_body": "called by moto",
    "iam_backend": "read by moto",
    "get_role_by_arn": "called by moto",
    "test_event_pattern": "called by moto",
    "create_function_url_config": "called by moto",
    "get_remaining_time_in_millis": "called by Lambda functions",
    "create_event_source_mapping": "called by moto",
    "invoke_async": "called by moto",
    "stop_date": "read by moto",
    "list_state_machine_versions": "called by moto",
    "terminated": "called by moto",
    "validate_state_machine_definition": "called by moto",
    "output_map": "read by moto",
    "cloudformation_name_type": "called by moto",
    "has_cfn_attr": "called by moto",
    "physical_resource_id": "read by moto",
    "get_cfn_attribute": "called by moto",
    "update_from_cloudformation_json": "called by moto",
    "is_created": "called by moto",
    "compress_type": "read by zipfile",
    "__signature__": "read by typer",
    "__annotations__": "read by typer",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files() -> list[Path]:
    found = [file for folder in FOLDERS for file in sorted((REPOSITORY / folder).rglob("*.py"))]
    return [*found, REPOSITORY / "serving/serve"]


def files_of_tests() -> list[Path]:
    return sorted((REPOSITORY / "tests").rglob("*.py"))


def too_large(text: str) -> Iterator[tuple[str, int]]:
    """The functions, classes and the module ("") of a source text that exceed the limits, with their sizes."""
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield "", lines
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            size = (node.end_lineno or 0) - node.lineno + 1
            if size > FUNCTION_LINES:
                yield node.name, size
        elif isinstance(node, ast.ClassDef):
            methods = sum(isinstance(child, Function) for child in node.body)
            if methods > CLASS_METHODS:
                yield node.name, methods


def test_functions_modules_and_classes_stay_small() -> None:
    found = {
        f"{file.relative_to(REPOSITORY)}:{name}": size
        for file in [*python_files(), *files_of_tests()]
        for name, size in too_large(file.read_text(encoding="utf-8"))
    }
    assert {place: size for place, size in found.items() if place not in TOO_LARGE} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f():\n" + "    a = 1\n" * 59, []),
        ("def f():\n" + "    a = 1\n" * 60, [("f", 61)]),
        ("class C:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(21)), [("C", 21)]),
        ("a = 1\n" * 501, [("", 501)]),
    ],
)
def test_finds_what_exceeds_a_limit(text: str, expected: list[tuple[str, int]]) -> None:
    assert list(too_large(text)) == expected


def dead(paths: list[Path]) -> list[str]:
    """Names that nothing uses, as `file:line name`."""
    # Typer calls the commands.
    scanner = vulture.Vulture(ignore_decorators=["@app.command"])
    scanner.scavenge([str(path) for path in paths])
    found = scanner.get_unused_code(min_confidence=60)
    return [f"{item.filename}:{item.first_lineno} {item.name}" for item in found if item.name not in USED_BY_NAME]


@pytest.mark.system
def test_there_is_no_dead_code() -> None:
    # Code that only tests use counts as used: tests call the library's interface.
    files = [*python_files(), *files_of_tests()]
    ours = tuple(str(REPOSITORY / folder) for folder in FOLDERS)
    assert [place for place in dead(files) if place.startswith(ours)] == []


def test_finds_dead_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def used(): ...\ndef unused(): ...\nused()\n")
    assert [place.split()[1] for place in dead([tmp_path / "a.py"])] == ["unused"]
