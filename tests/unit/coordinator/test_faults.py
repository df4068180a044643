"""Faults happen to the calls they name, as often as they say."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from pyrunner.coordinator.faults import Drop, Endpoint, Fault, Faults


def test_a_fault_is_used_up() -> None:
    """`times` counts down; afterwards the call is untouched."""
    faults = Faults()
    faults.fail(Endpoint.TRACE, 500, times=2)
    taken = [faults.take(Endpoint.TRACE, 1) for _ in range(3)]
    assert [fault is not None for fault in taken] == [True, True, False]
    assert faults.pending() == []


def test_a_fault_waits_for_its_job_and_endpoint() -> None:
    """Other calls do not use it up."""
    faults = Faults()
    fault = faults.fail(Endpoint.TRACE, 500, job_id=2)
    assert faults.take(Endpoint.TRACE, 1) is None
    assert faults.take(Endpoint.UPDATE_FINAL, 2) is None
    assert faults.take(Endpoint.TRACE, 2) is fault


def test_update_means_either_kind_of_put() -> None:
    """`update` matches running and final updates."""
    fault = Fault(Endpoint.UPDATE)
    assert fault.matches(Endpoint.UPDATE_RUNNING, 1)
    assert fault.matches(Endpoint.UPDATE_FINAL, 1)
    assert not fault.matches(Endpoint.TRACE, 1)


def test_skipped_calls_pass() -> None:
    """`skip` lets the first calls through, and the next fault may have them."""
    faults = Faults()
    late = faults.add(Fault(Endpoint.TRACE, skip=1, status=500))
    assert faults.take(Endpoint.TRACE, 1) is None
    assert faults.take(Endpoint.TRACE, 1) is late


def test_a_fault_without_end_stays_until_it_is_removed() -> None:
    """`times=None` applies for ever."""
    faults = Faults()
    fault = faults.fail(Endpoint.ANY, 503, times=None)
    assert all(faults.take(Endpoint.GIT, None) is fault for _ in range(5))
    faults.remove(fault)
    assert faults.take(Endpoint.GIT, None) is None


@pytest.mark.parametrize(
    "fault", [Fault("nowhere"), Fault(times=0), Fault(status=99), Fault(Endpoint.TRACE, status=600)]
)
def test_a_fault_that_cannot_happen_is_refused(fault: Fault) -> None:
    """A misspelt endpoint would make a test pass that tests nothing."""
    with pytest.raises(ValueError, match=r"."):
        Faults().add(fault)


def test_rate_limits_name_the_time_in_either_header() -> None:
    """`Retry-After` in seconds, `RateLimit-ResetTime` as an HTTP date (6.1)."""
    faults = Faults()
    assert faults.rate_limit(Endpoint.REQUEST, 7).headers == {"Retry-After": "7"}
    headers = faults.rate_limit(Endpoint.REQUEST, 7, reset_time=True).headers
    assert parsedate_to_datetime(headers["RateLimit-ResetTime"]).tzinfo is not None


def test_a_drop_is_before_or_after() -> None:
    """Nothing else is accepted."""
    assert Faults().drop_connection(Endpoint.TRACE, "after").drop is Drop.AFTER
    with pytest.raises(ValueError, match="sometimes"):
        Faults().drop_connection(Endpoint.TRACE, "sometimes")
