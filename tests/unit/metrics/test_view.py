"""/debug/jobs/list, line by line."""

from __future__ import annotations

from pyrunner.metrics.view import JobLine


def test_a_job() -> None:
    """Keys, order and duration are gitlab-runner's."""
    line = JobLine("https://gl/g/p/-/jobs/7", "running", "step_script", "prepare", 61.5)
    assert str(line) == (
        "url=https://gl/g/p/-/jobs/7 state=running stage=step_script executor_stage=prepare duration=1m1.5s"
    )


def test_words_of_a_payload_stay_in_their_line() -> None:
    """A step's name cannot make up another job."""
    line = str(JobLine("https://gl/a\nb", "running", "step_x url=evil", "prepare", 1.0))
    assert "\n" not in line
