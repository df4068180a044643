"""Metadata of objects as Go's ``gocloud.dev`` writes and reads it: percent-encoded values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

#: S3 takes 2 KiB in all; what is too long is left out: it is informational, the archive is not.
_LONGEST: Final = 1900


def encoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return ``metadata`` as it is sent."""
    safe = {key: quote(value, safe="$&+=:@", errors="surrogateescape") for key, value in metadata.items()}
    return {key: value for key, value in safe.items() if len(value) <= _LONGEST}


def decoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return ``metadata`` as it was meant."""
    return {key: unquote(value) for key, value in metadata.items()}
