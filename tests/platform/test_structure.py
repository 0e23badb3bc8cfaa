"""The structure of the code: there are no import cycles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlflow_platform.environment import REPOSITORY

# The folders with Python packages, and the folder to which their names are relative.
FOLDERS = {"src": "src", "scripts": ".", "localaws": ".", "training": ".", "serving": "serving", "tests/support": "."}
Graph = dict[str, set[str]]


def module_name(file: Path, start: Path) -> str:
    parts = file.relative_to(start).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_files() -> dict[str, Path]:
    """Every module by its dotted name."""
    return {
        module_name(file, REPOSITORY / start): file
        for folder, start in FOLDERS.items()
        for file in sorted((REPOSITORY / folder).rglob("*.py"))
    }


def imports_of(tree: ast.AST, module: str, *, is_package: bool, known: set[str]) -> set[str]:
    """The modules of this repository that a module imports, including imports in functions and under TYPE_CHECKING."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name for alias in node.names if (name := longest_known(alias.name, known))}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                name = longest_known(f"{base}.{alias.name}", known)
                if name:
                    found.add(name)
    return found - {module}


def longest_known(name: str, known: set[str]) -> str:
    """The module of a dotted name: `a.b.C` is in the module `a.b`."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def import_graph() -> Graph:
    files = python_files()
    return {
        module: imports_of(
            ast.parse(file.read_text(encoding="utf-8")),
            module,
            is_package=file.name == "__init__.py",
            known=set(files),
        )
        for module, file in files.items()
    }


def cycles(graph: Graph) -> Iterator[list[str]]:
    """The groups of modules that import each other in a cycle: Tarjan's strongly connected components."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    yield from found


def test_there_are_no_import_cycles() -> None:
    graph = import_graph()
    assert len(graph) > 150
    assert "mlflow_transfer.checkpoint" in graph["mlflow_transfer.service"]
    assert list(cycles(graph)) == []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"a": "import b", "b": "", "c": "import a"}, []),
        ({"a": "import b", "b": "from a import x"}, [["a", "b"]]),
        ({"a": "def f():\n    import b", "b": "import c", "c": "if TYPE_CHECKING:\n    import a"}, [["a", "b", "c"]]),
        ({"p": "", "p.a": "from . import b", "p.b": "from .a import x"}, [["p.a", "p.b"]]),
        ({"p": "from p.a import x", "p.a": "import p"}, [["p", "p.a"]]),
    ],
)
def test_finds_cycles_in_functions_in_type_checks_and_in_relative_imports(
    sources: dict[str, str], expected: list[list[str]]
) -> None:
    graph = {
        module: imports_of(ast.parse(text), module, is_package=module == "p", known=set(sources))
        for module, text in sources.items()
    }
    assert list(cycles(graph)) == expected
