"""The helper commands as processes: artifacts through a coordinator, start-up without heavy imports."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.helper.commands import COMMANDS
from tests.support.plain_runner import PlainRunner

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).resolve().parents[2]


def helper(
    folder: Path, *arguments: str, module: str = "pyrunner.helper"
) -> subprocess.CompletedProcess[str]:
    """Run a helper command in ``folder``."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator) -> PlainRunner:
    """A runner with a running job, number 1; job 2 depends on it."""
    coordinator.enqueue(job_id=1)
    coordinator.enqueue(job_id=2, dependencies=[1])
    client = PlainRunner(coordinator.url, coordinator.add_runner())
    client.take()
    return client


def credentials(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> tuple[str, ...]:
    """Return the flags that name coordinator and job."""
    return ("--url", coordinator.url, "--token", str(runner.job["token"]), "--id", "1")


def test_artifacts_go_from_job_to_job(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, tmp_path: Path
) -> None:
    """What one job uploads, the next one finds in its work tree: bytes, modes and links."""
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "dist").mkdir(parents=True)
    second.mkdir()
    (first / "dist/tool").write_bytes(os.urandom(700_000))
    (first / "dist/tool").chmod(0o755)
    (first / "dist/latest").symlink_to("tool")
    sent = helper(
        first, "artifacts-uploader", *credentials(coordinator, runner), "--path", "dist",
        "--artifact-format", "zip", "--artifact-type", "archive", "--expire-in", "1 week",
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    assert "dist: found 3 matching artifact files and directories" in sent.stderr
    assert 'Uploading artifacts as "archive" to coordinator... 201 Created' in sent.stderr
    artifact = coordinator.job(1).artifacts["archive"]
    assert (artifact.artifact_format, artifact.expire_in) == ("zip", "1 week")
    assert runner.put("success").status_code == 200
    runner.take()
    got = helper(second, "artifacts-downloader", *credentials(coordinator, runner))
    assert got.returncode == 0, got.stderr
    assert "Downloading artifacts from coordinator... ok" in got.stderr
    assert (second / "dist/tool").read_bytes() == (first / "dist/tool").read_bytes()
    assert (second / "dist/tool").stat().st_mode & 0o777 == 0o755
    assert os.readlink(second / "dist/latest") == "tool"
    assert coordinator.violations == []


def test_reports_are_gzip(coordinator: EmbeddedCoordinator, runner: PlainRunner, tmp_path: Path) -> None:
    """A JUnit report arrives as gzip under its type."""
    (tmp_path / "junit.xml").write_text("<testsuites/>")
    sent = helper(
        tmp_path, "artifacts-uploader", *credentials(coordinator, runner), "--path", "junit.xml",
        "--name", "junit.xml", "--artifact-format", "gzip", "--artifact-type", "junit",
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    report = coordinator.job(1).artifacts["junit"]
    assert report.filename == "junit.xml.gz"
    assert gzip.decompress(report.path.read_bytes()) == b"<testsuites/>"


def test_a_refused_upload_is_fatal(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, tmp_path: Path
) -> None:
    """A wrong token ends the command with one FATAL line, and the token is in none (8.2)."""
    (tmp_path / "file").write_text("x")
    flags = ("--url", coordinator.url, "--token", "wrong-token-of-nobody", "--id", "1")
    done = helper(tmp_path, "artifacts-uploader", *flags, "--path", "file")
    assert done.returncode == 1
    assert "FATAL: permission denied" in done.stderr
    assert "wrong-token-of-nobody" not in done.stderr


def test_a_missing_artifact_is_fatal(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, tmp_path: Path
) -> None:
    """Nothing there: not found, once, and FATAL (8.3)."""
    done = helper(tmp_path, "artifacts-downloader", *credentials(coordinator, runner))
    assert done.returncode == 1
    assert "Downloading artifacts from coordinator... not found" in done.stderr
    assert "FATAL: file does not exist" in done.stderr


def test_a_hostile_artifact_stays_inside(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, tmp_path: Path
) -> None:
    """An archive that another job has forged writes nothing outside the work tree, and is named."""
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(forged, "w") as file:
        file.writestr("../evil", "evil")
    assert runner.upload(forged.read_bytes()).status_code == 201
    assert runner.put("success").status_code == 200
    runner.take()
    project = tmp_path / "project"
    project.mkdir()
    done = helper(project, "artifacts-downloader", *credentials(coordinator, runner))
    assert done.returncode == 1
    assert "FATAL: '../evil': cannot be extracted outside of the project folder" in done.stderr
    assert not (tmp_path / "evil").exists()


def test_a_cache_between_two_jobs(tmp_path: Path) -> None:
    """The commands as ``pyrunner`` offers them: saved in one tree, restored in another."""
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "lib").mkdir(parents=True)
    second.mkdir()
    (first / "lib/one").write_text("one")
    cache = "../cache/key/cache.zip"
    saved = helper(first, "cache-archiver", "--file", cache, "--path", "lib", module="pyrunner")
    assert saved.returncode == 0, saved.stderr
    found = helper(second, "cache-extractor", "--file", cache, module="pyrunner")
    assert found.returncode == 0, found.stderr
    assert (second / "lib/one").read_text() == "one"


def test_a_broken_archive_of_many_files(tmp_path: Path) -> None:
    """Several processes unpack it; the entry is named all the same, and nothing of it is in the work tree."""
    with zipfile.ZipFile(tmp_path / "cache.zip", "w") as archive:
        for number in range(600):
            archive.writestr(f"lib/{number}", b"content")
    data = bytearray((tmp_path / "cache.zip").read_bytes())
    data[data.find(b"lib/77") + len("lib/77")] ^= 1
    data[data.find(b"lib/78") + len("lib/78")] ^= 1
    (tmp_path / "cache.zip").write_bytes(data)
    project = tmp_path / "project"
    project.mkdir()
    done = helper(project, "cache-extractor", "--file", "../cache.zip")
    assert done.returncode == 1
    assert re.search(r"FATAL: 'lib/7[78]': zip: checksum error", done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 2, done.stderr
    assert list(project.iterdir()) == []


def test_start_up_is_light() -> None:
    """A cache command imports neither the HTTP client nor the command line, whatever it does later."""
    code = (
        "import sys, pyrunner.helper.__main__;"
        "from pyrunner.helper import cache_archiver, cache_extractor;"
        "print(sorted({'requests', 'urllib3', 'click', 'docker', 'asyncio', 'zstandard'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_shown(tmp_path: Path, command: str) -> None:
    """Each command explains its flags, from both entrances."""
    for module in ("pyrunner", "pyrunner.helper"):
        done = helper(tmp_path, command, "--help", module=module)
        assert done.returncode == 0
        assert "--url" in done.stdout
