"""The manual page is made from the commands."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from pyrunner.cli.main import COMMANDS, run
from pyrunner.cli.manual import roff


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def page(capsys: pytest.CaptureFixture[str]) -> str:
    """The page as it is printed."""
    assert run(["manual"], {"HOME": "/nonexistent"}) == 0
    return capsys.readouterr().out


def test_text_is_only_text() -> None:
    """No request, no escape, no typographic dash comes out of a help text."""
    assert roff(".TH x\n'y \\n --flag") == "\\&.TH x\n\\&'y \\en \\-\\-flag"


def test_every_command_is_there(page: str) -> None:
    """Visible commands with their examples; internal ones are not documented."""
    for name, entry in COMMANDS.items():
        heading = f'.SS "pyrunner {roff(name)}'
        assert (f"{heading} " in page or f'{heading}"' in page) == (not entry.hidden), name
    assert "Example: ask GitLab about each runner of the file" in page
    assert "--config" not in page, "dashes are escaped"


def test_roff_has_nothing_to_complain_about(page: str) -> None:
    """groff sets the page without a warning."""
    if shutil.which("groff") is None:
        pytest.skip("needs groff")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-cbou"], input=page.encode(), capture_output=True, check=True
    )
    assert done.stderr == b""
    assert b"pyrunner doctor [OPTIONS]" in done.stdout
    assert b"--dry-run" in done.stdout
