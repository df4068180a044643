"""The pacing of final updates."""

from __future__ import annotations

import pytest

from pyrunner.coordinator.job_endpoints import pacing


@pytest.mark.parametrize(
    ("age", "interval"),
    [
        (0, 1),
        (3.9, 1),
        (4, 2),
        (7, 2),
        (8, 4),
        (15, 4),
        (16, 8),
        (32, 16),
        (64, 32),
        (127, 32),
        (128, 64),
        (299, 64),
    ],
)
def test_the_interval_grows_with_the_age_of_the_first_final_update(age: float, interval: int) -> None:
    """The table of runner-api.md 5.8."""
    assert pacing(age) == interval
