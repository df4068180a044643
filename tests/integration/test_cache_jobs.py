"""Caches between jobs of a real runner: saved, found, kept apart, never torn (job-execution.md 7)."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.build.helper_call import helper_command
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.contexts import build_context
from tests.support.runner import RunnerProcess, trace_lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MAKE = "mkdir -p lib && echo one > lib/one && ln -s one lib/link"
SHOW = "cat lib/one || echo nothing there"


class Jobs:
    """A runner and its coordinator: jobs one after another."""

    def __init__(self, coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
        self.coordinator = coordinator
        self.runner = runner

    def run(self, *script: str, status: str = "success", **arguments: Any) -> str:
        """Run a job in a clean work tree and return what it printed."""
        job_id = self.coordinator.enqueue(script=["rm -rf lib", *script], **arguments)
        self.coordinator.wait_for(job_id, status)
        trace = self.coordinator.trace(job_id)
        return "\n".join([*trace_lines(trace), *trace_lines(trace, "01E")])

    def restored(self, *script: str, **arguments: Any) -> str:
        """Run a job that does not clean its tree; the cache is in it."""
        job_id = self.coordinator.enqueue(script=[*script, "rm -rf lib"], **arguments)
        self.coordinator.wait_for(job_id, "success")
        trace = self.coordinator.trace(job_id)
        return "\n".join([*trace_lines(trace), *trace_lines(trace, "01E")])

    @property
    def caches(self) -> Path:
        """The folder with all caches of the business."""
        return self.runner.root / "1" / "cache" / "projects"

    def archives(self) -> list[str]:
        """Return the archives there are, below the project's folder."""
        found = self.caches.glob("*/*/**/cache.zip")
        return sorted("/".join(one.relative_to(self.caches).parts[1:]) for one in found)


@pytest.fixture
def jobs(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[Jobs]:
    """A runner on a fresh root."""
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner()) as process:
        yield Jobs(coordinator, process)


def cache(key: str = "key", **changes: Any) -> dict[str, Any]:
    """Return one cache entry of a payload."""
    return {"key": key, "paths": ["lib/"], **changes}


