"""Reading answers (runner-api.md 0.4)."""

from __future__ import annotations

import pytest
from requests.structures import CaseInsensitiveDict

from pyrunner.gitlab.answer import (
    Reply,
    clean_url,
    decode_json,
    integer,
    media_type,
    member,
    status_text,
)


def reply(status: int, body: bytes, kind: str = "application/json", reason: str = "") -> Reply:
    """Return an answer to a PUT."""
    return Reply(
        status=status,
        reason=reason,
        headers=CaseInsensitiveDict({"Content-Type": kind}),
        body=body,
        method="PUT",
        url="https://gitlab.example.com/api/v4/jobs/1",
        correlation_id="0" * 32,
    )


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"id": 1} trailing {', {"id": 1}),
        (b' \n{"id": 1}', {"id": 1}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (rb'{"a": ["\ud800x", {"\udfff": 1}]}', {"a": ["\ufffdx", {"\ufffd": 1}]}),
        (rb'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
    ],
)
def test_json_is_read_as_go_reads_it(body: bytes, value: object) -> None:
    """What follows the first value is ignored; bytes and surrogates that are no text become U+FFFD."""
    assert decode_json(body) == value


@pytest.mark.parametrize("body", [b"", b"200", b"<html>", b'{"id": NaN}', b'{"id"', b"[" * 100_000])
def test_what_is_not_a_json_object_fails_without_showing_the_body(body: bytes) -> None:
    """A body that does not decode raises ValueError only, and its text could hold a token."""
    if body == b"200":
        assert decode_json(body) == 200
        return
    with pytest.raises(ValueError, match=r".") as raised:
        decode_json(body)
    assert "html" not in str(raised.value)


def test_members_are_found_exactly_then_without_case() -> None:
    """Go matches a key exactly, else without regard to case (0.4)."""
    assert member({"ID": 1, "id": 2}, "id") == 2
    assert member({"Id": 1}, "id") == 1
    assert member({}, "id") is None
    assert member([], "id") is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"message": "403 Forbidden"}', ""),
        (b'{"message": "403 Forbidden - Job is not processing on runner"}',
         " (403 Forbidden - Job is not processing on runner)"),
        (b'{"message": {"tags": ["a", "b"], "name": ["c"]}}', " (tags: a; b, name: c)"),
        (b'{"error": "token is missing"}', " ()"),
        (b'{"message": 7}', " ()"),
    ],
)  # fmt: skip
def test_error_texts(body: bytes, text: str) -> None:
    """The message stands in parentheses unless it only repeats the status (0.4)."""
    assert status_text(reply(403, body)) == (
        f"PUT https://gitlab.example.com/api/v4/jobs/1: 403 Forbidden{text}"
    )


def test_success_and_other_media_types_show_the_status_line() -> None:
    """The body of a success, and anything that is not JSON, is not looked at."""
    assert status_text(reply(200, b'{"message": "x"}', reason="OK")) == "200 OK"
    assert status_text(reply(502, b"<html>", "text/html", "Bad Gateway")) == "502 Bad Gateway"
    assert status_text(reply(502, b"<html>", "application/json", "Bad Gateway")) == "502 Bad Gateway"


def test_object_storage_speaks_xml() -> None:
    """A 403 of an object storage says why in XML; entity declarations are not expanded (7.3)."""
    body = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    denied = reply(403, body, "application/xml", "Forbidden")
    assert status_text(denied, xml=True) == "403 Forbidden (AccessDenied: Request has expired)"
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Error><Code>&a;</Code></Error>'
    assert status_text(reply(403, bomb, "text/xml", "Forbidden"), xml=True) == "403 Forbidden"
    assert "decode error" in status_text(reply(403, b"<Error>", "text/xml", "Forbidden"), xml=True)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        ("application/json+x", "application/json+x"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_media_types(value: str, kind: str) -> None:
    """Parameters and case do not count, but the type must be whole (0.3)."""
    assert media_type(value) == kind


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-3", -3), ("+3", 3), ("", None), ("3.5", None), (" 3", None), ("1_0", None), ("٣", None),
     ("9" * 30, None)],
)  # fmt: skip
def test_integers_are_gos(text: str, value: int | None) -> None:
    """Python would also take blanks, underscores and other scripts' digits."""
    assert integer(text) == value


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://gitlab-ci-token:glcbt-x@host:8443/g/p.git?a=b#c", "https://host:8443/g/p.git"),
        ("http://host", "http://host"),
        ("https://[::1", ""),
    ],
)
def test_urls_lose_what_may_be_secret(url: str, clean: str) -> None:
    """User, password, query (signatures) and fragment never reach a log line."""
    assert clean_url(url) == clean
