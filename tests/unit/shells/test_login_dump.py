"""The dump of a login shell's environment, as it is read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.shells.login_dump import load

LIMITS = (
    b"Limit                     Soft Limit           Hard Limit           Units     \n"
    b"Max open files            1024                 524288               files     \n"
    b"Max core file size        0                    unlimited            bytes     \n"
    b"Max realtime timeout      unlimited            unlimited            us        \n"
)


def test_everything_is_read_back(tmp_path: Path) -> None:
    """Values with newlines and without UTF-8 survive; ``_`` is dropped and SHLVL counted back."""
    file = tmp_path / "login"
    file.write_bytes(
        b"\0".join([b"0027", b"/home/u", LIMITS, b"A=1\n2", b"B=\xff=", b"_=/usr/bin/env", b"SHLVL=2"])
        + b"\0pyrunner:end\0"
    )
    found = load(file)
    assert found is not None
    assert found.environment == {b"A": b"1\n2", b"B": b"\xff=", b"SHLVL": b"1"}
    assert found.umask == 0o27
    assert found.folder == b"/home/u"
    assert found.limits == {"RLIMIT_NOFILE": (1024, 524288), "RLIMIT_CORE": (0, None)}


@pytest.mark.parametrize("data", [b"", b"0022\0/home", b"999\0/home\0\0A=1\0", b"0022\0relative\0\0A=1\0"])
def test_what_is_not_whole_is_not_used(tmp_path: Path, data: bytes) -> None:
    """The caller then starts a login shell."""
    file = tmp_path / "login"
    file.write_bytes(data)
    assert load(file) is None


def test_no_dump_is_no_error(tmp_path: Path) -> None:
    """An ``env`` without ``-0`` leaves none."""
    assert load(tmp_path / "missing") is None
