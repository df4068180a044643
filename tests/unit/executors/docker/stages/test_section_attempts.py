"""EXECUTOR_JOB_SECTION_ATTEMPTS: gitlab-runner's lines about containers that are gone (1.3)."""

from __future__ import annotations

import pytest

from pyrunner.errors import ContainerGone
from pyrunner.executors.base import Running, StageEnd, StageLimits, Watch
from pyrunner.executors.docker.stages.section_attempts import SectionAttempts


class _Lines:
    """A report that only keeps lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)

    def error(self, text: str) -> None:
        self.lines.append(f"ERROR: {text}")


class _Stage:
    def wait(self, watch: Watch, limits: StageLimits) -> StageEnd:
        raise NotImplementedError


_LOST = 'ERROR: Container "abc" not found or removed. Will retry...'


def _run(maximum: int, gone: int) -> tuple[list[str], bool]:
    """Start a stage whose container is gone so many times; return the lines, and whether it began."""
    report, stage = _Lines(), _Stage()
    left = [gone]

    def begin(attempts: SectionAttempts) -> Running:
        assert attempts.failed == gone - left[0]
        if left[0]:
            left[0] -= 1
            raise ContainerGone("No such container: abc", "abc")
        return stage

    attempts = SectionAttempts(report, "step_script", maximum, begin)  # type: ignore[arg-type]
    try:
        return report.lines, attempts.start() is stage
    except ContainerGone:
        return report.lines, False


@pytest.mark.parametrize(
    ("maximum", "gone", "lines", "began"),
    [
        (1, 0, [], True),
        (1, 1, [_LOST], False),
        (3, 1, [_LOST, "Retrying step_script"], True),
        (2, 2, [_LOST, "Retrying step_script", _LOST, "ERROR: Execution attempts exceeded"], False),
    ],
)
def test_lines(maximum: int, gone: int, lines: list[str], began: bool) -> None:
    """The line about the container always, the last one only where there was more than one try."""
    assert _run(maximum, gone) == (lines, began)
