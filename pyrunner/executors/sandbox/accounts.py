"""The few files of ``/etc`` that the sandbox gets its own version of."""

from __future__ import annotations

import shutil
from typing import Final

from pyrunner.executors.sandbox.git_settings import FORCED, LARGE_FILES, system_config

#: Home of uid 0 inside; empty at the start of each stage, as in a new helper container.
HOME: Final = "/root"

_PASSWD: Final = (
    f"root:x:0:0:root:{HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
)
_GROUP: Final = "root:x:0:\nnogroup:x:65534:\n"
#: No modules that talk to daemons of the host, whose sockets are not there.
_NSSWITCH: Final = "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nservices: files\n"


def generated_files(resolv_conf: str) -> dict[str, bytes]:
    """Return path inside → content.

    :param resolv_conf: see :mod:`.resolver`.
    """
    settings = (
        *FORCED,
        *(LARGE_FILES if shutil.which("git-lfs", path="/usr/local/bin:/usr/bin:/bin") else ()),
    )
    return {
        "/etc/passwd": _PASSWD.encode(),
        "/etc/group": _GROUP.encode(),
        "/etc/nsswitch.conf": _NSSWITCH.encode(),
        "/etc/gitconfig": system_config(settings).encode(),
        "/etc/resolv.conf": resolv_conf.encode(),
    }
