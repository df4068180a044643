"""Arithmetic of resource use."""

from __future__ import annotations

import resource

import pytest

from pyrunner.errors import JobDirError
from pyrunner.system.usage import ResourceUsage

FULL = ResourceUsage(2.0, 1.0, 0.5, 100, 10, 20, 1, "cgroup")


def test_sum_adds_amounts_and_takes_the_higher_peak() -> None:
    """Stages that follow one another: amounts add up, the peak does not."""
    other = ResourceUsage(1.0, 0.25, 0.25, 70, 5, 6, 0, "rusage")
    assert FULL + other == ResourceUsage(3.0, 1.25, 0.75, 100, 15, 26, 1, "cgroup+rusage")


def test_sum_with_nothing_known_keeps_what_is() -> None:
    """Adding to an empty total changes nothing, and not known stays not known."""
    assert ResourceUsage() + FULL == FULL
    assert (ResourceUsage() + ResourceUsage()).cpu_user is None


def test_difference_of_two_readings() -> None:
    """What came between two readings of the same counters; the peak is the later one's."""
    later = ResourceUsage(5.0, 4.0, 1.5, 150, 30, 20, 3, "cgroup")
    assert later - FULL == ResourceUsage(3.0, 3.0, 1.0, 150, 20, 0, 2, "cgroup")


def test_difference_never_falls_below_zero() -> None:
    """Counters that began anew do not give negative use."""
    difference = ResourceUsage(1.0, 0.0, 0.0, 5, 0, 0, 0, "cgroup") - FULL
    assert (difference.wall, difference.cpu_user, difference.read_bytes) == (0, 0, 0)


def test_gaps_are_filled_and_the_source_named() -> None:
    """What is not known is taken from the other measure, and the source says so."""
    partial = ResourceUsage(cpu_user=3.0, cpu_system=2.0, source="cgroup")
    filled = partial.filled_from(ResourceUsage(9.0, 1.0, 1.0, 50, 7, 8, None, "rusage"))
    assert filled == ResourceUsage(9.0, 3.0, 2.0, 50, 7, 8, None, "cgroup+rusage")


def test_larger_number_of_bytes_counts() -> None:
    """Both measures of bytes can only be too low."""
    filled = FULL.filled_from(ResourceUsage(read_bytes=3, write_bytes=30, source="sampled"))
    assert (filled.read_bytes, filled.write_bytes) == (10, 30)


def test_nothing_to_fill_names_no_other_source() -> None:
    """Where the other measure adds nothing, it is not named."""
    assert FULL.filled_from(ResourceUsage(1.0, 0.1, 0.1, 5, 1, 1, 0, "rusage")).source == "cgroup"


def test_rusage_is_in_bytes_and_seconds() -> None:
    """Kibibytes and blocks of 512 bytes become bytes."""
    numbers = [1.5, 0.5, 64, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0]
    usage = ResourceUsage.from_rusage(resource.struct_rusage(numbers), wall=2.0)
    assert usage == ResourceUsage(2.0, 1.5, 0.5, 64 * 1024, 3 * 512, 4 * 512, None, "rusage")


def test_usage_survives_json() -> None:
    """A journal gives back the same figures; keys of a newer version are passed over."""
    assert ResourceUsage.from_dict({**FULL.to_dict(), "gpu": 1}) == FULL
    assert ResourceUsage.from_dict(ResourceUsage().to_dict()) == ResourceUsage()
    assert ResourceUsage.from_dict({}) == ResourceUsage()


@pytest.mark.parametrize(
    "value", [None, [], {"wall": None}, {"wall": "1"}, {"cpu_user": -1}, {"oom_kills": True}, {"source": 1}]
)
def test_anything_else_is_refused(value: object) -> None:
    """Figures that are none are an error, not a wrong report."""
    with pytest.raises(JobDirError, match="not a resource usage"):
        ResourceUsage.from_dict(value)
