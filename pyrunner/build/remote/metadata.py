"""Metadata of an object as header values, which may hold less than a key does (job-execution.md 7.3)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

#: S3 takes 2 KiB in all; what is too long is left out: it is informational, the archive is not.
_LONGEST: Final = 1900


def metadata_headers(prefix: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """Return ``metadata`` as headers, e.g. ``x-amz-meta-cachekey``.

    :param prefix: e.g. ``x-amz-meta-``.
    """
    return {f"{prefix}{key}": value for key, value in header_values(metadata).items()}


def header_values(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return ``metadata`` with values that go through a header and a signature unchanged.

    A key with line ends, or with letters beyond ASCII, is written as an encoded word (RFC 2047), as S3
    itself shows such values.
    """
    safe = {key: _header_value(value) for key, value in metadata.items()}
    return {key: value for key, value in safe.items() if len(value) <= _LONGEST}


def _header_value(value: str) -> str:
    plain = value.isascii() and value.isprintable() and value == " ".join(value.split())
    if plain:
        return value
    encoded = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
    return f"=?UTF-8?B?{encoded}?="
