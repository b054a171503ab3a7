"""Rules of the code that no linter has."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "raft_config"
MAX_FUNCTION_LINES = 40


def long_functions(source: str) -> Iterator[str]:
    """Yield "name at line N: M lines" for each function past the limit, docstring included."""
    for found in ast.walk(ast.parse(source)):
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (found.end_lineno or found.lineno) - found.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{found.name} at line {found.lineno}: {lines} lines"


def test_no_function_of_the_package_is_over_forty_lines():
    offenders = [
        f"{path.relative_to(PACKAGE.parent)}: {function}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for function in long_functions(path.read_text(encoding="utf-8"))
    ]
    assert not offenders, "\n".join(["Split these functions:", *offenders])


def test_a_function_of_forty_lines_passes_and_one_of_forty_one_is_named():
    body = "    pass\n" * (MAX_FUNCTION_LINES - 1)
    assert list(long_functions(f"def short():\n{body}")) == []
    assert list(long_functions(f"class A:\n  def long(self):\n{body}    pass\n")) == [
        "long at line 2: 41 lines"
    ]
