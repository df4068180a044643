"""Sampled use of this very process."""

from __future__ import annotations

from pyrunner.system.process import ProcessIdentity
from pyrunner.system.sampler import ProcessSampler


def burn() -> int:
    """Compute long enough for the kernel's clock ticks to show it."""
    before = ProcessIdentity.current()
    total = 0
    for _ in range(60):
        total += sum(range(100_000))
    assert before.alive()
    return total


def test_time_before_the_start_is_not_counted() -> None:
    """Only what is used after the start counts; memory is the highest seen."""
    burn()
    ticks = iter([10.0, 12.5])
    sampler = ProcessSampler(lambda: [ProcessIdentity.current()], clock=lambda: next(ticks))
    usage = sampler.usage()
    assert (usage.wall, usage.cpu_user, usage.cpu_system, usage.source) == (2.5, 0.0, 0.0, "sampled")
    assert usage.peak_memory is not None
    assert usage.peak_memory > 1_000_000


def test_samples_count_processor_time() -> None:
    """What is used between two looks is counted."""
    sampler = ProcessSampler(lambda: [ProcessIdentity.current()])
    burn()
    sampler.sample()
    assert (sampler.usage().cpu_user or 0.0) > 0.0


def test_ended_processes_keep_their_figures() -> None:
    """A tree that has ended, or an id that is somebody else's now, takes nothing away."""
    me = ProcessIdentity.current()
    tree = [me]
    sampler = ProcessSampler(lambda: tree)
    burn()
    sampler.sample()
    before = sampler.usage()
    tree[:] = [ProcessIdentity(me.pid, me.start_time - 1), ProcessIdentity(2**31 - 1, 1)]
    sampler.sample()
    after = sampler.usage()
    assert (after.cpu_user, after.peak_memory) == (before.cpu_user, before.peak_memory)
