"""What of the host every sandbox sees, read-only: programs, libraries, certificates - no configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Links into /usr on most systems, folders on a few.
_PROGRAMS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
#: Never a folder that also holds keys or passwords: with CAP_DAC_OVERRIDE no mode keeps them from a stage.
_SETTINGS: Final = (
    # name resolution and time
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    # the loader's, and the names of programs
    "/etc/ld.so.cache",
    "/etc/alternatives",
    # certificate stores: Debian, Red Hat, SUSE, Arch, Alpine
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates/extracted",
    "/etc/crypto-policies",
    "/var/lib/ca-certificates",
)
#: Settings of the machine's administrator below /usr.
_HIDDEN: Final = ("/usr/local/etc", "/usr/src")


@dataclass(frozen=True)
class HostView:
    """The parts that exist on this host."""

    #: Folders and files that are mounted at their own places.
    visible: tuple[str, ...]
    #: Link inside → where it points to.
    links: tuple[tuple[str, str], ...]
    #: Folders that an empty one covers.
    hidden: tuple[str, ...]

    @classmethod
    def of(cls, root: Path = Path("/")) -> HostView:
        """Look at this host, or at the tree ``root``."""
        visible, links = ["/usr"], []
        for name in _PROGRAMS:
            place = root / name
            if place.is_symlink():
                links.append((f"/{name}", os.readlink(place)))
            elif place.is_dir():
                visible.append(f"/{name}")
        visible += [one for one in _SETTINGS if (root / one[1:]).exists()]
        hidden = tuple(one for one in _HIDDEN if (root / one[1:]).is_dir() and not (root / one[1:]).is_symlink())
        return cls(tuple(visible), tuple(links), hidden)
