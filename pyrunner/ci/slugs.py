"""``_SLUG`` variables, and the tier that a name suggests (gitlab-ci-yml.md 3.13, 5.4, 5.5)."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import re2  # type: ignore[import-untyped]

_OUTSIDE: Final = re.compile(r"[^a-z0-9]")
_LONGEST: Final = 63
_LONGEST_ENVIRONMENT: Final = 24
_HASH: Final = 6
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
#: First match decides.
_TIERS: Final = tuple(
    (tier, re.compile(pattern, re.IGNORECASE))
    for tier, pattern in (
        ("development", r"dev|review|trunk"),
        ("testing", r"test|tst|int|acpt|accept|qa|qc|control|quality"),
        ("staging", r"sta?g|mode?l|pre|demo|non"),
        ("production", r"pro?d|live"),
    )
)
#: `` 1/3`` and up to three ``: [..]`` behind a job's name.
_SUFFIX: Final = re2.compile(r"(?:[\s:]+(?:\[.*\]|\d+[\s:/\\]+\d+)){1,3}\s*$")


def slug(text: str) -> str:
    """Return the general slug: each character outside ``a-z0-9`` is a dash, 63 at most, none at the ends."""
    return _OUTSIDE.sub("-", text.lower())[:_LONGEST].strip("-")


def environment_slug(name: str) -> str:
    """Return ``CI_ENVIRONMENT_SLUG``: at most 24 characters; with a hash when the name had to change."""
    made = _OUTSIDE.sub("-", name.lower())
    if not re.match(r"[a-z]", made):
        made = f"env-{made}"
    made = re.sub(r"-+", "-", made)
    if len(made) <= _LONGEST_ENVIRONMENT and made == name:
        return made.rstrip("-")
    head = made[: _LONGEST_ENVIRONMENT - _HASH - 1]
    return f"{head}{'' if head.endswith('-') else '-'}{_short_hash(name)}"


def _short_hash(name: str) -> str:
    number = int(hashlib.sha256(name.encode()).hexdigest(), 16)
    digits = ""
    while number and len(digits) < _HASH:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def tier_of(name: str) -> str:
    """Return the deployment tier of an environment that does not say its own."""
    return next((tier for tier, pattern in _TIERS if pattern.search(name)), "other")


def group_name(job: str) -> str:
    """Return ``CI_JOB_GROUP_NAME``: the name without what ``parallel`` appended."""
    suffix = _SUFFIX.search(job)
    return (job[: suffix.start()] if suffix else job).strip()
