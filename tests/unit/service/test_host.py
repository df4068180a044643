"""Machines with other service systems, and the program a unit names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.errors import ServiceError
from pyrunner.service.host import own_program, require_systemd


@pytest.mark.parametrize(
    ("present", "words"),
    [
        ("run/openrc", "packaging/openrc"),
        ("run/runit", "packaging/runit"),
        ("run/s6", "run by s6"),
        (".dockerenv", "a container has no services"),
        ("", "no service system that is known"),
    ],
)
def test_without_systemd(tmp_path: Path, present: str, words: str) -> None:
    """The text says what serves instead, and the files that it names are there."""
    if present.startswith("run"):
        (tmp_path / present).mkdir(parents=True)
    elif present:
        (tmp_path / present).touch()
    with pytest.raises(ServiceError, match=words):
        require_systemd(tmp_path)
    if words.startswith("packaging"):
        assert (Path(__file__).resolve().parents[3] / words).is_dir()


def test_with_systemd(tmp_path: Path) -> None:
    """A running systemd is enough, also in a container."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / ".dockerenv").touch()
    require_systemd(tmp_path)


def test_links_to_the_program_stay(tmp_path: Path) -> None:
    """A unit names the link: a newer version behind it is what the next start runs."""
    (tmp_path / "pyrunner-1").write_text("#!/bin/sh\n")
    (tmp_path / "pyrunner-1").chmod(0o755)
    link = tmp_path / "pyrunner"
    link.symlink_to("pyrunner-1")
    assert own_program(str(link), "/usr/bin/python3") == (str(link),)


@pytest.mark.parametrize("argv0", ["", "/opt/x/pyrunner/__main__.py", "/nonexistent/pyrunner"])
def test_started_as_a_module(argv0: str) -> None:
    """Without a program of its own, the interpreter is named."""
    assert own_program(argv0, "/opt/bin/python") == ("/opt/bin/python", "-m", "pyrunner")
