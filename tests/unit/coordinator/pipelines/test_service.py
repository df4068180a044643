"""Pipelines as they go on: cases C38 to C40, retries, resource groups, cancelling (gitlab-ci-yml.md 6, 8)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.pipelines.creation import Choices
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.records import JobStatus
from pyrunner.protocol.variables import Variable
from tests.support.pipeline_service import Lab

C38 = """
{ok: {stage: build, script: s}, bad: {stage: build, script: exit 1, allow_failure: true},
 t1: {script: s}, t2: {script: exit 1},
 f: {stage: deploy, script: s, when: on_failure}, a: {stage: deploy, script: s, when: always},
 o: {stage: deploy, script: s}}
"""
C39 = """
{a: {stage: build, script: s}, m: {stage: build, script: s, when: manual}, x: {script: s, needs: [a]},
 y: {script: s, needs: [m]}, z: {script: s, needs: []}, w: {stage: deploy, script: s}}
"""
GATE = """
gate: {stage: build, script: s, when: manual, allow_failure: false}
t: {script: s, when: always}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A service without runners."""
    made = Lab(tmp_path)
    yield made
    made.service.close()


def test_stages_with_a_failure(lab: Lab) -> None:
    """C38: after a failure, on_failure and always jobs run, others not; an allowed one does not count."""
    pipeline = lab.begin(C38)
    lab.end(pipeline, "ok")
    lab.end(pipeline, "bad", 1)
    lab.end(pipeline, "t1")
    lab.end(pipeline, "t2", 1)
    states = lab.states(pipeline)
    assert (states["f"], states["a"], states["o"]) == ("pending", "pending", "skipped")
    lab.end(pipeline, "f")
    lab.end(pipeline, "a")
    assert lab.state(pipeline) is Status.FAILED


def test_stages_without_one(lab: Lab) -> None:
    """C38, second part: nothing failed that counts, so on_failure is skipped, and the pipeline passes."""
    pipeline = lab.begin(C38)
    lab.end(pipeline, "ok")
    lab.end(pipeline, "bad", 1)
    lab.end(pipeline, "t1")
    lab.end(pipeline, "t2")
    assert lab.states(pipeline)["f"] == "skipped"
    lab.end(pipeline, "a")
    lab.end(pipeline, "o")
    assert lab.state(pipeline) is Status.SUCCESS


def test_needs(lab: Lab) -> None:
    """C39: needs decide alone; a manual need that nobody has to play skips, until it is played."""
    pipeline = lab.begin(C39)
    assert lab.states(pipeline) == {
        "a": "pending",
        "m": "manual",
        "x": "created",
        "y": "skipped",
        "z": "pending",
        "w": "created",
    }
    lab.end(pipeline, "a")
    assert lab.states(pipeline)["x"] == "pending"
    lab.end(pipeline, "z")
    lab.end(pipeline, "x")
    lab.end(pipeline, "w")
    assert lab.state(pipeline) is Status.SUCCESS
    assert lab.service.at_rest(pipeline)
    lab.service.play(lab.latest(pipeline)["m"].id)
    assert lab.states(pipeline)["y"] == "created"
    lab.end(pipeline, "m")
    lab.end(pipeline, "y")
    assert lab.state(pipeline) is Status.SUCCESS


def test_blocking_manual_job(lab: Lab) -> None:
    """C40: a gate keeps what follows waiting, and the pipeline is manual; played, it goes on."""
    pipeline = lab.begin(GATE)
    assert lab.states(pipeline) == {"gate": "manual", "t": "created"}
    assert lab.state(pipeline) is Status.MANUAL
    assert lab.service.at_rest(pipeline)
    variables = [Variable("WHO", "me")]
    lab.service.play(lab.latest(pipeline)["gate"].id, variables)
    sent = {one["key"]: one["value"] for one in lab.payload(pipeline, "gate")["variables"]}
    assert sent["WHO"] == "me"
    lab.end(pipeline, "gate")
    assert lab.states(pipeline)["t"] == "pending"


def test_gate_is_cancelled(lab: Lab) -> None:
    """C40: a cancel while the gate waits cancels all, also jobs that run always."""
    pipeline = lab.begin(GATE)
    lab.service.cancel(pipeline)
    assert lab.states(pipeline) == {"gate": "canceled", "t": "canceled"}
    assert lab.state(pipeline) is Status.CANCELED


def test_delayed_job(lab: Lab) -> None:
    """C40 with a delay: scheduled until its time has come; the service says when to ask it again."""
    pipeline = lab.begin(
        "{gate: {stage: build, script: s, when: delayed, start_in: 1 minute}, t: {script: s, when: always}}"
    )
    assert lab.state(pipeline) is Status.SCHEDULED
    due = lab.latest(pipeline)["gate"].scheduled_at
    lab.now = due - 1
    assert lab.step() == due
    assert lab.states(pipeline)["gate"] == "scheduled"
    assert lab.step(1) == math.inf
    assert lab.states(pipeline)["gate"] == "pending"


def test_auto_play(lab: Lab) -> None:
    """A manual or delayed job that was asked for beforehand starts by itself, and is a manual job still."""
    text = "{m: {script: s, when: manual}, d: {script: s, when: delayed, start_in: 1 day}}"
    pipeline = lab.begin(text, Choices(auto_play={"m", "d"}))
    assert lab.states(pipeline) == {"m": "pending", "d": "pending"}
    sent = {one["key"]: one["value"] for one in lab.payload(pipeline, "m")["variables"]}
    assert sent["CI_JOB_MANUAL"] == "true"


def test_what_cannot_be_played(lab: Lab) -> None:
    """Only what waits to be played can be; the same for retries, and for ids that nothing has."""
    pipeline = lab.begin("a: {script: s}")
    job = lab.latest(pipeline)["a"].id
    with pytest.raises(ValueError, match="only manual and delayed"):
        lab.service.play(job)
    with pytest.raises(ValueError, match="only an ended job"):
        lab.service.retry(job)
    with pytest.raises(KeyError):
        lab.service.play(4711)
    with pytest.raises(KeyError):
        lab.service.pipeline(4711)


def test_automatic_retry(lab: Lab) -> None:
    """A failed job that may be retried runs again under a new id; the first attempt counts no more."""
    pipeline = lab.begin("{a: {stage: build, script: s, retry: 1}, b: {script: s}}")
    first = lab.latest(pipeline)["a"]
    lab.end(pipeline, "a", 1)
    second = lab.latest(pipeline)["a"]
    assert second.id > first.id
    assert (second.status, second.attempt) == (Status.PENDING, 2)
    assert lab.states(pipeline)["b"] == "created"
    attempts = [one for one in lab.service.jobs(pipeline) if one.name == "a"]
    assert [(one.status, one.retried) for one in attempts] == [("failed", True), ("pending", False)]
    lab.end(pipeline, "a", 1)
    assert lab.latest(pipeline)["a"].id == second.id
    assert lab.state(pipeline) is Status.FAILED


def test_retry_by_hand(lab: Lab) -> None:
    """A retry replaces the attempt, and lets what was skipped because of it be decided anew."""
    pipeline = lab.begin("{a: {stage: build, script: s}, b: {script: s}, c: {script: s, needs: [a]}}")
    lab.end(pipeline, "a", 1)
    assert lab.states(pipeline) == {"a": "failed", "b": "skipped", "c": "skipped"}
    lab.service.retry(lab.latest(pipeline)["a"].id)
    assert lab.states(pipeline) == {"a": "pending", "b": "created", "c": "created"}
    lab.end(pipeline, "a")
    assert lab.states(pipeline) == {"a": "success", "b": "pending", "c": "pending"}


def test_allowed_exit_code(lab: Lab) -> None:
    """The listed exit code makes a failure an allowed one; another does not."""
    text = "{a: {stage: build, script: s, allow_failure: {exit_codes: 3}}, b: {script: s}}"
    allowed, other = lab.begin(text), lab.begin(text, ref="other")
    lab.end(allowed, "a", 3)
    lab.end(other, "a", 1)
    assert lab.states(allowed) == {"a": "failed", "b": "pending"}
    assert lab.states(other) == {"a": "failed", "b": "skipped"}


def test_one_failure_cancels_all(lab: Lab) -> None:
    """With on_job_failure: all, a failure that counts cancels the rest; one that is retried does not."""
    text = """
        workflow: {auto_cancel: {on_job_failure: all}}
        a: {stage: build, script: s, retry: 1}
        b: {stage: build, script: s}
        c: {script: s}
    """
    pipeline = lab.begin(text)
    lab.run(pipeline, "b")
    lab.end(pipeline, "a", 1)
    assert lab.states(pipeline)["b"] == "running"
    lab.end(pipeline, "a", 1)
    lab.step()
    assert lab.states(pipeline) == {"a": "failed", "b": "canceled", "c": "canceled"}
    assert lab.state(pipeline) is Status.FAILED


def test_cancel_of_running_jobs(lab: Lab) -> None:
    """A cancel stops what a runner has, and what waits for one leaves the queue."""
    pipeline = lab.begin("{a: {script: s}, b: {script: s}, c: {stage: deploy, script: s, when: always}}")
    lab.run(pipeline, "a")
    lab.service.cancel(pipeline)
    lab.step()
    assert lab.states(pipeline) == {"a": "canceled", "b": "canceled", "c": "canceled"}
    assert lab.store.queue == []


def test_graceful_cancel(lab: Lab) -> None:
    """While a job cleans up it is canceling, and so is the pipeline."""
    pipeline = lab.begin("a: {script: s}")
    lab.run(pipeline, "a")
    record = lab.store.jobs[lab.latest(pipeline)["a"].id]
    lab.store.cancel(record, graceful=True)
    lab.step()
    assert lab.state(pipeline) is Status.CANCELING
    lab.store.finish(record, True)
    lab.step()
    assert lab.state(pipeline) is Status.CANCELED


NEWER = """
workflow: {auto_cancel: {on_new_commit: MODE}}
a: {stage: build, script: s, interruptible: true}
b: {stage: build, script: s}
"""


@pytest.mark.parametrize(
    ("mode", "running", "expected"),
    [
        ("conservative", "a", {"a": "canceled", "b": "canceled"}),
        ("conservative", "b", {"a": "pending", "b": "running"}),
        ("interruptible", "b", {"a": "canceled", "b": "running"}),
        ("none", "a", {"a": "running", "b": "pending"}),
    ],
)
def test_new_pipeline_of_a_ref(lab: Lab, mode: str, running: str, expected: dict[str, str]) -> None:
    """What a newer pipeline of the ref cancels is the older one's affair; other refs are left alone."""
    text = NEWER.replace("MODE", mode)
    older, elsewhere = lab.begin(text), lab.begin(text, ref="elsewhere")
    lab.run(older, running)
    lab.begin(text)
    lab.step()
    assert lab.states(older) == expected
    assert lab.states(elsewhere) == {"a": "pending", "b": "pending"}


