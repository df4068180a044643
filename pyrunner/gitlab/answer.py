"""Reading what the coordinator answered: JSON by Go's rules, and texts for log lines (0.4)."""

from __future__ import annotations

import http
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Final
from urllib.parse import urlsplit

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}\Z")

# where newer Pythons follow RFC 9110 and log readers know the older words
_PHRASES: Final = {413: "Request Entity Too Large", 416: "Requested Range Not Satisfiable",
                   422: "Unprocessable Entity"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read whole.

    :param headers: looked up without regard to case.
    :param url: of the request, without credentials and query.
    :param correlation_id: the answer's ``X-Request-Id``, else the one sent.
    :param retriable_seen: a status of 6.1 came at least once during the call.
    :param attempts: requests made, the first included.
    :param chain: DER certificates of the verified connection, leaf first; empty over plain http.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    method: str
    url: str
    correlation_id: str
    retriable_seen: bool = False
    attempts: int = 1
    chain: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def status_line(self) -> str:
        """The status as it was sent, e.g. ``404 Not Found``."""
        return f"{self.status} {self.reason}".rstrip()

    @property
    def media_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty when unreadable."""
        return media_type(self.headers.get("Content-Type", ""))


def clean_url(url: str) -> str:
    """Return ``url`` without credentials, query and fragment: fit for a log line."""
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return f"{parts.scheme}://{place}{parts.path}" if parts.scheme else parts.path


def media_type(value: str) -> str:
    """Return the media type of a ``Content-Type`` value, empty when there is none."""
    message = Message()
    message["Content-Type"] = value
    kind = value.partition(";")[0].strip().lower()
    return kind if kind == message.get_content_type() else ""


def integer(text: str) -> int | None:
    """Return a header's integer as Go reads it: digits and a sign, nothing else."""
    return int(text) if _INTEGER.match(text) else None


def decode_json(body: bytes) -> Any:
    """Return the first JSON value in ``body``; what follows it is ignored, as Go does.

    Invalid UTF-8 and lone surrogates become U+FFFD: they could not be written to a file later.

    :raises ValueError: when there is no JSON value; its text shows nothing of the body.
    """
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    try:
        value, _ = decoder.raw_decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    return _without_surrogates(value) if _SURROGATE_ESCAPE.search(body) else value


def member(value: object, key: str) -> Any:
    """Return a member of a JSON object: by exact key, else without regard to case; None if absent."""
    if not isinstance(value, dict):
        return None
    if key in value:
        return value[key]
    for other in value:
        if other.casefold() == key:
            return value[other]
    return None


def status_text(reply: Reply, xml: bool = False) -> str:
    """Return what a log line says about an answer (0.4).

    :param xml: also read the errors of an object storage (7.3).
    """
    if 200 <= reply.status <= 299:
        return reply.status_line
    if reply.media_type == "application/json":
        try:
            value = decode_json(reply.body)
        except ValueError:
            return reply.status_line
        return _error_text(reply, value) if isinstance(value, dict) else reply.status_line
    if xml and reply.media_type in ("application/xml", "text/xml"):
        return _xml_text(reply)
    return reply.status_line


def _error_text(reply: Reply, value: object) -> str:
    canonical = f"{reply.status} {_phrase(reply.status)}".rstrip()
    message = _message(member(value, "message"))
    text = f"{reply.method} {reply.url}: {canonical}"
    return text if message == canonical else f"{text} ({message})"


def _message(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and all(isinstance(texts, list) for texts in value.values()):
        return ", ".join(f"{key}: {'; '.join(map(str, texts))}" for key, texts in value.items())
    return ""


def _phrase(status: int) -> str:
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def _xml_text(reply: Reply) -> str:
    if b"<!" in reply.body or len(reply.body) > 65536:  # no entities: expat would expand them
        return reply.status_line
    from xml.etree import ElementTree  # only for what an object storage refuses

    try:
        root = ElementTree.fromstring(reply.body)  # noqa: S314 - no document type gets here
    except ElementTree.ParseError as error:
        return f"{reply.status_line} ({reply.media_type} decode error: {error})"
    code, message = root.findtext("Code", ""), root.findtext("Message", "")
    canonical = f"{reply.status} {_phrase(reply.status)}".rstrip()
    return f"{canonical} ({code}: {message})" if root.tag == "Error" and code else canonical


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
