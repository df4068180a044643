"""The session server's certificate (runner-api.md 9.1)."""

from __future__ import annotations

import datetime
import logging
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from pyrunner.manager.sessions.certificate import FILE_NAME, load_certificate, make_certificate


def names_of(pem: str) -> list[object]:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return [
        one.value for one in certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ]


def test_it_is_for_the_advertised_host(tmp_path: Path) -> None:
    """A name or an address; what is handed out holds no key."""
    named = load_certificate(tmp_path / "a", "runner.example.com")
    assert names_of(named.public) == ["runner.example.com"]
    assert "PRIVATE" not in named.public
    numbered = load_certificate(tmp_path / "b", "192.0.2.7")
    assert [str(one) for one in names_of(numbered.public)] == ["192.0.2.7"]
    assert named.context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_it_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """The next start has the same: jobs that outlived the last one were sent it."""
    first = load_certificate(tmp_path, "a.example.com").public
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert load_certificate(tmp_path, "a.example.com").public == first
    assert load_certificate(tmp_path, "b.example.com").public != first


@pytest.mark.parametrize("age", [datetime.timedelta(days=700), datetime.timedelta(days=-2)])
def test_one_that_does_not_last_is_replaced(tmp_path: Path, age: datetime.timedelta) -> None:
    """A job that begins now can be looked at to its end."""
    made = make_certificate("a.example.com", datetime.datetime.now(datetime.UTC) - age)
    (tmp_path / FILE_NAME).write_bytes(made)
    assert load_certificate(tmp_path, "a.example.com").public.encode() not in made


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN CERTIFICATE-----\nx\n", None])
def test_a_damaged_file_is_replaced(tmp_path: Path, damage: bytes | None) -> None:
    """Nothing that does not load, and no certificate with another's key, is used."""
    now = datetime.datetime.now(datetime.UTC)
    one, other = (make_certificate("a.example.com", now) for _ in range(2))
    end = b"-----END CERTIFICATE-----\n"
    mixed = one.partition(end)[0] + end + other.partition(end)[2]
    (tmp_path / FILE_NAME).write_bytes(mixed if damage is None else damage)
    load_certificate(tmp_path, "a.example.com").context()


def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It serves all the same, and the log says what will not work."""
    with caplog.at_level(logging.WARNING):
        load_certificate(tmp_path / "missing", "a.example.com").context()
    assert "terminals of jobs that outlive this manager cannot be opened" in caplog.text
