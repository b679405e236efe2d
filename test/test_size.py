"""Size: modules under 350 lines, functions under 50."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "depthlm_ros"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 350, 50
TABLES = {"nodes/depth/parameters.py"}
"""Modules that are one table, in which length is no complexity."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_modules_and_functions_are_short(file):
    text = file.read_text(encoding="utf-8")
    name = file.relative_to(PACKAGE).as_posix()
    assert name in TABLES or len(text.splitlines()) <= MODULE_LINES
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= FUNCTION_LINES
    }
    assert not long
