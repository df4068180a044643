"""Reads the file of ``--env-file``: what a stage script hands over in secret (job-execution.md 7.5)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pyrunner.errors import UsageError

_LINE: Final = re.compile(r'\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"#]*))\s*\Z')
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTROL: Final = {"n": "\n", "r": "\r"}


def read_env_file(name: str) -> dict[str, str]:
    """Return the variables in a file of ``KEY="value"`` lines; none when ``name`` is empty.

    :raises UsageError: when it cannot be read; the text holds nothing of it.
    """
    if not name:
        return {}
    try:
        text = Path(name).read_text("utf-8", "surrogateescape")
    except OSError as error:
        raise UsageError(f"failed to read env file: open {name}: {(error.strerror or '').lower()}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise UsageError(f'failed to read env file: {name}:{number}: not of the form KEY="value"')
        key, quoted, plain = match.groups()
        found[key] = plain if quoted is None else _ESCAPE.sub(_unescaped, quoted)
    return found


def _unescaped(match: re.Match[str]) -> str:
    return _CONTROL.get(match[1], match[1])
