"""What ``make package`` makes beside the deb: rpm, single file, Arch package, image."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner import __version__
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from tests.support.debian import IMAGE, bridge_address, interpreter, make_image, packages
from tests.support.docker import LABEL
from tests.support.requirement import program

__all__ = ["packages"]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
MAKER = ROOT / "packaging" / "make_package.py"


def make(*arguments: str | Path) -> Path:
    """Make one package and return its path."""
    words = [sys.executable, str(MAKER), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())


@pytest.mark.docker
def test_rpm(packages: Path, tmp_path: Path) -> None:
    """The tree of the deb for one minor version of Python; its steps tell an upgrade from a removal."""
    program("rpmbuild", "rpm")
    rpm = make("rpm", "--out", tmp_path, "--stage", packages / "tree", "--python", interpreter())

    def ask(*words: str) -> str:
        return subprocess.run(
            ["rpm", "-qp", *words, str(rpm)], capture_output=True, text=True, check=True
        ).stdout

    assert "python(abi) = 3.11\n" in ask("--requires")
    files = set(ask("--list").split("\n"))
    assert {"/usr/bin/pyrunner", "/usr/lib/systemd/system/pyrunner.service"} <= files
    assert "/usr/share/man/man1/pyrunner.1.gz" in files
    assert "/usr/share/bash-completion/completions/pyrunner" in files
    assert not {"/usr", "/usr/bin", "/usr/lib/systemd"} & files, "folders of others are not claimed"
    assert set(ask("--queryformat", "[%{FILEUSERNAME}\n]").split()) == {"root"}
    scripts = ask("--scripts")
    for name in ("postinstall", "preuninstall", "postuninstall"):
        body = re.search(
            rf"^{name} scriptlet \(using /bin/sh\):\n(.*?)(?=^\w+ scriptlet|\Z)", scripts, re.M | re.S
        )
        assert body, name
        assert subprocess.run(["sh", "-n"], input=body[1].encode(), check=False).returncode == 0
        assert re.search(r'^if \[ "\$1" -eq [01] \]', body[1], re.M)


@pytest.mark.skipif(importlib.util.find_spec("pex") is None, reason="no pex here")
def test_single_file(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """One file runs jobs, their supervisors and their helpers, with nothing else installed."""
    single = make("zipapp", "--out", tmp_path, "--python", sys.executable)
    config = tmp_path / "config.toml"
    config.write_text(
        f'concurrent = 1\n[[runners]]\nurl = "{coordinator.url}"\ntoken = "{coordinator.add_runner()}"\n'
        f'executor = "shell"\n[runners.tristan]\nroot = "{tmp_path}/root"\n'
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    listed = subprocess.run([single, "--version"], env=environ, capture_output=True, text=True, check=True)
    assert f"(pyrunner {__version__})" in listed.stdout
    words: list[str | Path] = [single, "run", "--config", config, "--working-directory", tmp_path]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(words, env=environ, stderr=log) as manager:
        job_id = coordinator.enqueue(script=["echo made > x"], artifacts=[{"paths": ["x"]}])
        try:
            coordinator.wait_for(job_id, "success")
        finally:
            manager.terminate()
    assert coordinator.job(job_id).artifacts


def test_arch_package_has_our_version() -> None:
    """PKGBUILD is good shell, and of this version."""
    script = 'source "$0" && echo "$pkgver"'
    path = str(ROOT / "packaging/arch/PKGBUILD")
    done = subprocess.run(["bash", "-euc", script, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


@pytest.mark.skipif(os.geteuid() != 0, reason="makepkg refuses root, and only root becomes somebody else")
def test_arch_package() -> None:
    """makepkg makes the same tree, with its steps."""
    makepkg = program("makepkg", "makepkg")
    # Not pytest's folder, which is below one of 0700: somebody else works here.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        source, out = Path(folder, "source"), Path(folder, "out")
        source.mkdir()
        out.mkdir()
        for name in ("pyrunner", "packaging", "docs"):
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "config.toml.example"):
            shutil.copy(ROOT / name, source)
        subprocess.run(["chown", "-R", "nobody", source, out], check=True)
        made = subprocess.run(
            [makepkg, "--nodeps"],
            cwd=source / "packaging/arch",
            env={"PATH": os.environ["PATH"], "HOME": str(out), "PKGDEST": str(out), "BUILDDIR": str(out)},
            user="nobody",
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        (package,) = out.glob("pyrunner-*.pkg.tar.*")
        with tarfile.open(package) as tar:
            names = set(tar.getnames())
    assert {".INSTALL", "usr/bin/pyrunner", "usr/share/pyrunner/functions.sh"} <= names


@pytest.fixture
def image(packages: Path) -> Iterator[str]:
    """The image of packaging/docker on the tests' Debian."""
    make_image()
    name = f"pyrunner-test/image:{uuid.uuid4().hex[:10]}"
    context = make("image", "--out", packages)
    options = ["--tag", name, "--label", f"{LABEL}=image", "--build-arg", f"BASE={IMAGE}"]
    done = subprocess.run(["docker", "build", *options, context], capture_output=True, check=False)
    words = (done.stdout + done.stderr).decode(errors="replace")
    if "Failed to fetch" in words or "Temporary failure resolving" in words:
        pytest.skip("containers of this host reach no package archive")
    assert done.returncode == 0, words
    yield name
    subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def until_logged(container: str, words: str) -> None:
    """Return when a container has said ``words``."""
    command = ["docker", "logs", "--follow", container]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as follower:
        assert follower.stderr is not None
        assert any(words.encode() in line for line in follower.stderr)
        follower.kill()


@pytest.mark.docker
def test_image(image: str, tmp_path: Path) -> None:
    """It stands in for gitlab-runner's: ``gitlab-runner verify`` inside, and a stop that waits for jobs."""
    settings = CoordinatorSettings(trace_update_interval=1)
    with EmbeddedCoordinator(host=bridge_address(), settings=settings) as gitlab:
        (tmp_path / "config.toml").write_text(
            f'concurrent = 1\n[[runners]]\nexecutor = "shell"\n'
            f'url = "{gitlab.url}"\ntoken = "{gitlab.add_runner()}"\n'
        )
        name = f"pyrunner-test-{uuid.uuid4().hex[:10]}"
        command = ["docker", "run", "--detach", "--name", name, "--label", f"{LABEL}=image"]
        command += ["--volume", f"{tmp_path}:/etc/gitlab-runner", image]
        subprocess.run(command, capture_output=True, check=True)
        try:
            job_id = gitlab.enqueue(
                script=["echo begun", "while [ ! -e /tmp/gate ]; do sleep 0.1; done", "id -un"]
            )
            gitlab.wait_for_trace(job_id, b"begun")
            inside = ["docker", "exec", name]
            asked = subprocess.run(
                [*inside, "gitlab-runner", "verify", "--url="], capture_output=True, check=True
            )
            assert re.search(rb"is (alive|valid)", asked.stderr)
            with subprocess.Popen(
                ["docker", "stop", "--time", "60", name], stdout=subprocess.DEVNULL
            ) as stop:
                until_logged(name, "waiting for builds to finish")
                subprocess.run([*inside, "touch", "/tmp/gate"], check=True)
                assert stop.wait(60) == 0
            assert gitlab.job(job_id).state == "success"
            assert b"O gitlab-runner" in gitlab.trace(job_id)
            code = ["docker", "inspect", "--format", "{{.State.ExitCode}}", name]
            assert subprocess.run(code, capture_output=True, check=True).stdout.strip() == b"0"
        finally:
            subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)
