"""Who may read the metrics: a bearer token, and TLS; both files may be replaced while the server runs."""

from __future__ import annotations

import hmac
import logging
import ssl
from pathlib import Path
from typing import Final

from pyrunner.config.tables import MetricsAccess
from pyrunner.errors import ConfigError

_log: Final = logging.getLogger(__name__)
_SCHEME: Final = "Bearer "
#: Bytes of a token file at most: what is longer is no token.
_LONGEST: Final = 4096


class TokenGuard:
    """Compares the token that a reader sends with that of a file.

    :raises ConfigError: when the file cannot be read, or holds no token.
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file) if file else None
        self._complained = False
        if self._file is not None:
            try:
                self._token()
            except (OSError, ValueError) as error:
                raise ConfigError(f"pyrunner.metrics.token_file: {self._file}: {_reason(error)}") from None

    def admits(self, authorization: str) -> bool:
        """Tell whether a request with this ``Authorization`` header may read."""
        if self._file is None:
            return True
        try:
            token = self._token()
        except (OSError, ValueError) as error:
            if not self._complained:
                self._complained = True
                _log.error("metrics are refused to everybody: %s: %s", self._file, _reason(error))
            return False
        self._complained = False
        if authorization[: len(_SCHEME)].lower() != _SCHEME.lower():
            return False
        sent = authorization[len(_SCHEME) :].strip().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(sent, token)

    def _token(self) -> bytes:
        """Return the token.

        :raises OSError: when the file cannot be read.
        :raises ValueError: when there is none in it.
        """
        assert self._file is not None
        with self._file.open("rb") as file:
            token = file.read(_LONGEST + 1).strip()
        if not token or len(token) > _LONGEST:
            raise ValueError("holds no token" if not token else "is too long for a token")
        return token


class Certificate:
    """The server's certificate, loaded anew when its files change.

    :raises ConfigError: when the files are not a certificate and its key.
    """

    def __init__(self, certificate_file: str, key_file: str) -> None:
        self._files = (Path(certificate_file), Path(key_file))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen: tuple[object, ...] | None = None
        try:
            self._load()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"pyrunner.metrics.certificate_file: {error}") from None

    def refresh(self) -> None:
        """Load the files when they have changed; what cannot be used changes nothing."""
        try:
            if self._seen != self._signature():
                self._load()
        except (OSError, ssl.SSLError) as error:
            _log.error("the metrics server keeps its former certificate: %s: %s", self._files[0], error)

    def _load(self) -> None:
        # Noted first: files that are wrong are complained about once.
        self._seen = self._signature()
        # Checked apart: a key that does not fit would leave the context with half of it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files, password=_no_password)
        self.context.load_cert_chain(*self._files, password=_no_password)

    def _signature(self) -> tuple[object, ...]:
        return tuple(
            (status.st_mtime_ns, status.st_ino, status.st_size)
            for status in (file.stat() for file in self._files)
        )


def access_of(settings: MetricsAccess) -> tuple[TokenGuard, Certificate | None]:
    """Return what ``[pyrunner.metrics]`` asks for.

    :raises ConfigError: when a file of it cannot be used.
    """
    certificate = None
    if settings.certificate_file:
        certificate = Certificate(settings.certificate_file, settings.certificate_key_file)
    return TokenGuard(settings.token_file), certificate


def _no_password() -> str:
    """Answer the library's question for a passphrase, which it would put to the terminal."""
    return ""


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
