"""Whatever keeps an answer from coming, as one typed error with a text fit for a log line."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from pyrunner.errors import CoordinatorError, PyrunnerError, RequestCanceled
from pyrunner.gitlab.answer import clean_url
from pyrunner.gitlab.exchange import Exchange

_HINTS: Final = {
    ssl.SSLCertVerificationError: "if this certificate is right, give its authority in tls-ca-file",
    socket.gaierror: "check the host name in url and this machine's name service",
    TimeoutError: "the coordinator, or a proxy or firewall on the way, does not answer",
    ConnectionRefusedError: "check the host and port in url",
}

#: Of the libraries, by name: not every caller has them imported.
_HEADER_ERRORS: Final = ("InvalidHeader",)
_CONNECTION_ERRORS: Final = ("NameResolutionError", "NewConnectionError")


@contextlib.contextmanager
def translated(
    method: str,
    url: str,
    exchange: Exchange,
    correlation_id: str,
    kinds: tuple[type[Exception], ...],
) -> Iterator[None]:
    """Turn what the HTTP libraries raise into :class:`CoordinatorError` (status -1).

    :param kinds: what they raise beside OSError and ValueError.
    :raises RequestCanceled: when the exchange was stopped, whatever that broke.
    """
    caught: tuple[type[Exception], ...] = (*kinds, OSError, ValueError)
    try:
        yield
    except PyrunnerError:
        raise
    except caught as error:
        if exchange.stop is not None and exchange.stop.is_set():
            raise RequestCanceled("the call was given up: this process is stopping") from None
        cause = "it took longer than its time limit" if exchange.timed_out else cause_text(error)
        text = f"couldn't execute {method} against {clean_url(url)}: {cause}"
        # no chain: the libraries' own texts hold URLs with their queries, and header values
        raise CoordinatorError(text, correlation_id=correlation_id) from None


def cause_text(error: BaseException) -> str:
    """Return why a call failed, without URLs or header values, and what may help."""
    innermost = _innermost(error)
    invalid_header = isinstance(innermost, ValueError) and str(innermost).startswith("Invalid header")
    if invalid_header or type(innermost).__name__ in _HEADER_ERRORS:
        return "a header value is not allowed: check the token for stray characters"
    if isinstance(innermost, UnicodeError):
        return "a header value is not plain text: check the token for stray characters"
    text = _text(innermost)
    hints = (hint for kind, hint in _HINTS.items() if isinstance(innermost, kind))
    return "; ".join([text, *hints])


def _innermost(error: BaseException) -> BaseException:
    """Return what the libraries wrapped; each keeps it in another place."""
    for _ in range(10):
        reason = getattr(error, "reason", None)
        candidates = [reason, *reversed(error.args), error.__cause__]
        inner = next((one for one in candidates if isinstance(one, BaseException)), None)
        if inner is None:
            return error
        error = inner
    return error


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ssl.SSLError):
        return error.strerror
    text = str(error) or type(error).__name__
    if type(error).__name__ in _CONNECTION_ERRORS:
        return text.partition(": ")[2] or text
    return text
