"""A container engine of a test's own, which may be stopped, killed and started again.

Its files lie below one short folder (a socket's path is short), it has a containerd and a bridge of its own:
the machine's engine, its networks and its rules are not touched. Nothing is ever chosen by name: what is
ended are the processes that were started here, and the shims whose namespace lies in the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from tests.support.certificates import make_certificates
from tests.support.docker import BUSYBOX, DockerLab

if TYPE_CHECKING:
    import docker

#: Seconds that an engine has to answer, or to end.
PATIENCE: Final = 60.0
#: Stands for gitlab-runner's helper where a test needs no more than an open volume.
_HELPER: Final = b"""#!/bin/sh
case "$1" in
  cache-init) chmod 0777 "$2" ;;
  *) echo "no such command here: $1" >&2; exit 1 ;;
esac
"""


def why_no_second_engine() -> str:
    """Return why no engine can be started here; empty when one can."""
    if os.geteuid() != 0:
        return "an engine of its own needs root"
    missing = [one for one in ("dockerd", "containerd", "runc") if shutil.which(one) is None]
    if missing:
        return f"there is no {missing[0]} command"
    return "" if BUSYBOX.exists() else f"there is no {BUSYBOX} (busybox-static)"


@dataclass
class SecondEngine:
    """One dockerd; see the module.

    :param live_restore: containers outlive it.
    :param tls: it listens on TCP, wants a client certificate, and :attr:`settings` name that address.
    """

    folder: Path
    live_restore: bool = False
    tls: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _port: int = 0
    _labs: list[DockerLab] = field(default_factory=list)

    @property
    def socket(self) -> str:
        """Its address on this machine."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def settings(self) -> dict[str, Any]:
        """Keys of ``[runners.docker]`` by which jobs reach it."""
        if not self.tls:
            return {"host": self.socket}
        return {
            "host": f"tcp://127.0.0.1:{self._port}",
            "tls_cert_path": str(self.folder / "tls"),
            "tls_verify": True,
        }

    def start(self) -> None:
        """Start it, and return when it answers."""
        arguments = [
            *("dockerd", "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"),
            *("--pidfile", f"{self.folder}/docker.pid", "--host", self.socket),
            # With "--bridge none" it would remove docker0, which is the machine's engine's.
            *("--bridge", self._bridge(), "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
            *("--storage-driver", "vfs", "--log-level", "warn", "--shutdown-timeout", "2"),
            *(["--live-restore"] if self.live_restore else []),
            *(self._tls_arguments() if self.tls else []),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._await_answer()

    def _bridge(self) -> str:
        """Return a bridge of its own, made now if need be."""
        name = f"pyrt{os.getpid()}"[:15]
        made = subprocess.run(["ip", "link", "add", "name", name, "type", "bridge"], capture_output=True)
        if made.returncode == 0:
            address = f"10.213.{os.getpid() % 254}.1/24"
            for words in (["addr", "add", address, "dev", name], ["link", "set", name, "up"]):
                subprocess.run(["ip", *words], check=True)
        return name

    def stop(self) -> None:
        """Stop it as a service manager does (SIGTERM), and return when it has ended."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._process = None

    def kill(self) -> None:
        """SIGKILL it; its containerd dies with it, the shims and what they hold live on."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process = None
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        # Where nobody reaps orphans the next engine would take the dead one for alive.
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def lab(self) -> DockerLab:
        """Return a lab on it, by its socket."""
        import docker

        lab = DockerLab(docker.APIClient(base_url=self.socket, version="auto", timeout=60))
        self._labs.append(lab)
        return lab

    def helper(self, lab: DockerLab, files: dict[str, bytes] | None = None) -> str:
        """Return an image that can serve as helper: busybox, and gitlab-runner-helper in short."""
        own = {"bin/gitlab-runner-helper": _HELPER, **(files or {})}
        return lab.image(files=own)

    def things(self, api: docker.APIClient) -> list[str]:
        """Return what jobs have left on it: containers, volumes, networks of their own."""
        containers = [one["Names"][0] for one in api.containers(all=True)]
        volumes = [one["Name"] for one in api.volumes().get("Volumes") or []]
        networks = [one["Name"] for one in api.networks() if one["Name"] not in ("none", "host", "bridge")]
        return [*containers, *volumes, *networks]

    def close(self) -> None:
        """End it and all that it has started, and remove its files."""
        for lab in self._labs:
            lab.api.close()
        if self._process is None:
            with contextlib.suppress(AssertionError):
                self.start()
        with contextlib.suppress(Exception):
            self._remove_containers()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._end_leftovers()
        subprocess.run(["ip", "link", "del", self._bridge()], capture_output=True)
        _unmount(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_containers(self) -> None:
        import docker

        with contextlib.closing(docker.APIClient(base_url=self.socket, version="auto", timeout=20)) as api:
            for one in api.containers(all=True):
                api.remove_container(one["Id"], force=True, v=True)

    def _end_leftovers(self) -> None:
        """Kill containerd and the shims of this folder, which a killed engine leaves."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(str(self.folder) in word for word in process.cmdline()):
                    name = process.name()
                    if name.startswith(("containerd", "dockerd", "runc")):
                        process.kill()

    def _tls_arguments(self) -> list[str]:
        folder = self.folder / "tls"
        if not folder.exists():
            made = make_certificates(self.folder / "certificates")
            folder.mkdir()
            pairs = ((made.ca, "ca.pem"), (made.client, "cert.pem"), (made.client_key, "key.pem"))
            for source, name in pairs:
                shutil.copy(source, folder / name)
        if not self._port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._port = free.getsockname()[1]
        certificates = self.folder / "certificates"
        return [
            *("--host", f"tcp://127.0.0.1:{self._port}", "--tlsverify"),
            *("--tlscacert", str(certificates / "ca.pem")),
            *("--tlscert", str(certificates / "server.pem"), "--tlskey", str(certificates / "server.key")),
        ]

    def _await_answer(self) -> None:
        assert self._process is not None
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.folder / "docker.sock"))
                connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                if b" 200 " in connection.recv(64):
                    return
            time.sleep(0.05)
        raise AssertionError(f"the engine does not answer: {(self.folder / 'log').read_text()[-2000:]}")


def _unmount(folder: Path) -> None:
    """Take away what a killed engine has left mounted below a folder, the last first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for path in reversed([line.split()[4] for line in lines]):
        if path.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", path], check=False, capture_output=True)


@contextmanager
def second_engine(*, live_restore: bool = False, tls: bool = False) -> Iterator[SecondEngine]:
    """Start an engine; all of it is gone afterwards."""
    engine = SecondEngine(Path(tempfile.mkdtemp(prefix="engine", dir="/tmp")), live_restore, tls)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()
