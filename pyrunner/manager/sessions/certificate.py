"""The session server's certificate: self-signed, sent with every job request (runner-api.md 9.1).

gitlab-runner makes one at each start. Here jobs outlive the manager, and the coordinator goes on trusting the
certificate that came with the request: so it is kept beside config.toml, as the system ID is, and made anew
when the advertised host changes or its time draws near.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import logging
import os
import ssl
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pyrunner.errors import ConfigError
from pyrunner.system.files import write_atomic

_log: Final = logging.getLogger(__name__)

FILE_NAME: Final = ".session_server.pem"
_LIFE: Final = datetime.timedelta(days=2 * 365)
#: Made anew so long before its end: a job may begin now and be looked at until its own.
_MARGIN: Final = datetime.timedelta(days=60)
#: Clocks differ.
_BEFORE: Final = datetime.timedelta(hours=1)
_ORGANIZATION: Final = "pyrunner"


class SessionCertificate:
    """A certificate and its key.

    :param pem: both; the certificate first.
    """

    def __init__(self, pem: bytes) -> None:
        self._pem = pem
        self.public = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.PEM).decode()

    def context(self) -> ssl.SSLContext:
        """Return the server's half of TLS, 1.2 at least.

        :raises ConfigError: when it cannot be made.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # The library only loads files; this one is in nobody's file system.
        fd = os.memfd_create("certificate", os.MFD_CLOEXEC)
        try:
            with os.fdopen(fd, "wb", closefd=False) as file:
                file.write(self._pem)
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        except OSError as error:
            raise ConfigError(f"the session server's certificate cannot be used: {error}") from None
        finally:
            os.close(fd)
        return context


def load_certificate(folder: Path, host: str) -> SessionCertificate:
    """Return the certificate kept in ``folder`` if it is good for ``host``; else make and keep one.

    One that cannot be kept serves as well, until this process ends.
    """
    path = folder / FILE_NAME
    now = datetime.datetime.now(datetime.UTC)
    with contextlib.suppress(OSError, ValueError):
        kept = path.read_bytes()
        if _is_good(kept, host, now):
            return SessionCertificate(kept)
    made = make_certificate(host, now)
    try:
        write_atomic(path, made)
    except OSError as error:
        _log.warning(
            "%s cannot be written: %s; terminals of jobs that outlive this manager cannot be opened",
            path,
            error.strerror,
        )
    return SessionCertificate(made)


def make_certificate(host: str, now: datetime.datetime) -> bytes:
    """Return a certificate and its key, PEM.

    :param host: a name or an address.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([_alternative_name(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _is_good(pem: bytes, host: str, now: datetime.datetime) -> bool:
    """Tell whether a certificate is for this host and lasts; one that does not load is not.

    :raises ValueError: when it is no certificate, or has no key.
    """
    certificate = x509.load_pem_x509_certificate(pem)
    key = serialization.load_pem_private_key(pem, None)
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    same = certificate.public_key().public_bytes(
        serialization.Encoding.PEM, public
    ) == key.public_key().public_bytes(serialization.Encoding.PEM, public)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    fresh = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc - _MARGIN
    return same and fresh and list(names) == [_alternative_name(host)]
