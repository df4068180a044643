"""resolv.conf as a container has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.executors.sandbox.resolver import resolv_conf


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("nameserver 10.0.0.1\nsearch a.b\n", "nameserver 10.0.0.1\nsearch a.b\n"),
        ("nameserver 127.0.0.53\noptions edns0\n", "nameserver 10.9.9.9\n"),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.1\n", "nameserver 10.0.0.1\n"),
        ("nameserver 127.0.0.1\n", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
        ("nameserver ::1\nnameserver fe80::1%eth0\n", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
        ("# nothing\n", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
    ],
)
def test_only_reachable_servers(tmp_path: Path, host: str, wanted: str) -> None:
    """Loopback servers go; systemd-resolved's stub is replaced by what it asks; Docker's default is last."""
    (tmp_path / "host").write_text(host)
    (tmp_path / "resolved").write_text("nameserver 10.9.9.9\n")
    assert resolv_conf(tmp_path / "host", tmp_path / "resolved") == wanted


def test_a_host_without_the_file(tmp_path: Path) -> None:
    """It gets Docker's default servers."""
    assert resolv_conf(tmp_path / "none", tmp_path / "none").startswith("nameserver 8.8.8.8\n")
