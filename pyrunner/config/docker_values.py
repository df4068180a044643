"""Values of ``[runners.docker]`` that stand as text in the file (docker-executor.md 6.3, 9.1, 9.3).

Each function returns what the engine's API takes, and raises ValueError with gitlab-runner's own words.
They are read when a job needs them, and once before, when the file is loaded
(:mod:`pyrunner.config.docker_checks`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pyrunner.system.golang import quoted

#: The only options of the json-file log driver that may be set (9.1).
LOG_OPTIONS: Final = ("env", "labels")
PULL_POLICIES: Final = ("always", "if-not-present", "never")

_INT64: Final = 2**63
_SIZE_UNITS: Final = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_SIZE_SUFFIX: Final = re.compile(r"([kmgtp])(?:i?b)?\Z|b\Z", re.IGNORECASE | re.ASCII)
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z")
_RATIONAL: Final = re.compile(
    r"[+-]?(?:[0-9]+/[0-9]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)\Z"
)
_INTEGER: Final = re.compile(r"[+-]?[0-9]+\Z")
_MAC: Final = (
    re.compile(r"[0-9a-f]{2}((?::[0-9a-f]{2})+|(?:-[0-9a-f]{2})+)\Z", re.IGNORECASE),
    re.compile(r"[0-9a-f]{4}(?:\.[0-9a-f]{4})+\Z", re.IGNORECASE),
    re.compile(r"(?:[0-9a-f]{2})+\Z", re.IGNORECASE),
)
_MAC_LENGTHS: Final = (6, 8, 20)


def parse_memory(text: str, key: str) -> int:
    """Return the bytes of ``memory`` and its like: ``128m``, ``1.5 GiB``, ``4096``; empty: 0.

    gitlab-runner ends its whole process at a size that it cannot read; here the job fails (13 #29).

    :param key: names the key in the error.
    :raises ValueError: for no size.
    """
    if not text:
        return 0
    try:
        return _memory(text)
    except ValueError as error:
        raise ValueError(f"Error parsing docker {key}: {error}") from None


def _memory(text: str) -> int:
    end = max(text.rfind(one) for one in "0123456789. ")
    if end < 0:
        raise ValueError(f"invalid size: '{text}'")
    number, suffix = text[:end] if text[end] == " " else text[: end + 1], text[end + 1 :]
    if not _FLOAT.match(number):
        raise ValueError(f"strconv.ParseFloat: parsing {quoted(number)}: invalid syntax")
    size = Fraction(number)
    if size < 0:
        raise ValueError(f"invalid size: '{text}'")
    match = _SIZE_SUFFIX.match(suffix)
    if suffix and not match:
        # What is too long to be a unit is shown as it is written, all else in small letters.
        raise ValueError(f"invalid suffix: '{suffix if len(suffix) > 3 else suffix.lower()}'")
    if match and match[1]:
        size *= 1 << _SIZE_UNITS[match[1].lower()]
    if size >= _INT64:
        raise ValueError(f"invalid size: '{text}'")
    return int(size)


def parse_cpus(text: str) -> int:
    """Return the billionths of a CPU of ``cpus``: ``1.5``, ``1/2``; empty: 0.

    :raises ValueError: for no rational number.
    """
    if not text:
        return 0
    try:
        if not _RATIONAL.match(text):
            raise ValueError
        value = int(Fraction(text) * 10**9)
        if abs(value) >= _INT64:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"failed to parse {text} as a rational number") from None
    return value


def parse_ulimit(text: str) -> tuple[int, int]:
    """Return soft and hard limit of ``soft[:hard]``.

    :raises ValueError: when one is no integer.
    """
    soft, separator, hard = text.partition(":")
    return _limit(soft), _limit(hard if separator else soft)


def _limit(text: str) -> int:
    problem = "invalid syntax"
    if _INTEGER.match(text):
        if -_INT64 <= int(text) < _INT64:
            return int(text)
        problem = "value out of range"
    # gitlab-runner calls the hard limit soft as well.
    raise ValueError(f"invalid soft limit value: strconv.ParseInt: parsing {quoted(text)}: {problem}")


@dataclass(frozen=True, slots=True)
class Device:
    """One entry of ``devices``."""

    host: str
    container: str
    permissions: str


def parse_device(text: str) -> Device:
    """Return the parts of ``host[:container[:permissions]]``; by default the same path, and ``rwm``.

    :raises ValueError: for more than two colons.
    """
    parts = text.split(":")
    if len(parts) > 3:
        raise ValueError(f"failed to parse device string {quoted(text)}: too many colons")
    host = parts[0]
    return Device(host, parts[1] if len(parts) > 1 else host, parts[2] if len(parts) > 2 else "rwm")


def parse_mac(text: str) -> str:
    """Return a MAC address as the engine writes it: small letters, colons.

    :raises ValueError: for anything else than 6, 8 or 20 bytes in one of the usual forms.
    """
    digits = re.sub(r"[:.-]", "", text.lower())
    if not any(form.match(text) for form in _MAC) or len(digits) // 2 not in _MAC_LENGTHS:
        raise ValueError(f"invalid MAC address {quoted(text)}: address {text}: invalid MAC address")
    return ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))


def parse_dns(text: str) -> str:
    """Return the address of a name server.

    :raises ValueError: when it is no IP address.
    """
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(
            f"invalid DNS server address {quoted(text)}: ParseAddr({quoted(text)}): unable to parse IP"
        ) from None
    return text


def check_isolation(text: str) -> str:
    """Return ``isolation`` where a Linux engine knows it: empty or ``default``.

    :raises ValueError: for all else, the words for Windows included.
    """
    if text.lower() not in ("", "default"):
        raise ValueError(
            f"the isolation value {quoted(text)} is not valid. "
            "the valid values are: 'process', 'hyperv', 'default' and an empty string"
        )
    return text


def check_log_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return ``log_options``.

    :raises ValueError: when there is a key that may not be set.
    """
    refused = sorted(key for key in options if key not in LOG_OPTIONS)
    if refused:
        allowed, found = (" ".join(map(quoted, keys)) for keys in (LOG_OPTIONS, refused))
        raise ValueError(
            "creating docker log configuration: "
            f"invalid log options: only [{allowed}] are allowed, but found: [{found}]"
        )
    return dict(options)


def check_pull_policies(policies: Iterable[str], key: str) -> list[str]:
    """Return ``pull_policy`` or ``allowed_pull_policies``.

    :raises ValueError: at the first word that is no policy.
    """
    result = list(policies)
    for policy in result:
        if policy not in PULL_POLICIES:
            raise ValueError(f"unsupported {key} config: {quoted(policy)}")
    return result


def check_port(text: str) -> int:
    """Return the port of ``HEALTHCHECK_TCP_PORT``.

    :raises ValueError: when it is no number.
    """
    if not _INTEGER.match(text):
        raise ValueError(f"invalid health check tcp port: {text}")
    return int(text)
