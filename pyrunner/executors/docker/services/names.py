"""What a service is called, from its image reference alone (docker-executor.md 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import re2  # type: ignore[import-untyped]

_LATEST: Final = "latest"
_ALPHANUMERIC: Final = "[a-z0-9]+"
_PATH_PART: Final = rf"{_ALPHANUMERIC}(?:(?:[._]|__|-+){_ALPHANUMERIC})*"
_HOST_PART: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST: Final = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST: Final = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}"
#: The grammar of image references. A job writes the text: matched in linear time.
_REFERENCE: Final = re2.compile(
    rf"((?:{_HOST}/)?{_PATH_PART}(?:/{_PATH_PART})*)(?::({_TAG}))?(?:@({_DIGEST}))?"
)


@dataclass(frozen=True, slots=True)
class ServiceName:
    """The parts of a service's reference."""

    #: Host without its port, and path; empty when the reference cannot be read.
    service: str
    #: Tag, ``@<digest>`` where there is only that, else ``latest``.
    version: str
    #: What is pulled.
    image: str
    #: Host names that the service gets without being asked.
    aliases: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name and version for the trace: ``postgres:16``, ``postgres@sha256:…``."""
        return self.service + (self.version if self.version.startswith("@") else f":{self.version}")


def parse_service_name(reference: str) -> ServiceName:
    """Take a reference apart; one that cannot be read has neither service nor aliases.

    A digest of another kind than sha256 pins the image, too; gitlab-runner pulls ``:latest`` instead.
    """
    match = _REFERENCE.fullmatch(reference) if reference.isascii() else None
    if match is None:
        return ServiceName("", _LATEST, reference)
    name, tag, digest = match.group(1), match.group(2), match.group(3)
    service = _without_port(name)
    if tag:
        version, image = tag, reference
    elif digest:
        version, image = f"@{digest}", reference
    else:
        version, image = _LATEST, f"{name}:{_LATEST}"
    aliases = dict.fromkeys((service.replace("/", "__"), service.replace("/", "-")))
    return ServiceName(service, version, image, tuple(aliases))


def _without_port(name: str) -> str:
    host, slash, path = name.partition("/")
    stem, colon, port = host.rpartition(":")
    return f"{stem}{slash}{path}" if colon and port.isdigit() else name
