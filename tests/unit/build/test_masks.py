"""How a job's trace is made (job-execution.md 6.3-6.6)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.build.masks import trace_options
from pyrunner.jobdir.record import JobRecord
from tests.support.contexts import build_context, payload, variable


def test_masked_values_are_hidden() -> None:
    """Also a file variable's content, and what another variable expands to; nothing that is not masked."""
    context = build_context(
        job=payload(
            variables=[
                variable("A", "first-secret", masked=True),
                variable("B", "second-secret", masked=True, file=True),
                variable("BASE", "third"),
                variable("C", "$BASE-secret", masked=True),
                variable("D", "open-value"),
            ]
        )
    )
    phrases = trace_options(context.record, context).phrases
    assert {b"first-secret", b"second-secret", b"third-secret"} <= set(phrases)
    assert b"open-value" not in phrases


def test_token_prefixes_of_the_coordinator_come_first() -> None:
    """The payload's, then the built-in ones as the flag says (6.5)."""
    features = {"trace_sections": True, "token_mask_prefixes": ["acme-"]}
    few = build_context(
        job=payload(features=features, variables=[variable("FF_MASK_ALL_DEFAULT_TOKENS", "false")])
    )
    many = build_context(job=payload(features=features))
    short, long = (trace_options(one.record, one).token_prefixes for one in (few, many))
    assert short[0] == long[0] == "acme-"
    assert set(short) < set(long)


@pytest.mark.parametrize("on", [True, False])
def test_time_stamps_are_a_flag(on: bool) -> None:
    """``FF_TIMESTAMPS`` of the job counts."""
    sent = [variable("FF_TIMESTAMPS", "true" if on else "false")]
    context = build_context(job=payload(variables=sent))
    assert trace_options(context.record, context).timestamps is on


def test_the_limit_is_the_runners() -> None:
    """``output_limit`` is in KiB, the option in bytes."""
    context = build_context(runner={"output_limit": 5})
    assert trace_options(context.record, context).limit == 5 * 1024


def test_a_job_without_context_is_masked_all_the_same() -> None:
    """What cannot be prepared may still be quoted in an error: its own values are hidden."""
    record = JobRecord(payload=payload(variables=[variable("A", "first-secret", masked=True)]))
    options = trace_options(record, None)
    assert b"first-secret" in options.phrases
    assert options.token_prefixes
    assert options.timestamps


@pytest.mark.parametrize(
    "variables", [None, 5, "text", {"A": "x"}, [5, None, {"masked": True}, {"value": 5}]]
)
def test_a_payload_that_is_none(variables: Any) -> None:
    """A payload that does not decode ends the job with its reason, not the supervisor."""
    assert trace_options(JobRecord(payload={"variables": variables}), None).phrases == []
