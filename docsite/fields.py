"""What the source says of the fields of a dataclass: the ``#:`` lines above each."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

_ROLE = re.compile(r";? ?\b(?:see )?:(?:attr|class|func|mod|meth):`[^`]*`")
_CODE = re.compile(r"``([^`]+)``")
_SECTION = re.compile(r" \((?:[\w-]+\.md )?\d+(?:\.\d+)*(?:, \d+(?:\.\d+)*)*\)")


def field_comments(table: type[Any]) -> dict[str, str]:
    """Return field name to its comment as Markdown; a field without one is missing."""
    lines = inspect.getsource(table).splitlines()
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        if not (match := re.match(r"    (\w+): ", line)):
            continue
        comment: list[str] = []
        above = number - 1
        while lines[above].startswith("    #:"):
            comment.insert(0, lines[above].removeprefix("    #:").strip())
            above -= 1
        if comment:
            found[match[1]] = markdown(" ".join(comment))
    return found


def table_text(table: type[Any]) -> str:
    """Return the first paragraph of a class's docstring as Markdown."""
    node = ast.parse(inspect.getsource(table)).body[0]
    assert isinstance(node, ast.ClassDef)
    return markdown(" ".join((ast.get_docstring(node) or "").split("\n\n")[0].split()))


def markdown(text: str) -> str:
    """Return reStructuredText of our docstrings as Markdown, without references into the code."""
    return _CODE.sub(r"`\1`", _ROLE.sub("", _SECTION.sub("", text)))
