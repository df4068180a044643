"""``/etc/resolv.conf`` of the sandbox, as Docker makes it for a container on the default bridge."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

RESOLV_CONF: Final = Path("/etc/resolv.conf")
#: What systemd-resolved itself asks, where the host's file names only its stub on loopback.
SYSTEMD_RESOLVED: Final = Path("/run/systemd/resolve/resolv.conf")
_STUB: Final = "127.0.0.53"
#: Docker's own choice where no server is left.
DEFAULT_SERVERS: Final = ("8.8.8.8", "8.8.4.4")


def resolv_conf(host: Path = RESOLV_CONF, resolved: Path = SYSTEMD_RESOLVED) -> str:
    """Return the file's text: the host's, without servers that only the host can reach."""
    lines = _lines(host)
    if _servers(lines) == [_STUB] and resolved.exists():
        lines = _lines(resolved)
    kept = [line for line in lines if not _is_server(line) or _reachable(line.split()[1])]
    if not _servers(kept):
        kept += [f"nameserver {one}" for one in DEFAULT_SERVERS]
    return "".join(f"{line}\n" for line in kept)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;"]


def _is_server(line: str) -> bool:
    words = line.split()
    return words[0] == "nameserver" and len(words) > 1


def _servers(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines if _is_server(line)]


def _reachable(server: str) -> bool:
    """Tell whether a server can be asked from a network of its own, which has IPv4 only."""
    try:
        address = ipaddress.ip_address(server.partition("%")[0])
    except ValueError:
        return False
    return address.version == 4 and not address.is_loopback and not address.is_unspecified
