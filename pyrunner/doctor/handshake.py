"""TLS with a coordinator as the runner does it, and what its certificate says."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from pyrunner.doctor.result import Result, failed, ok, skipped, warning
from pyrunner.gitlab.answer import clean_url
from pyrunner.gitlab.trust import TlsFiles, build_trust, verified_chain

_DAY: Final = 86400
#: Days before its end at which a certificate is worth a word.
_SOON: Final = 14

# OpenSSL's X509_V_ERR_…
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_UNTRUSTED: Final = (2, 18, 19, 20, 21)
_WRONG_NAME: Final = (62, 64)


def check_tls(
    target: SplitResult, proxy: str | None, files: TlsFiles, folder: Path, patience: float
) -> Iterator[Result]:
    """Shake hands with ``target``.

    :param proxy: URL of the proxy on the way.
    :param folder: where ``<host>.crt`` is looked for.
    :param patience: seconds.
    """
    host, port = target.hostname or "", target.port or 443
    if target.scheme != "https":
        yield skipped("tls", f"{host} is spoken to without TLS")
        return
    if proxy and not proxy.startswith("http://"):
        kind = urlsplit(proxy).scheme
        yield skipped("tls", f"{host}: not looked at through a proxy of the kind {kind}")
        return
    try:
        with _connect(host, port, proxy, patience) as plain:
            context = build_trust(files).context
            with context.wrap_socket(plain, server_hostname=host) as sock:
                yield _described(host, sock)
    except ssl.SSLCertVerificationError as error:
        yield failed("tls", f"{host}: {error.verify_message}", _fix(error.verify_code, host, port, folder))
    except ssl.SSLError as error:
        yield failed(
            "tls",
            f"{host}: {error.reason or error}",
            f"the instance has to offer TLS 1.2 or newer: openssl s_client -connect {host}:{port}",
        )
    except OSError as error:
        through = f" through {clean_url(proxy)}" if proxy else ""
        text = f"{host}{through}: {error.strerror or error}"
        yield failed("tls", text, "check the proxy, and whether the port speaks TLS")


def _connect(host: str, port: int, proxy: str | None, patience: float) -> socket.socket:
    if proxy is None:
        return socket.create_connection((host, port), timeout=patience)
    way = urlsplit(proxy)
    headers = {}
    if way.username:
        pair = f"{unquote(way.username)}:{unquote(way.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    connection = http.client.HTTPConnection(way.hostname or "", way.port or 80, timeout=patience)
    connection.set_tunnel(host, port, headers)
    try:
        connection.connect()
    except OSError:
        connection.close()
        raise
    sock = connection.sock
    assert isinstance(sock, socket.socket)
    return sock


def _described(host: str, sock: ssl.SSLSocket) -> Result:
    certificate: Any = sock.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(certificate["notAfter"])
    left = int((ends - time.time()) // _DAY)
    issuer = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    who = issuer.get("commonName") or issuer.get("organizationName") or "unknown"
    day = time.strftime("%Y-%m-%d", time.gmtime(ends))
    text = f"{host}: {sock.version()}, certificate by {who} until {day}, chain of {len(verified_chain(sock))}"
    if left < _SOON:
        return warning("tls", f"{text}: {left} days are left", "renew the certificate of the instance")
    return ok("tls", text)


def _fix(code: int, host: str, port: int, folder: Path) -> str:
    if code == _EXPIRED:
        return "renew the certificate of the instance; if it is good, this machine's clock is wrong"
    if code == _NOT_YET_VALID:
        return "set this machine's clock (timedatectl set-ntp true), or wait until the certificate is valid"
    if code in _UNTRUSTED:
        return (
            f"put the certificate of its authority (PEM) into {folder / f'{host}.crt'} or name it in "
            f"tls-ca-file; see: openssl s_client -showcerts -connect {host}:{port}"
        )
    if code in _WRONG_NAME:
        return "write the name that the certificate has into url, or have it issued for this one"
    return f"openssl s_client -connect {host}:{port}"
