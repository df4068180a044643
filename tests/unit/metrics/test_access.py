"""Tokens and certificates, replaced while the server runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.config.tables import MetricsAccess
from pyrunner.errors import ConfigError
from pyrunner.metrics.access import TokenGuard, access_of


def test_no_token_admits_everybody() -> None:
    """As with gitlab-runner."""
    guard, certificate = access_of(MetricsAccess())
    assert guard.admits("")
    assert certificate is None


def test_the_token_counts(tmp_path: Path) -> None:
    """Only the whole token after the scheme, whatever stands around it in the file."""
    file = tmp_path / "token"
    file.write_text("  s3cret\n")
    guard = TokenGuard(str(file))
    assert guard.admits("Bearer s3cret")
    assert guard.admits("bearer s3cret ")
    for wrong in ("", "s3cret", "Bearer", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "Bearer \udcff"):
        assert not guard.admits(wrong)


def test_a_new_token_counts_at_once(tmp_path: Path) -> None:
    """The file is read at each request, and when it is gone nobody is admitted; that is said once."""
    file = tmp_path / "token"
    file.write_text("one")
    guard = TokenGuard(str(file))
    file.write_text("two")
    assert guard.admits("Bearer two")
    assert not guard.admits("Bearer one")
    file.unlink()
    assert not guard.admits("Bearer two")


def test_refusals_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A scrape every few seconds must not fill the log."""
    file = tmp_path / "token"
    file.write_text("one")
    guard = TokenGuard(str(file))
    file.write_text("")
    for _ in range(3):
        assert not guard.admits("Bearer ")
    assert caplog.text.count("metrics are refused to everybody") == 1


@pytest.mark.parametrize("content", [None, "", " \n", "x" * 5000])
def test_files_without_a_token(tmp_path: Path, content: str | None) -> None:
    """A token that is asked for and is not there must not mean that there is none."""
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match="token_file"):
        TokenGuard(str(file))


def test_files_that_are_no_certificate(tmp_path: Path) -> None:
    """The file is named."""
    file = tmp_path / "cert"
    file.write_text("nonsense")
    for one in (str(file), str(tmp_path / "none")):
        with pytest.raises(ConfigError, match="certificate_file"):
            access_of(MetricsAccess(certificate_file=one, certificate_key_file=os.devnull))
