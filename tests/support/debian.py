"""A small Debian with a real systemd, in a container: for what only a booted machine can show.

The root file system is made by debootstrap once and kept as an image of the local engine, under a name that
follows from what is in it; ``docker image rm`` removes it. Machines have the label of :mod:`.docker`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.docker import LABEL, why_no_docker
from tests.support.hierarchies import systemd_boots
from tests.support.requirement import lacking

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_SUITE: Final = "bookworm"
#: The minor version of that suite's interpreter: the packages are made for it.
PYTHON: Final = "3.11"
_CONTENT: Final = ",".join(
    (
        *("systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd"),
        *("python3", "git", "ca-certificates", "procps", "sudo", "bubblewrap", "passt"),
    )
)
IMAGE: Final = f"pyrunner-test/{_SUITE}-systemd:{hashlib.sha256(_CONTENT.encode()).hexdigest()[:12]}"
#: Seconds for what takes a moment on an idle machine.
PATIENCE: Final = 90.0


def _quiet(*command: str | Path, **options: object) -> str:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout.strip()


def make_image() -> None:
    """Import the root file system unless it is there; parallel sessions wait for one another."""
    with Path(tempfile.gettempdir(), "pyrunner-test-debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (
            subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode
            == 0
        ):
            return
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "root"
            _quiet("debootstrap", "--variant=minbase", f"--include={_CONTENT}", _SUITE, root)
            shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
            (root / "etc/machine-id").write_text("")
            tar = Path(folder) / "root.tar"
            _quiet("tar", "-C", root, "-cf", tar, ".")
            _quiet("docker", "import", "--change", 'CMD ["/sbin/init"]', tar, IMAGE)


@dataclass(frozen=True)
class Result:
    """How a command on a machine ended."""

    code: int
    out: str
    err: str


class Machine:
    """A booted Debian; what is in ``shared`` here is in ``/shared`` there, read-only.

    :param more: further options of ``docker run``.
    """

    def __init__(self, shared: Path, *more: str) -> None:
        self.name = f"pyrunner-test-{uuid.uuid4().hex[:10]}"
        options = ["--cap-add", "SYS_ADMIN", "--stop-signal", "SIGRTMIN+3"]
        options += ["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"]
        options += ["--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"]
        options += ["--volume", "/sys/fs/cgroup:/sys/fs/cgroup", "--volume", f"{shared}:/shared:ro", *more]
        _quiet(
            "docker", "run", "--detach", "--name", self.name, "--label", f"{LABEL}=debian", *options, IMAGE
        )
        self.await_boot()

    def await_boot(self) -> None:
        """Return when systemd has started all there is."""
        self.until("systemctl is-system-running | grep -qE 'running|degraded'", "it has booted")
        # As on a machine of its own: credentials reach a service by a mount that has to propagate.
        self.do("mount", "--make-rshared", "/")

    def run(self, *words: str, user: str = "root") -> Result:
        """Run a command."""
        command = ["docker", "exec", "--user", user, self.name, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return Result(done.returncode, done.stdout.strip(), done.stderr.strip())

    def do(self, *words: str, user: str = "root") -> str:
        """Run a command that has to succeed, and return its output."""
        done = self.run(*words, user=user)
        assert done.code == 0, f"{words}: {done.out}\n{done.err}\n{self.journal()}"
        return done.out

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command and go on."""
        return subprocess.Popen(["docker", "exec", self.name, *words], stdin=subprocess.DEVNULL)

    def write(self, path: str, text: str, mode: str = "0600") -> None:
        """Write a file."""
        subprocess.run(
            ["docker", "exec", "-i", self.name, "sh", "-c", f"install -D -m {mode} /dev/stdin {path}"],
            input=text.encode(),
            check=True,
        )

    def until(self, condition: str, what: str) -> None:
        """Wait until a shell command succeeds."""
        ends = time.monotonic() + PATIENCE
        while self.run("sh", "-c", condition).code:
            if time.monotonic() > ends:
                raise TimeoutError(f"not within {PATIENCE} s: {what}\n{self.journal()}")
            time.sleep(0.2)

    def reboot(self) -> None:
        """Shut down in order, and boot again."""
        _quiet("docker", "stop", "--time", "60", self.name)
        _quiet("docker", "start", self.name)
        self.await_boot()

    def journal(self, unit: str = "") -> str:
        """Return the last lines of the journal."""
        chosen = ["--unit", unit] if unit else []
        return self.run("journalctl", "--no-pager", "--lines", "200", *chosen).out

    def configure(
        self, url: str, token: str, *, path: str = "/etc/gitlab-runner/config.toml", more: str = ""
    ) -> None:
        """Write a config.toml with a runner of the shell executor that keeps its jobs in /srv/jobs.

        :param more: further keys of the entry.
        """
        entry = {"name": "debian", "url": url, "id": 1, "token": token, "executor": "shell"}
        lines = ["concurrent = 2", "check_interval = 1", "[[runners]]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        lines += [more, "[runners.tristan]", 'root = "/srv/jobs"', ""]
        self.write(path, "\n".join(lines))

    def remove(self) -> None:
        """End it, whatever it does."""
        _quiet("docker", "rm", "--force", "--volumes", self.name)


def bridge_address() -> str:
    """Return this host's address as machines see it."""
    found = json.loads(_quiet("docker", "network", "inspect", "bridge"))
    return str(found[0]["IPAM"]["Config"][0]["Gateway"])


def why_no_debian() -> str:
    """Return why there can be no machines here; empty when there can."""
    if reason := why_no_docker():
        return reason
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        return "needs root and debootstrap"
    return "" if interpreter() else f"no Python {PYTHON} here to make packages for Debian with"


def interpreter() -> str:
    """Return an interpreter of the version that packages are for; empty when there is none."""
    if sys.version_info[:2] == tuple(int(part) for part in PYTHON.split(".")):
        return sys.executable
    return shutil.which(f"python{PYTHON}") or ""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the deb of this checkout, releases 1 and 2, and the tree that is in them."""
    if reason := why_no_debian():
        lacking("debian", reason)
    shared = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if shared else base) / "debian-packages"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            _make_packages(folder)
            (folder / "made").touch()
    return folder


def _make_packages(folder: Path) -> None:
    maker = _CHECKOUT / "packaging" / "make_package.py"
    options: list[str | Path] = ["--out", folder, "--stage", folder / "tree", "--python", interpreter()]
    for release in ("1", "2"):
        _quiet(sys.executable, maker, "deb", *options, "--release", release)


@pytest.fixture
def machine(packages: Path) -> Iterator[Machine]:
    """A fresh machine; ``/shared`` holds the packages."""
    make_image()
    with systemd_boots():
        booted = Machine(packages)
        try:
            yield booted
        finally:
            booted.remove()
