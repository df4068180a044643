"""What can go wrong in a transfer, and what is tried again (job-execution.md 7.2, 7.3)."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Final, TypeVar

from pyrunner.errors import PyrunnerError

T = TypeVar("T")

_CODE: Final = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]*)</Message>")
_LONGEST: Final = 1000

_log = logging.getLogger(__name__)


class TransferError(PyrunnerError):
    """A transfer failed for good."""


class RetriableError(TransferError):
    """A transfer failed in a way that may be over in a moment."""


def with_retries(action: Callable[[], T], retries: int, pause: float) -> T:
    """Return what ``action`` returns, tried again after each :exc:`RetriableError`.

    A loop of our own: importing a library for it takes longer than most transfers.

    :param pause: seconds before each further try.
    """
    for _ in range(retries):
        try:
            return action()
        except RetriableError as error:
            time.sleep(pause)
            _log.warning("Retrying...", extra={"fields": {"error": str(error)}})
    return action()


def answer_failure(status: int, reason: str, body: bytes) -> TransferError:
    """Return the error for an answer that is no success; object storages explain it in XML."""
    text = f"received: {status} {reason}".rstrip()
    content = body.decode("utf-8", "replace")
    if "<Error" in content:
        found = [("code", _CODE.search(content)), ("message", _MESSAGE.search(content))]
        parts = [f"{name}: {_printable(match[1])}" for name, match in found if match and match[1]]
        if parts:
            text = f"{text}. Request failed with {', '.join(parts)}"
    return RetriableError(text) if status // 100 == 5 else TransferError(text)


def clean_url(url: str) -> str:
    """Return ``url`` without credentials, query and fragment: a presigned one is a secret."""
    from urllib.parse import urlsplit  # only where something is said about an address

    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}" if parts.scheme else parts.path


def _printable(text: str) -> str:
    """Return text of a server that is fit for a job's log."""
    import html  # only for a server's own words

    return "".join(one if one.isprintable() else " " for one in html.unescape(text))[:_LONGEST]
