"""Size: modules of at most 350 lines, functions of at most 50."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "depthlm_ros"
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted(Path(__file__).resolve().parent.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 350, 50


def functions(tree):
    """Yield name and length of every function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_modules_and_functions_are_short(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MODULE_LINES
    assert [f for f, lines in functions(ast.parse(text)) if lines > FUNCTION_LINES] == []


def test_test_files_are_short():
    long = {file.name for file in TESTS if len(file.read_text().splitlines()) > MODULE_LINES}
    assert not long


def test_a_long_function_would_be_found():
    source = "def f():\n" + "    pass\n" * 50
    assert list(functions(ast.parse(source))) == [("f", 51)]
