"""Runner and job tokens as they may be shown (runner-api.md 9.3)."""

from __future__ import annotations

import re
from typing import Final

#: How many characters of a token are no secret.
SHORT_TOKEN_LENGTH: Final = 9

#: Tried in this order, each once: a job token's prefix may stand behind a runner token's.
_PREFIXES: Final = (
    re.compile(r"\A(?:glrt-(?:t[123]_)?|t[123]_|glrtr-)"),
    re.compile(r"\Aglcbt-"),
    re.compile(r"\AGR[0-9A-Fa-f]{7}"),
)


def short_token(token: str) -> str:
    """Return the part of ``token`` that may be shown in logs, metrics and directory names."""
    for prefix in _PREFIXES:
        token = prefix.sub("", token)
    return token[:SHORT_TOKEN_LENGTH]
