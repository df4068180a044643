"""Overhead of docker jobs through a real manager: sandbox, engine, one container a job."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.jobs import Bench, overhead
from pyrunner.coordinator.records import JobRecord
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.executors.docker.workspaces.choice import host_obstacle

_BUSYBOX = Path("/bin/busybox")
_STAMPS = ["echo first=$(/bin/date +%s.%N)", "echo last=$(/bin/date +%s.%N)"]


def docker_figures() -> list[Figure]:
    """Measure one job at a time, ten at once, and jobs with a service."""
    try:
        import docker

        api = docker.APIClient(version="auto")
    except Exception as error:  # noqa: BLE001 - whatever it is, there is nothing to measure
        return [Figure(f"docker jobs: not measured, {error}", 0.0, "")]
    image = f"pyrunner-bench-{uuid.uuid4().hex[:8]}:1"
    _import(api, image)
    where = host_obstacle() or "sandbox"
    try:
        with tempfile.TemporaryDirectory(prefix="pyrunner-bench-") as name:
            folder = Path(name)
            sources = _sources(folder)
            with _bench(folder, api, image) as running:
                running.coordinator.add_repository("group/app", sources)
                return _measure(running, image, where)
    finally:
        api.remove_image(image, force=True)
        api.close()


def _measure(running: Bench, image: str, where: str) -> list[Figure]:
    _run(running, 2, 1)
    jobs = _run(running, 10, 1)
    before, after = overhead(jobs)
    figures = [
        Figure(
            "docker: 201 to first script byte", before, "ms", note=f"git fetch of a small project, {where}"
        ),
        Figure("docker: script end to final PUT", after, "ms"),
        Figure("docker: job overhead", before + after, "ms", 400),
    ]
    before, after = overhead(_run(running, 30, 10))
    figures.append(Figure("docker: job overhead, 10 at once", before + after, "ms"))
    service = [{"name": image, "alias": "web", "command": ["httpd", "-f", "-p", "80"]}]
    before, after = overhead(_run(running, 5, 1, services=service))
    figures.append(Figure("docker: job overhead with one service", before + after, "ms"))
    return figures


def _run(running: Bench, count: int, at_once: int, **arguments: Any) -> list[JobRecord]:
    """Run jobs that print when their script begins and ends."""
    done: list[JobRecord] = []
    while len(done) < count:
        ids = [
            running.coordinator.enqueue(repository="group/app", script=_STAMPS, **arguments)
            for _ in range(min(at_once, count - len(done)))
        ]
        done.extend(running.coordinator.wait_for(one, "success", timeout=120) for one in ids)
    return done


@contextmanager
def _bench(folder: Path, api: Any, image: str) -> Iterator[Bench]:
    [network] = api.inspect_network("bridge")["IPAM"]["Config"]
    gateway = network.get("Gateway") or network["Subnet"].replace(".0/16", ".1").replace(".0/24", ".1")
    with EmbeddedCoordinator(host=gateway, settings=CoordinatorSettings(long_poll_seconds=50)) as coordinator:
        token = coordinator.add_runner()
        config = folder / "config.toml"
        config.write_text(
            "concurrent = 10\ncheck_interval = 1\n[[runners]]\n"
            f'name = "bench"\nurl = "{coordinator.url}"\nid = 1\ntoken = "{token}"\n'
            'executor = "docker"\nrequest_concurrency = 10\n'
            "[runners.feature_flags]\nFF_USE_ADAPTIVE_REQUEST_CONCURRENCY = false\n"
            f'[runners.docker]\nimage = "{image}"\npull_policy = "if-not-present"\n'
            f'[runners.tristan]\nroot = "{folder / "root"}"\nbusiness_id = "bench-{uuid.uuid4().hex[:6]}"\n'
        )
        with (folder / "manager.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pyrunner", "run", "--config", str(config)],
                env={**os.environ, "HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            import psutil

            yield Bench(coordinator, psutil.Process(process.pid))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _sources(folder: Path) -> Path:
    path = folder / "sources"
    path.mkdir()
    for number in range(20):
        (path / f"file{number}").write_text("line\n" * 100)
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=path, env=environment, check=True)
    return path


def _import(api: Any, image: str) -> None:
    """Make an image of busybox and what its clock needs: the host's own ``date`` with its libraries."""
    buffer = io.BytesIO()
    applets = subprocess.run(
        [str(_BUSYBOX), "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(entry)
        data = _BUSYBOX.read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
        for name in applets:
            if name not in ("busybox", "date"):
                entry = tarfile.TarInfo(f"bin/{name}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
        for program in ("/bin/date", *_libraries("/bin/date")):
            tar.add(os.path.realpath(program), arcname=program.lstrip("/"))
    repository, _, tag = image.rpartition(":")
    changes = ["ENV PATH=/bin", "EXPOSE 80"]
    api.import_image_from_data(buffer.getvalue(), repository=repository, tag=tag, changes=changes)


def _libraries(program: str) -> list[str]:
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for line in text.splitlines() for word in line.split() if word.startswith("/")]
