"""A real docker daemon for tests: is there one, a busybox image, and the removal of what a test made.

Everything that a lab makes has its label; only that is removed. The SDK is imported when a test wants it:
tests/conftest.py imports this module for all.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.requirement import lacking

if TYPE_CHECKING:
    import docker

BUSYBOX: Final = Path("/bin/busybox")
LABEL: Final = "pyrunner.test"


def why_no_docker() -> str:
    """Return why docker cannot be used here; empty when it can."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=30)
    return "" if answer.returncode == 0 else f"docker info failed: {answer.stderr.strip()}"


def busybox_tar(files: dict[str, bytes] | None = None) -> bytes:
    """Return a root file system: busybox, its applets as links, and ``files`` (path to content, 0755)."""
    buffer = io.BytesIO()
    names = subprocess.run([str(BUSYBOX), "--list"], capture_output=True, text=True, check=True).stdout
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "root", "proc", "sys", "dev", "www"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        content = {"bin/busybox": BUSYBOX.read_bytes(), "etc/passwd": b"root:x:0:0::/root:/bin/sh\n"}
        for path, data in {**content, **(files or {})}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
        for name in names.split():
            if name != "busybox":
                entry = tarfile.TarInfo(f"bin/{name}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return buffer.getvalue()


@dataclass
class DockerLab:
    """One test's use of the daemon; ``mark`` is in every name that it makes."""

    api: docker.APIClient
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    _images: list[str] = field(default_factory=list)

    @property
    def labels(self) -> dict[str, str]:
        """Put on containers, networks and volumes that shall go with the lab."""
        return {LABEL: self.mark}

    def image(self, *changes: str, files: dict[str, bytes] | None = None, name: str = "") -> str:
        """Import a busybox image with Dockerfile instructions such as ``EXPOSE 80``; returns its name."""
        name = name or f"pyrunner-test-{self.mark}/busybox:{len(self._images)}"
        settings = ["ENV PATH=/bin", 'CMD ["sh"]', f"LABEL {LABEL}={self.mark}", *changes]
        repository, _, tag = name.rpartition(":")
        self.api.import_image_from_data(busybox_tar(files), repository=repository, tag=tag, changes=settings)
        self._images.append(name)
        return name

    def containers(self, label: str = "") -> list[dict[str, Any]]:
        """Return all containers with the lab's label, or another."""
        found: list[dict[str, Any]] = self.api.containers(
            all=True, filters={"label": label or f"{LABEL}={self.mark}"}
        )
        return found

    def close(self) -> None:
        """Remove all that has the lab's label."""
        chosen = {"label": f"{LABEL}={self.mark}"}
        for one in self.api.containers(all=True, filters=chosen):
            _unless_gone(partial(self.api.remove_container, one["Id"], force=True, v=True))
        for one in self.api.networks(filters=chosen):
            _unless_gone(partial(self.api.remove_network, one["Id"]))
        for one in self.api.volumes(filters=chosen).get("Volumes") or []:
            _unless_gone(partial(self.api.remove_volume, one["Name"], force=True))
        for name in self._images:
            _unless_gone(partial(self.api.remove_image, name, force=True))
        self.api.close()


def _unless_gone(remove: Callable[[], Any]) -> None:
    import docker.errors

    with contextlib.suppress(docker.errors.NotFound):
        remove()


@pytest.fixture(scope="session")
def docker_available() -> None:
    """Skip where there is no daemon or no busybox."""
    reason = why_no_docker() or ("" if BUSYBOX.exists() else f"there is no {BUSYBOX} (busybox-static)")
    if reason:
        lacking("docker", reason)


@pytest.fixture
def docker_lab(docker_available: None) -> Iterator[DockerLab]:
    """A lab; all that it made is removed after the test."""
    import docker

    lab = DockerLab(docker.APIClient(version="auto", timeout=60))
    try:
        yield lab
    finally:
        lab.close()
