"""Every message of the program, found in its source: what an operator or a job log can show."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parents[1] / "pyrunner"
#: What stands for a value that only a running program knows.
HOLE: Final = "…"

_LOGGED: Final = frozenset(("warning", "error", "critical", "exception", "log"))
#: Functions that make an error or a line of the job log from their words, beside exceptions.
_SAY: Final = frozenset(
    ("refused", "make", "fail", "_failure", "_failed", "_invalid", "error", "warn", "warning")
)
#: Errors of Python that are not shown as they are.
_INNER: Final = frozenset(("ValueError", "TypeError", "KeyError", "AttributeError", "NotImplementedError"))
#: Package, or folder in it, to where its messages are seen.
_PLACES: Final = (
    ("cli/exec", "`pyrunner exec`"),
    ("cli", "Commands"),
    ("config", "Reading and changing config.toml"),
    ("doctor", "`pyrunner doctor`"),
    ("migration", "`pyrunner migrate`"),
    ("service", "Service commands"),
    ("manager", "The manager's log"),
    ("metrics", "The metrics server"),
    ("session", "Web terminals"),
    ("gitlab", "Talking to GitLab"),
    ("supervisor", "A job's `supervisor.log`"),
    ("jobdir", "Run directories"),
    ("trace", "Job logs on disk"),
    ("build/remote", "Remote caches"),
    ("build", "The job log"),
    ("executors/docker", "The job log, docker executor"),
    ("executors/sandbox", "The job log, sandbox"),
    ("executors", "The job log, executors"),
    ("helper", "The job log, cache and artifacts"),
    ("ci", "`pyrunner lint` and `pyrunner exec`: the pipeline"),
    ("snapshot", "`pyrunner exec`: the working copy"),
    ("system", "Files, processes, programs"),
    ("", "Elsewhere"),
)
#: Said to other programs, and worded again by whoever asked.
_LEFT_OUT: Final = ("coordinator/", "protocol/")
_HEAD: Final = """\
# All messages

Collected from the source: what the program can say when something is wrong, by where you see it. `…` stands
for a name, a path or the words of somebody else. Most end in what to do; the common ones are explained in
[troubleshooting](../troubleshooting.md).
"""


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """A message and the module that has it, below ``pyrunner``."""

    text: str
    module: str


def messages() -> Iterator[Message]:
    """Yield every message of the package, in the order of the files."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _speaks(node):
                for argument in (*node.args, *(one.value for one in node.keywords)):
                    for text in _texts(argument):
                        if " " in text.strip(f" {HOLE}"):
                            yield Message(text, module)


def messages_page() -> str:
    """Return the page; the site makes it anew each time, it is not kept."""
    by_place: dict[str, set[str]] = defaultdict(set)
    for message in messages():
        if message.module.startswith(_LEFT_OUT):
            continue
        for folder, place in _PLACES:
            if message.module.startswith(f"{folder}/" if folder else ""):
                by_place[place].add(message.text)
                break
    parts = [_HEAD]
    for _, place in _PLACES:
        if by_place[place]:
            lines = sorted(by_place[place], key=str.lower)
            parts.append(f"\n## {place}\n\n" + "\n".join(f"- {_code(line)}" for line in lines) + "\n")
    return "".join(parts)


def _speaks(call: ast.Call) -> bool:
    """Tell whether a call makes an error, or a line of a log."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if isinstance(call.func, ast.Attribute) and name in _LOGGED:
        owner = ast.unparse(call.func.value)
        return "log" in owner or "report" in owner
    if name in _SAY:
        return True
    return name not in _INNER and bool(
        re.fullmatch(r"_?[A-Z]\w*(?:Error|Failed|Panicked|Refused|Full|Network|Key|Notice|Finding)", name)
    )


def _texts(node: ast.expr) -> Iterator[str]:
    """Yield what an expression can say, with holes for values."""
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
        return
    text = _text(node)
    if text is not None:
        yield re.sub(f"{HOLE}+", HOLE, re.sub(r"%[sdr]", HOLE, " ".join(text.split())))


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(one) or HOLE for one in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None and right is None else (left or HOLE) + (right or HOLE)
    return None


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"