GROUP = "{a: {script: s, resource_group: g}, b: {script: s, resource_group: g}}"


def test_resource_group(lab: Lab) -> None:
    """One job of a group at a time, over all pipelines of the project; the next starts when it has ended."""
    first, second = lab.begin(GROUP), lab.begin(GROUP, ref="other")
    assert lab.states(first) == {"a": "pending", "b": "waiting_for_resource"}
    assert lab.states(second) == {"a": "waiting_for_resource", "b": "waiting_for_resource"}
    lab.end(first, "a", 1)
    assert lab.states(first)["b"] == "pending"
    lab.service.cancel(first)
    lab.step()
    assert lab.states(second)["a"] == "pending"


@pytest.mark.parametrize(
    ("mode", "order"),
    [
        ("unordered", [1, 2, 3]),
        ("oldest_first", [1, 2, 3]),
        ("newest_first", [1, 3, 2]),
        ("newest_ready_first", [1, 3, 2]),
    ],
)
def test_process_modes(lab: Lab, mode: str, order: list[int]) -> None:
    """Who is next is the process mode's word."""
    lab.service.order_resource_group("group/project", "g", mode)
    text = "a: {script: s, resource_group: g}"
    pipelines = [lab.begin(text, ref=f"r{number}") for number in range(3)]
    seen = []
    for _ in pipelines:
        number = next(n for n, one in enumerate(pipelines, 1) if lab.states(one)["a"] == "pending")
        seen.append(number)
        lab.end(pipelines[number - 1], "a")
    assert seen == order


