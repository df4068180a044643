"""What is told of failures, and what is tried again (job-execution.md 7.2)."""

from __future__ import annotations

import pytest

from pyrunner.helper.remote.failures import (
    RetriableError,
    TransferError,
    answer_failure,
    clean_url,
    with_retries,
)


def test_retries_end() -> None:
    """The first success counts; after so many tries the last error does."""
    outcomes: list[str | RetriableError] = [RetriableError("one"), RetriableError("two"), "good"]

    def action() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, RetriableError):
            raise outcome
        return outcome

    assert with_retries(action, 2, 0) == "good"
    outcomes = [RetriableError("one"), RetriableError("two"), "never"]
    with pytest.raises(RetriableError, match="two"):
        with_retries(action, 1, 0)
    assert outcomes == ["never"]


def test_other_errors_are_not_tried_again() -> None:
    """A refusal stays one."""
    calls = []

    def action() -> None:
        calls.append(1)
        raise TransferError("no")

    with pytest.raises(TransferError):
        with_retries(action, 2, 0)
    assert calls == [1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "received: 403 Forbidden"),
        (b"<html>no</html>", "received: 403 Forbidden"),
        (b"<Error>oops", "received: 403 Forbidden"),
        (
            b"<?xml version='1.0'?>\n<Error><Code>Denied</Code><Message>Access &amp; more</Message></Error>",
            "received: 403 Forbidden. Request failed with code: Denied, message: Access & more",
        ),
        (
            b"<Error><Code>X\x1b[31m</Code></Error>",
            "received: 403 Forbidden. Request failed with code: X [31m",
        ),
    ],
)
def test_answers(body: bytes, expected: str) -> None:
    """What the server says in XML is told, but nothing that a terminal would obey."""
    error = answer_failure(403, "Forbidden", body)
    assert str(error) == expected
    assert not isinstance(error, RetriableError)


def test_a_servers_own_failure_is_tried_again() -> None:
    """Every 5xx."""
    assert isinstance(answer_failure(503, "Slow Down", b""), RetriableError)


def test_clean_urls() -> None:
    """No query, no credentials."""
    assert clean_url("https://me:secret@host:1/a/b?X-Amz-Signature=1#f") == "https://host:1/a/b"
    assert clean_url("http://[broken") == ""
