"""The life of runners and jobs in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.coordinator.jobs import make_payload
from pyrunner.coordinator.records import JobRecord, JobStatus
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.coordinator.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path, CoordinatorSettings())


def running_job(store: Store, **features: bool) -> JobRecord:
    """Return a running job of a manager with these features."""
    runner = store.add_runner()
    store.manager(runner, "s_1", {"features": features})
    job = store.add_job(make_payload(1))
    job.assigned_runner_id, job.system_id = runner.id, "s_1"
    store.set_state(job, JobStatus.RUNNING)
    return job


def test_a_queued_job_changes_the_queue_value_of_those_who_may_have_it(store: Store) -> None:
    """A job for one runner leaves the others' value alone, and listeners are told."""
    first, second = store.add_runner("one"), store.add_runner("two")
    before = (first.queue_value, second.queue_value)
    told: list[bool] = []
    store.queue_listeners.append(lambda: told.append(True))
    store.add_job(make_payload(1), first.id)
    assert first.queue_value != before[0]
    assert second.queue_value == before[1]
    assert told == [True]


def test_a_payload_needs_a_free_id_and_a_token(store: Store) -> None:
    """Two jobs of one id could not be told apart."""
    store.add_job(make_payload(1))
    with pytest.raises(ValueError, match="job 1 already"):
        store.add_job(make_payload(1))
    with pytest.raises(ValueError, match="positive id"):
        store.add_job({"id": 0, "token": "x"})


def test_new_ids_are_free(store: Store) -> None:
    """Also after an id was chosen by a payload, and before a job of a handed-out id is queued."""
    store.add_job(make_payload(41))
    assert [store.new_job_id(), store.new_job_id()] == [42, 43]


def test_cancel_follows_the_managers_feature(store: Store) -> None:
    """Graceful only where the manager said that it can (2.4)."""
    job = running_job(store, cancel_gracefully=True)
    store.cancel(job)
    assert job.state is JobStatus.CANCELING


def test_cancel_without_the_feature_is_hard(store: Store) -> None:
    """The job is canceled at once."""
    job = running_job(store, cancel_gracefully=False)
    store.cancel(job)
    assert job.state is JobStatus.CANCELED


def test_a_canceling_job_ends_as_canceled(store: Store) -> None:
    """Success and failure both end it so (5.7)."""
    job = running_job(store)
    store.cancel(job, graceful=True)
    store.finish(job, success=True)
    assert job.state is JobStatus.CANCELED


def test_a_pending_job_is_canceled_out_of_the_queue(store: Store) -> None:
    """Nobody gets it any more, even when the cancel asked for grace."""
    job = store.add_job(make_payload(1))
    store.cancel(job, graceful=True)
    assert job.state is JobStatus.CANCELED
    assert store.queue == []


@pytest.mark.parametrize(("sent", "kept"), [(-1, 0), (1, 1), (40000, 32767)])
def test_exit_codes_are_clamped(store: Store, sent: int, kept: int) -> None:
    """0 to 32767 (1.8)."""
    job = running_job(store)
    store.finish(job, success=False, failure_reason="script_failure", exit_code=sent)
    assert job.exit_code == kept


def test_a_job_that_is_not_acknowledged_is_dropped(store: Store) -> None:
    """Two-phase commit ends after its time."""
    job = store.add_job(make_payload(1))
    store.settings.acknowledgement_seconds = -1
    store.await_acknowledgement(job)
    store.expire_waiting()
    assert job.state is JobStatus.FAILED


def test_a_reset_token_replaces_the_old_one(store: Store) -> None:
    """The old one is unknown from then on; the kind of token is kept."""
    runner = store.add_runner("glrtr-old")
    store.reset_token(runner)
    assert store.runner_by_token("glrtr-old") is None
    assert runner.token.startswith("glrtr-")


def test_tokens_expire_when_set_so(tmp_path: Path) -> None:
    """RFC 3339 in UTC, or nothing."""
    assert Store(tmp_path, CoordinatorSettings()).add_runner().expires_at is None
    limited = Store(tmp_path, CoordinatorSettings(token_lifetime_seconds=60)).add_runner()
    assert limited.expires_at is not None
    assert limited.expires_at.endswith("Z")


def test_a_token_is_taken_once(store: Store) -> None:
    """Two runners of one token could not be told apart."""
    store.add_runner("one")
    with pytest.raises(ValueError, match="exists"):
        store.add_runner("one")


def test_a_token_that_is_no_text_of_ours_is_unknown(store: Store) -> None:
    """Anything may stand in a header."""
    store.add_runner("one")
    assert store.runner_by_token("täuschung") is None
