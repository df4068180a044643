"""What stands in the sandbox's way, each on a host of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.executors.sandbox.available import Host, sandbox_available


def host(tmp_path: Path, **changes: object) -> Host:
    """Return a host where everything is right but ``changes``."""
    for file, text in (
        ("dev/net/tun", ""),
        ("proc/sys/user/max_user_namespaces", "9"),
        ("sys/fs/selinux/enforce", "0"),
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        if not (tmp_path / file).exists():
            (tmp_path / file).write_text(text)
    installed = changes.get("installed", ("bwrap", "pasta"))
    version, trial = changes.get("version", "bubblewrap 0.8.0"), changes.get("trial", (0, ""))
    assert isinstance(installed, tuple)
    assert isinstance(trial, tuple)
    return Host(
        root=tmp_path,
        user=int(str(changes.get("user", 0))),
        machine=str(changes.get("machine", "x86_64")),
        which=lambda name: f"/usr/bin/{name}" if name in installed else None,
        run=lambda words: (0, str(version)) if words == ["bwrap", "--version"] else trial,
    )


def test_available(tmp_path: Path) -> None:
    """Nothing stands in its way."""
    assert sandbox_available(host(tmp_path)) is None
    assert sandbox_available(host(tmp_path, installed=("bwrap", "slirp4netns"))) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user": 1000}, "not root"),
        ({"machine": "riscv64"}, "riscv64"),
        ({"installed": ("pasta",)}, "bubblewrap is not installed"),
        ({"version": "bubblewrap 0.4.1"}, "bubblewrap is 0.4.1, older than 0.7.0"),
        ({"version": "?"}, "older than"),
        ({"installed": ("bwrap",)}, "neither slirp4netns"),
        ({"trial": (1, "bwrap: No permissions to create new namespace\n")}, "No permissions to create"),
    ],
)
def test_reasons(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    """Each comes as a text that says what is missing."""
    assert reason in (sandbox_available(host(tmp_path, **changes)) or "")


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces"),
        ("sys/fs/selinux/enforce", "1", "SELinux"),
    ],
)
def test_reasons_of_the_kernel(tmp_path: Path, file: str, text: str, reason: str) -> None:
    """User namespaces switched off, SELinux enforcing."""
    made = host(tmp_path)
    (tmp_path / file).write_text(text)
    assert reason in (sandbox_available(made) or "")


def test_no_tunnel_device(tmp_path: Path) -> None:
    """Without it no tool can carry a network."""
    made = host(tmp_path)
    (tmp_path / "dev/net/tun").unlink()
    assert "tun" in (sandbox_available(made) or "")
