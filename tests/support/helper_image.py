"""An image that can serve as helper: Debian with git and Python, and our helper under gitlab-runner's name.

Made once and kept in the local engine, under a name that follows from what is in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.debian import IMAGE, make_image
from tests.support.docker import why_no_docker

if TYPE_CHECKING:
    import docker

_PACKAGE: Final = Path(__file__).resolve().parents[2] / "pyrunner"
_SHIM: Final = (
    b'#!/bin/sh\nif [ "$1" = cache-init ]; then exec chmod 0777 "$2"; fi\n'
    b'exec python3 -I /opt/pyrunner/helper/start.py "$@"\n'
)
#: Under umask 0000 as gitlab-runner's helper image has it (docker-executor.md 8.3).
_BUILD: Final = b"#!/bin/sh\numask 0000\nexec /bin/bash\n"
_PROGRAMS: Final = {"usr/bin/gitlab-runner-helper": _SHIM, "usr/bin/gitlab-runner-build": _BUILD}


def helper_image(api: docker.APIClient) -> str:
    """Return the image's name; made now if need be, or the test is skipped with the reason."""
    if reason := why_no_docker():
        pytest.skip(reason)
    content = _content()
    name = f"pyrunner-test/helper:{hashlib.sha256(IMAGE.encode() + content).hexdigest()[:12]}"
    with Path(tempfile.gettempdir(), "pyrunner-test-helper.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not api.images(name=name):
            make_image()
            made = api.create_container(IMAGE, ["true"])
            try:
                assert api.put_archive(made["Id"], "/", content)
                repository, _, tag = name.partition(":")
                api.commit(made["Id"], repository, tag, changes='CMD ["bash"]')
            finally:
                api.remove_container(made["Id"])
    return name


def _content() -> bytes:
    buffer = io.BytesIO()
    listed = subprocess.run(
        ["git", "-C", str(_PACKAGE), "ls-files", "-z", "--", "*.py"], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in sorted(one.decode() for one in listed.split(b"\0") if one):
            file = _PACKAGE / name
            if file.exists():
                _add(tar, f"opt/pyrunner/{name}", file.read_bytes(), 0o644)
        for path, data in _PROGRAMS.items():
            _add(tar, path, data, 0o755)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))
