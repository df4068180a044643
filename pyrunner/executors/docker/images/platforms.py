"""``executor_opts.docker.platform``: which variant of an image (docker-executor.md 3.4).

Read as github.com/containerd/platforms does, which docker uses: ``linux/arm64/v8``, ``amd64``, ``windows``.
"""

from __future__ import annotations

import json
import platform as host
import re
from dataclasses import asdict, dataclass
from typing import Final

from pyrunner.errors import BuildError
from pyrunner.protocol.states import FailureReason
from pyrunner.system.golang import quoted

_PART: Final = "^[A-Za-z0-9_-]+$"
_SYSTEM: Final = r"^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$"
_SYSTEMS: Final = re.compile(
    "aix|android|darwin|dragonfly|freebsd|hurd|illumos|ios|js|linux|nacl|netbsd|openbsd|plan9|solaris|windows|zos"
)
_ARCHITECTURES: Final = re.compile(
    "386|amd64|amd64p32|arm|armbe|arm64|arm64be|ppc64|ppc64le|loong64|mips|mipsle|mips64|mips64le|mips64p32|"
    "mips64p32le|ppc|riscv|riscv64|s390|s390x|sparc|sparc64|wasm"
)
_CONTAINER_SYSTEMS: Final = ("linux", "windows")


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system, architecture and its variant, as the engine names them."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = ""

    def __str__(self) -> str:
        return "/".join(one for one in (self.os, self.architecture, self.variant) if one)

    def to_json(self) -> str:
        """Return the form that requests from API 1.49 on take."""
        fields = {key.replace("os_version", "os.version"): one for key, one in asdict(self).items()}
        return json.dumps({key: one for key, one in fields.items() if one or key in ("os", "architecture")})


@dataclass(frozen=True, slots=True)
class RequestedPlatform:
    """What was asked for, and what to say about it."""

    platform: Platform
    #: For the trace; empty when there is nothing to say.
    warning: str = ""


def parse_platform(text: str) -> RequestedPlatform:
    """Read a platform; a bare architecture gets an operating system that containers have.

    :raises BuildError: in docker's words.
    """
    found = _parse(text)
    if found.os in _CONTAINER_SYSTEMS:
        return RequestedPlatform(found)
    warning = (
        f'Platform OS {quoted(found.os)} in {quoted(text)} is not a valid container OS; using "linux" instead'
    )
    return RequestedPlatform(Platform("linux", found.architecture, found.variant, found.os_version), warning)


def _parse(text: str) -> Platform:
    if "*" in text:
        raise _invalid(f"{quoted(text)}: wildcards not yet supported")
    first, *others = text.split("/", 3)
    system = re.fullmatch(_SYSTEM[1:-1], first, re.ASCII)
    if system is None:
        raise _invalid(
            f"{quoted(first)} is an invalid OS component of {quoted(text)}: "
            f"OSAndVersion specifier component must match {quoted(_SYSTEM)}"
        )
    for one in others:
        if not re.fullmatch(_PART[1:-1], one, re.ASCII):
            raise _invalid(
                f"{quoted(one)} is an invalid component of {quoted(text)}: "
                f"platform specifier component must match {quoted(_PART)}"
            )
    name = system[1].lower()
    name, version = "darwin" if name == "macos" else name, system[2] or ""
    if len(others) == 2:
        architecture, variant = _architecture(*others)
        return Platform(name, architecture, variant or ("v8" if architecture == "arm64" else ""), version)
    if len(others) == 1:
        return Platform(name, *_usual_variant(*_architecture(others[0], "")), version)
    if others:
        raise _invalid(f"{quoted(text)}: cannot parse platform specifier")
    if _SYSTEMS.fullmatch(name):
        return Platform(name, *_usual_variant(*_architecture(host.machine(), "")), version)
    architecture, variant = _usual_variant(*_architecture(first, ""))
    if not _ARCHITECTURES.fullmatch(architecture):
        raise _invalid(f"{quoted(text)}: unknown operating system or architecture")
    return Platform("linux", architecture, variant)


def _architecture(name: str, variant: str) -> tuple[str, str]:
    name, variant = name.lower(), variant.lower()
    match name:
        case "i386":
            return "386", ""
        case "x86_64" | "x86-64" | "amd64":
            return "amd64", "" if variant == "v1" else variant
        case "aarch64" | "arm64":
            return "arm64", "" if variant in ("8", "v8") else variant
        case "armhf":
            return "arm", "v7"
        case "armel":
            return "arm", "v6"
        case "arm":
            numbered = f"v{variant}" if variant in ("5", "6", "7", "8") else variant
            return "arm", numbered or "v7"
    return name, variant


def _usual_variant(architecture: str, variant: str) -> tuple[str, str]:
    return architecture, "" if (architecture, variant) == ("arm", "v7") else variant


def _invalid(text: str) -> BuildError:
    return BuildError(f"{text}: invalid argument", FailureReason.CONFIGURATION_ERROR)
