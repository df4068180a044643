"""TLS files: look-ups, changes, what happens when they are missing or damaged (runner-api.md 6.4)."""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path

import pytest

from pyrunner.gitlab.trust import TlsFiles, build_trust, chain_as_pem, verified_chain


def test_unset_names_come_from_the_certificate_directory(tmp_path: Path) -> None:
    """``<host>.crt``, ``<host>.auth.crt`` and ``<host>.auth.key``, as far as they exist; settings win."""
    for name in ("h.example.com.crt", "h.example.com.auth.crt", "h.example.com.auth.key", "other.crt"):
        (tmp_path / name).touch()
    found = TlsFiles().completed(tmp_path, "h.example.com")
    assert found == TlsFiles(
        str(tmp_path / "h.example.com.crt"),
        str(tmp_path / "h.example.com.auth.crt"),
        str(tmp_path / "h.example.com.auth.key"),
    )
    assert TlsFiles(ca="/own.pem").completed(tmp_path, "h.example.com").ca == "/own.pem"
    assert TlsFiles().completed(tmp_path, "missing.example.com") == TlsFiles()
    assert TlsFiles().completed(None, "h.example.com") == TlsFiles()


def test_any_change_of_a_file_shows(tmp_path: Path) -> None:
    """A newer file, an older one put in its place, and one that goes all rebuild the connections."""
    ca = tmp_path / "ca.pem"
    files = TlsFiles(ca=str(ca))
    missing = files.snapshot()
    ca.write_text("one")
    written = files.snapshot()
    os.utime(ca, ns=(1, 1))
    older = files.snapshot()
    assert len({missing, written, older}) == 3
    assert files.snapshot() == older
    ca.unlink()
    assert files.snapshot() == missing


def test_both_halves_of_a_client_certificate_or_none(tmp_path: Path) -> None:
    """A job gets certificate and key only when both can be read."""
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.write_text("CERT")
    files = TlsFiles(cert=str(cert), key=str(key))
    assert files.client_certificate() == ("", "")
    key.write_text("KEY")
    assert files.client_certificate() == ("CERT", "KEY")
    assert TlsFiles(cert=str(cert)).client_certificate() == ("", "")


def test_tls_1_2_at_least_and_names_are_checked() -> None:
    """Older protocols and certificates for other hosts are refused."""
    context = build_trust(TlsFiles()).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_missing_ca_file_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The system's pool is used, without a word (6.4)."""
    assert build_trust(TlsFiles(ca=str(tmp_path / "missing.pem"))).ca_data == ""
    assert caplog.records == []


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)
def test_an_unusable_ca_file_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """An error line names the file; the system's pool is used (6.4)."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(content)
    assert build_trust(TlsFiles(ca=str(ca))).ca_data == ""
    ((level, text),) = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert (level, text) == (logging.ERROR, f"Failed to parse PEM in {ca}")


def test_an_unusable_client_certificate_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The call goes on without it: the server then says what it misses."""
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.write_text("nonsense")
    key.write_text("nonsense")
    build_trust(TlsFiles(cert=str(cert), key=str(key)))
    assert caplog.records[0].getMessage().startswith(f"Failed to load {cert} {key} ")


def test_the_chain_of_newer_pythons() -> None:
    """From 3.13 the socket itself has it."""

    class Socket:
        def get_verified_chain(self) -> list[bytes]:
            return [b"leaf", b"root"]

    assert verified_chain(Socket()) == (b"leaf", b"root")


def test_the_leaf_where_there_is_no_chain() -> None:
    """TLS inside TLS offers the server's certificate only."""

    class Socket:
        def getpeercert(self, binary: bool) -> bytes | None:
            return b"leaf" if binary else None

    assert verified_chain(Socket()) == (b"leaf",)
    assert verified_chain(object()) == ()


def test_a_chain_as_text_has_each_certificate_once() -> None:
    """Duplicates go, the order stays, nothing trails (6.4)."""
    text = chain_as_pem([b"leaf", b"root", b"leaf"])
    assert text.count("-----BEGIN CERTIFICATE-----") == 2
    assert text == text.strip()
    assert chain_as_pem([]) == ""
