"""``$NAME`` in config.toml from what systemd hands to the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.config.environment import expand
from pyrunner.config.load import parse_config
from pyrunner.errors import ConfigError

ENTRY = b'[[runners]]\nurl = "https://example.com/"\ntoken = "$TOKEN"\n'


def test_a_credential_is_a_value(tmp_path: Path) -> None:
    """The content of the file, without its line end; config.toml is read with it."""
    (tmp_path / "TOKEN").write_text("glrt-secret\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert expand("${TOKEN}", environ) == "glrt-secret"
    assert parse_config(ENTRY, environ).runners[0].token == "glrt-secret"


def test_variables_win(tmp_path: Path) -> None:
    """What was set for this call is meant, be it empty."""
    (tmp_path / "TOKEN").write_text("credential")
    assert expand("$TOKEN", {"CREDENTIALS_DIRECTORY": str(tmp_path), "TOKEN": ""}) == ""


@pytest.mark.parametrize("name", ["MISSING", "../TOKEN", "a/b", ".", "x y"])
def test_nothing_else_is_read(tmp_path: Path, name: str) -> None:
    """A name leads to no other folder; what is not there gives nothing, as an unset variable."""
    (tmp_path / "TOKEN").write_text("secret")
    folder = tmp_path / "credentials"
    folder.mkdir()
    assert expand("${" + name + "}", {"CREDENTIALS_DIRECTORY": str(folder)}) == ""


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 70_000])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    """Something else than a token or URL has come; the text names it, not its content."""
    (tmp_path / "TOKEN").write_bytes(content)
    with pytest.raises(ConfigError, match="credential TOKEN") as caught:
        expand("$TOKEN", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "xxx" not in str(caught.value)


def test_unreadable(tmp_path: Path) -> None:
    """A credential that cannot be read is an error: an empty token would be told as forbidden."""
    (tmp_path / "TOKEN").mkdir()
    with pytest.raises(ConfigError, match="credential TOKEN cannot be read"):
        expand("$TOKEN", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