def test_a_cache_is_found_by_the_next_job(jobs: Jobs) -> None:
    """Files and links; unchanged, it is neither made nor uploaded again; what was deleted is noticed."""
    first = jobs.run(MAKE, cache=[cache()])
    assert "Failed to extract cache" in first
    assert "lib/: found 3 matching artifact files and directories" in first
    assert "Created cache" in first
    (archive,) = jobs.caches.rglob("cache.zip")
    made = archive.stat()
    assert (made.st_mode & 0o777, archive.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    second = jobs.coordinator.enqueue(script=["cat lib/link"], cache=[cache()])
    jobs.coordinator.wait_for(second, "success")
    trace = jobs.coordinator.trace(second)
    assert b"Successfully extracted cache" in trace
    assert "one" in trace_lines(trace)
    assert b"Archive is up to date!" in trace
    assert archive.stat().st_ino == made.st_ino
    third = jobs.coordinator.enqueue(script=["rm lib/link"], cache=[cache()])
    jobs.coordinator.wait_for(third, "success")
    assert zipfile.ZipFile(archive).namelist() == ["lib/", "lib/one"]
    assert jobs.coordinator.violations == []


def test_protected_refs_have_their_own(jobs: Jobs) -> None:
    """What an unprotected ref saved is never given to a protected one, nor the other way (7.6)."""
    jobs.run(MAKE, cache=[cache()])
    assert "nothing there" in jobs.restored(SHOW, cache=[cache()], protected=True)
    jobs.run(MAKE, cache=[cache("other")], protected=True)
    assert "nothing there" in jobs.restored(SHOW, cache=[cache("other")])
    assert jobs.archives() == ["1/protected/other/cache.zip", "1/unprotected/key/cache.zip"]


def test_projects_have_their_own(jobs: Jobs) -> None:
    """Equal keys in two projects name two caches, whatever the key tries."""
    jobs.run(MAKE, cache=[cache()])
    output = jobs.restored(
        SHOW, cache=[cache("../../1/unprotected/key")], project="group/other", project_id=2
    )
    assert "nothing there" in output
    assert 'sanitized to "1/unprotected/key"' in output


def test_fallback_keys(jobs: Jobs) -> None:
    """The first that is there; nothing behind it is tried."""
    jobs.run(MAKE, cache=[cache("main")])
    output = jobs.restored(
        SHOW, cache=[cache("branch", fallback_keys=["none", "main", "never"], policy="pull")]
    )
    assert "one" in output.splitlines()
    assert "Checking cache for main..." in output
    assert "never" not in output


def test_when(jobs: Jobs) -> None:
    """A failed job saves what is meant for it."""
    entries = [cache("ok"), cache("bad", when="on_failure"), cache("both", when="always")]
    jobs.run(MAKE, "false", status="failed", cache=entries)
    assert jobs.archives() == ["1/unprotected/bad/cache.zip", "1/unprotected/both/cache.zip"]


def test_the_schemes_of_keys_take_over_from_each_other(jobs: Jobs) -> None:
    """FF_HASH_CACHE_KEYS switched on: the next save moves the archive to its new name (7.1, 7.3)."""
    jobs.run(MAKE, cache=[cache()])
    hashed = {"FF_HASH_CACHE_KEYS": "true"}
    output = jobs.run(MAKE, cache=[cache()], variables=hashed)
    assert "Renamed alternate cache file to primary" in output
    (archive,) = jobs.archives()
    assert len(archive.split("/")[2]) == 64
    assert "one" in jobs.restored(SHOW, cache=[cache()], variables=hashed).splitlines()


@pytest.mark.parametrize("form", ["zipzstd", "tarzstd"])
def test_formats(jobs: Jobs, form: str) -> None:
    """Told by content, so a later job need not name it."""
    jobs.run(MAKE, cache=[cache()], variables={"CACHE_COMPRESSION_FORMAT": form})
    output = jobs.restored(SHOW, cache=[cache()])
    assert "one" in output.splitlines()


def test_a_broken_archive_fails_no_job(jobs: Jobs) -> None:
    """It is said, and replaced at the end."""
    jobs.run(MAKE, cache=[cache()])
    (archive,) = jobs.caches.rglob("cache.zip")
    archive.write_bytes(b"junk")
    output = jobs.run(MAKE, cache=[cache()])
    assert "FATAL: zip: not a valid zip file" in output
    assert "Failed to extract cache" in output
    assert zipfile.ZipFile(archive).testzip() is None


def test_the_jobs_own_python_does_not_matter(jobs: Jobs) -> None:
    """Modules in the work tree and PYTHON variables mislead a script of the job, not our helper."""
    trap = "import os; os._exit(99)"
    names = ("json", "zipfile", "argparse", "sitecustomize", "pyrunner")
    variables = {
        "PYTHONPATH": "$CI_PROJECT_DIR", "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere",
        "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "LC_ALL": "C", "PYTHONIOENCODING": "ascii",
        "HOME": "/nowhere",
    }  # fmt: skip
    plant = "; ".join(f"echo '{trap}' > {name}.py" for name in names)
    output = jobs.run(plant, "mkdir lib; echo one > lib/ä", cache=[cache()], variables=variables)
    assert "Created cache" in output
    output = jobs.restored("ls lib", cache=[cache()], variables=variables)
    assert "Successfully extracted cache" in output
    assert "Archive is up to date!" not in output


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("su") is None, reason="needs root and su")
def test_another_users_jobs_have_caches(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """With --user the archives are his; where he cannot reach the helper, the job says so and goes on."""
    reachable = subprocess.run(
        ["su", "-s", "/bin/sh", "nobody", "-c", f"{sys.executable} -c pass"],
        capture_output=True, check=False,
    )  # fmt: skip
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    runner = RunnerProcess(tmp_path / "runner", coordinator.url, coordinator.add_runner())
    runner.arguments = ["--user", "nobody"]
    with runner:
        job_id = coordinator.enqueue(script=[MAKE, "id -un"], cache=[cache()])
        coordinator.wait_for(job_id, "success")
        output = "\n".join(trace_lines(coordinator.trace(job_id)))
        assert "nobody" in output
        if reachable.returncode:
            assert "Creating cache is disabled." in output
            return
        (archive,) = (runner.root / "1" / "cache" / "projects").rglob("cache.zip")
        assert archive.stat().st_uid == pwd.getpwnam("nobody").pw_uid
        again = coordinator.enqueue(script=["cat lib/one"], cache=[cache()])
        coordinator.wait_for(again, "success")
        assert b"Successfully extracted cache" in coordinator.trace(again)


def test_nobody_ever_sees_half_an_archive(tmp_path: Path) -> None:
    """Writers and readers of one key at once: each reader gets one writer's tree, whole."""
    words = helper_command(build_context())
    archive = tmp_path / "cache" / "key" / "cache.zip"
    trees = []
    for number in range(3):
        tree = tmp_path / f"writer{number}"
        (tree / "lib").mkdir(parents=True)
        for index in range(40):
            (tree / "lib" / str(index)).write_bytes(bytes([65 + number]) * (20_000 + number))
        trees.append(tree)

    def start(command: str, folder: Path, *flags: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*words, command, "--file", str(archive), *flags], cwd=folder, stderr=subprocess.DEVNULL
        )

    assert start("cache-archiver", trees[0], "--path", "lib").wait() == 0
    for turn in range(4):
        readers = []
        processes = []
        for number, tree in enumerate(trees):
            (tree / "lib" / "0").write_bytes(bytes([65 + number]) * (10_000 + turn))
            processes.append(start("cache-archiver", tree, "--path", "lib"))
            reader = tmp_path / f"reader{turn}{number}"
            reader.mkdir()
            readers.append(reader)
            processes.append(start("cache-extractor", reader))
        assert [one.wait() for one in processes] == [0] * len(processes)
        for reader in readers:
            files = list((reader / "lib").iterdir())
            assert len(files) == 40
            assert len({one.read_bytes()[:1] for one in files}) == 1
    assert not [one for one in os.listdir(archive.parent) if one.startswith("archive_")]
