"""``$VAR`` in ``url`` and ``token`` (config-and-commands.md 1.2, last paragraph)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# In the order in which they are tried: a name in braces, one special character in braces or bare,
# a name, an empty or unclosed brace (vanishes), any other dollar sign (stays).
_REFERENCE: Final = re.compile(
    r"\$(?:\{(?P<braced>[^}]+)\}|(?P<special>[*#$@!?0-9-])|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<broken>\{\}|\{))"
)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace ``$name`` and ``${name}`` as gitlab-runner does; an unset variable gives nothing."""

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["special"] or match["name"] or ""
        return environ.get(name, "")

    return _REFERENCE.sub(value, text)
