"""What of the host every sandbox sees, read-only: programs, libraries, certificates - no configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Links into /usr on most systems, folders on a few.
_PROGRAMS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
#: Small files, copied: a mount each would take longer than all of them together.
#: Nothing here may also hold keys or passwords: with CAP_DAC_OVERRIDE no mode keeps them from a stage.
_COPIED: Final = (
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/openssl.cnf",
)
#: Certificate stores: Debian, Red Hat, SUSE, Arch, Alpine; and what program names lead to.
_MOUNTED: Final = (
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
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
    #: Files whose content is copied.
    copied: tuple[str, ...] = ()

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
        visible += [one for one in _MOUNTED if (root / one[1:]).exists()]
        hidden = tuple(
            one for one in _HIDDEN if (root / one[1:]).is_dir() and not (root / one[1:]).is_symlink()
        )
        copied = tuple(one for one in _COPIED if (root / one[1:]).is_file())
        return cls(tuple(visible), tuple(links), hidden, copied)
