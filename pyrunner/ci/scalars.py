"""Plain YAML 1.1 scalars as GitLab's loader types them (gitlab-ci-yml.md 1.2).

PyYAML's own resolvers differ in several forms (``12:30``, ``1,000``, ``:symbol``, ``y``).
"""

from __future__ import annotations

import math
import re
from typing import Final

_TRUE: Final = frozenset(("yes", "true", "on"))
_FALSE: Final = frozenset(("no", "false", "off"))
_INTEGER: Final = re.compile(
    r"[-+]?(?:(?P<binary>0b[01_,]+)|(?P<hex>0x[0-9a-fA-F_,]+)|(?P<octal>0[0-7_,]+)|(?P<decimal>0|[1-9][0-9_,]*))"
)
_FLOAT: Final = re.compile(r"[-+]?(?:[0-9][0-9_,]*)?\.[0-9]*(?:[eE][-+][0-9]+)?")
_SEXAGESIMAL: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}")
_DATE: Final = re.compile(r"\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)")
_TIME: Final = re.compile(
    r"-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?"
)


class UnspecifiedClass(ValueError):
    """A scalar of a type that GitLab does not load: a date or a time."""


def plain_scalar(text: str) -> object:
    """Return the value of an unquoted scalar.

    :raises UnspecifiedClass: for dates and times.
    """
    if text in ("", "~") or text.lower() == "null":
        return None
    if text[0].isalpha():
        folded = text.lower()
        if folded in _TRUE:
            return True
        return False if folded in _FALSE else text
    if _DATE.fullmatch(text):
        raise UnspecifiedClass("Tried to load unspecified class: Date")
    if _TIME.fullmatch(text):
        raise UnspecifiedClass("Tried to load unspecified class: Time")
    if text.startswith(":") and len(text) > 1 and not text.startswith("::"):
        return text[1:].strip("'\"")
    return _number(text)


def _number(text: str) -> object:
    if match := _INTEGER.fullmatch(text):
        digits = text.lstrip("+-").replace("_", "").replace(",", "")
        base = {"binary": 2, "hex": 16, "octal": 8, "decimal": 10}[match.lastgroup or "decimal"]
        size = digits[2:] if base in (2, 16) else digits
        if len(size) > 1000:  # converting is quadratic; nobody means such a number
            return text
        value = int(size or "0", base)
        return -value if text.startswith("-") else value
    if _SEXAGESIMAL.fullmatch(text):
        parts = [int(part) for part in text.lstrip("+-").replace("_", "").split(":")]
        value = sum(part * 60 ** (2 - index) for index, part in enumerate(parts))
        return -value if text.startswith("-") else value
    if _FLOAT.fullmatch(text) and any(letter.isdigit() for letter in text):
        return float(text.replace("_", "").replace(",", ""))
    folded = text.lower()
    if folded in (".inf", "+.inf", "-.inf"):
        return -math.inf if folded[0] == "-" else math.inf
    return math.nan if folded == ".nan" else text