def test_ordered_group_waits_for_its_first(lab: Lab) -> None:
    """Oldest first: a job that is not ready yet keeps later pipelines' ones waiting."""
    lab.service.order_resource_group("group/project", "g", "oldest_first")
    text = "{first: {stage: build, script: s}, a: {script: s, resource_group: g}}"
    older, newer = lab.begin(text), lab.begin(text, ref="newer")
    lab.end(newer, "first")
    assert lab.states(newer)["a"] == "waiting_for_resource"
    lab.end(older, "first")
    assert lab.states(older)["a"] == "pending"
    lab.end(older, "a")
    assert lab.states(newer)["a"] == "pending"
    with pytest.raises(ValueError, match="process mode"):
        lab.service.order_resource_group("group/project", "g", "sometimes")


def test_listeners_hear_of_every_change(lab: Lab) -> None:
    """Each new state of a job and of the pipeline is told, after it is true."""
    heard: list[tuple[str, str]] = []
    lab.service.listeners.append(lambda view: heard.append((view.name, str(view.status))))
    pipeline = lab.begin("a: {script: s}", ref="main")
    lab.end(pipeline, "a")
    assert [state for name, state in heard if name == "a"] == ["pending", "running", "success"]
    assert [state for name, state in heard if name == ""] == ["pending", "running", "success"]


