"""TLS to the coordinator: whom to trust, and which certificate to show (runner-api.md 6.4)."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PEM_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s.+?-----END CERTIFICATE-----", re.DOTALL)

#: Where distributions keep their pool, for a Python built with paths of another system.
_SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsData:
    """What goes into a job so that its git and artifact calls trust the coordinator too.

    :param ca_chain: PEM text for ``CI_SERVER_TLS_CA_FILE``; empty over plain http.
    :param cert: PEM text for ``CI_SERVER_TLS_CERT_FILE``; with ``key``, or both empty.
    """

    ca_chain: str = ""
    cert: str = field(default="", repr=False)
    key: str = field(default="", repr=False)


#: What tells one state of the three files from another: (modification time, size, inode) each.
Snapshot = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The three files of one coordinator; empty names mean none."""

    ca: str = ""
    cert: str = ""
    key: str = ""

    def completed(self, folder: Path | None, host: str) -> TlsFiles:
        """Fill unset names from the certificate directory: ``<host>.crt``, ``<host>.auth.crt|key``."""
        if folder is None or not host or "/" in host:
            return self

        def look_up(name: str, suffix: str) -> str:
            path = folder / f"{host}{suffix}"
            return name or (str(path) if path.exists() else "")

        return TlsFiles(
            look_up(self.ca, ".crt"), look_up(self.cert, ".auth.crt"), look_up(self.key, ".auth.key")
        )

    def snapshot(self) -> Snapshot:
        """Return the state of the files, to be compared before each call."""
        return tuple(_state(name) for name in (self.ca, self.cert, self.key))

    def client_certificate(self) -> tuple[str, str]:
        """Return certificate and key as text, two empty texts unless both can be read."""
        if not self.cert or not self.key:
            return "", ""
        try:
            return Path(self.cert).read_text("utf-8"), Path(self.key).read_text("utf-8")
        except (OSError, ValueError):
            return "", ""


@dataclass(frozen=True, slots=True)
class Trust:
    """A built TLS configuration. ``ca_data`` is the CA file's text when one is loaded."""

    context: ssl.SSLContext
    ca_data: str = ""


def build_trust(files: TlsFiles) -> Trust:
    """Build the TLS configuration: the system's pool plus the CA file, TLS 1.2 at least.

    A missing file is ignored, an unusable one logged: the handshake then tells what is wrong.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    # as in Go, any certificate given as a CA is an anchor, a server's own one included
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    _load_system_pool(context)
    ca_data = _load_ca_file(context, files.ca) if files.ca else ""
    if files.cert and files.key:
        _load_client_certificate(context, files)
    return Trust(context, ca_data)


def verified_chain(sock: object) -> tuple[bytes, ...]:
    """Return the DER certificates of a connection's verified chain, leaf first.

    Python has it officially from 3.13; before, the same call sits on the inner object. Where that
    is missing too (TLS inside TLS), the server's own certificate is returned.
    """
    official = getattr(sock, "get_verified_chain", None)
    if official is not None:
        return tuple(official())
    inner = getattr(sock, "_sslobj", None) or getattr(sock, "sslobj", None)
    private = getattr(inner, "get_verified_chain", None)
    if private is not None:
        return tuple(_der(certificate) for certificate in private() or ())
    leaf = getattr(sock, "getpeercert", lambda _binary: None)(True)
    return (leaf,) if isinstance(leaf, bytes) else ()


def chain_as_pem(chain: Iterable[bytes]) -> str:
    """Return certificates as PEM text, each once, in their order."""
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in dict.fromkeys(chain)).strip()


def _der(certificate: object) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    import _ssl

    encoded = certificate.public_bytes(_ssl.ENCODING_DER)  # type: ignore[attr-defined]
    return bytes(encoded)


def _state(name: str) -> tuple[int, int, int] | None:
    if not name:
        return None
    try:
        found = os.stat(name)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _load_system_pool(context: ssl.SSLContext) -> None:
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return
    for bundle in _SYSTEM_BUNDLES:
        if os.path.exists(bundle):
            context.load_verify_locations(cafile=bundle)
            return


def _load_ca_file(context: ssl.SSLContext, name: str) -> str:
    try:
        data = Path(name).read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        _log.error("Failed to load %s %s", name, error.strerror)
        return ""
    loaded = 0
    for block in _PEM_BLOCK.findall(data):
        try:
            context.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(block.decode("ascii")))
        except (ValueError, ssl.SSLError):
            continue  # one damaged certificate does not spoil the others
        loaded += 1
    if not loaded:
        _log.error("Failed to parse PEM in %s", name)
        return ""
    return data.decode("utf-8", "replace")


def _load_client_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    def no_password() -> str:
        raise ValueError("the key is encrypted, which is not supported")  # never ask at a terminal

    try:
        context.load_cert_chain(files.cert, files.key, password=no_password)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        _log.error("Failed to load %s %s %s", files.cert, files.key, error)
