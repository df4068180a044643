"""Certificates for tests, made with the openssl command: an authority, a server, a client."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

#: A name that no name service knows; the server's certificate is valid for it too.
OTHER_HOST: Final = "gitlab.invalid"


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files below one folder."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def server_context(self, client_needed: bool = False) -> ssl.SSLContext:
        """Return the server's half of TLS on 127.0.0.1."""
        context = _server_context(self.server, self.server_key)
        if client_needed:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make an authority, a server certificate for 127.0.0.1 and OTHER_HOST, and a client certificate.

    The test is skipped where there is no openssl command.
    """
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make certificates")
    folder.mkdir(parents=True, exist_ok=True)
    ca = folder / "ca.pem"
    authority = ["-keyout", str(folder / "ca.key"), "-out", str(ca), "-subj", "/CN=Test authority"]
    _new_key_and("-x509", *authority, "-addext", "keyUsage=critical,keyCertSign", "-days", "2")
    server, server_key = _signed(folder, "server", f"subjectAltName=IP:127.0.0.1,DNS:{OTHER_HOST}")
    client, client_key = _signed(folder, "client", "extendedKeyUsage=clientAuth")
    return Certificates(ca, server, server_key, client, client_key)


def expired_context(folder: Path) -> ssl.SSLContext:
    """Return the server's half of TLS with a certificate of the authority in ``folder`` that has expired."""
    return _server_context(*_signed(folder, "expired", "subjectAltName=IP:127.0.0.1", days=-1))


def _server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _signed(folder: Path, name: str, extension: str, days: int = 2) -> tuple[Path, Path]:
    key, request, certificate = (folder / f"{name}.{suffix}" for suffix in ("key", "csr", "pem"))
    _new_key_and("-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}")
    extensions = folder / f"{name}.ext"
    extensions.write_text(extension + "\n")
    _openssl(
        *("x509", "-req", "-in", str(request), "-out", str(certificate), "-days", str(days)),
        *("-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial"),
        *("-extfile", str(extensions)),
    )
    return certificate, key


def _new_key_and(*arguments: str) -> None:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", *curve, *arguments)


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