def test_times(lab: Lab) -> None:
    """When a job was queued, started and ended is known, and so how long it ran."""
    pipeline = lab.begin("a: {script: s}")
    lab.step()
    lab.run(pipeline, "a")
    lab.now += 5
    lab.store.finish(lab.store.jobs[lab.latest(pipeline)["a"].id], True)
    lab.step()
    job = lab.latest(pipeline)["a"]
    assert job.duration == pytest.approx(5)
    assert lab.service.pipeline(pipeline).finished_at == job.finished_at


def test_a_refused_pipeline_is_not_begun(lab: Lab) -> None:
    """A pipeline that the rules leave empty is none."""
    with pytest.raises(ValueError, match="would have been empty"):
        lab.begin("a: {script: s, rules: [{when: never}]}")


def test_dropped_by_the_server(lab: Lab) -> None:
    """A job that ends without a runner, such as one nobody can run, ends its pipeline too."""
    pipeline = lab.begin("a: {script: s}")
    record = lab.store.jobs[lab.latest(pipeline)["a"].id]
    lab.store.drop(record, "runner_unsupported")
    lab.step()
    job = lab.latest(pipeline)["a"]
    assert (job.status, job.failure_reason) == (Status.FAILED, "runner_unsupported")
    assert record.state is JobStatus.FAILED


def test_order_of_jobs(lab: Lab) -> None:
    """Jobs come by stage, then as written; the attempts at one stay together."""
    pipeline = lab.begin("{a: {script: s, retry: 1}, b: {script: s}, c: {stage: build, script: s}}")
    lab.end(pipeline, "c")
    lab.end(pipeline, "a", 1)
    assert [(one.name, one.attempt) for one in lab.service.jobs(pipeline)] == [
        ("c", 1),
        ("a", 1),
        ("a", 2),
        ("b", 1),
    ]
