"""What a run shows: lines, events, summaries, JUnit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pyrunner.cli.exec.command import shown
from pyrunner.cli.exec.display import Display, JSONDisplay, LineDisplay, QuietDisplay
from pyrunner.cli.exec.junit import write_junit
from pyrunner.cli.exec.summary import failures, table, verdict
from pyrunner.cli.exec.words import Words, seconds
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.views import JobView, PipelineView

SECTION = b"section_start:1:step_script\r\x1b[0K\n"


def job(name: str = "a", status: Status = Status.RUNNING, **changes: Any) -> JobView:
    """Return a job."""
    plain = JobView(
        id=7,
        pipeline_id=1,
        name=name,
        stage="test",
        status=status,
        allow_failure=False,
        when="on_success",
        attempt=1,
        retried=False,
        triggers=False,
        failure_reason="",
        exit_code=0,
        message="",
        coverage=None,
        created_for=None,
        scheduled_at=0.0,
        queued_at=1.0,
        started_at=2.0,
        finished_at=0.0,
    )
    return replace(plain, **changes)


FAILED = job(status=Status.FAILED, failure_reason="script_failure", exit_code=2, finished_at=5.0)
WAITS = job("m m", Status.MANUAL)


def show(display: Display, output: bytes = b"hello\n", end: JobView = FAILED) -> None:
    """Let a job run, print something and end."""
    display.changed(job(end.name, Status.CREATED))
    display.changed(job(end.name))
    display.trace(7, SECTION + output)
    display.changed(end)


def test_lines() -> None:
    """Each line has its job's name in front; without colours there is no escape sequence at all."""
    lines: list[str] = []
    show(LineDisplay(lines.append, Words(False), everything=False), b"\x1b[31mred\x1b[0m\nlast")
    assert lines == ["a | ● running", "a | red", "a | last", "a | ✗ failed (exit code 2), 3.0 s"]


def test_colours() -> None:
    """In colour, a line's own colours stay and end with it."""
    lines: list[str] = []
    show(LineDisplay(lines.append, Words(True), everything=False), b"\x1b[31mred\n")
    assert lines[1] == "\x1b[36ma |\x1b[0m \x1b[31mred\x1b[0m"


def test_hostile_names_and_output() -> None:
    """Neither a name, which a generated child pipeline can choose, nor output gets at the terminal."""
    lines: list[str] = []
    display = LineDisplay(lines.append, Words(True), everything=True)
    show(display, b"\x1b]0;owned\x07\x1b[2Jx\n", job("\x1b[2Jn\nm", Status.FAILED, message="\x1b[1A"))
    assert not any("\x1b[2J" in one or "\x1b]0" in one or "\x1b[1A" in one or "\n" in one for one in lines)


def test_quiet() -> None:
    """Quiet means nothing before the end, but the last lines are remembered."""
    lines: list[str] = []
    display = QuietDisplay(lines.append, Words(False))
    show(display)
    display.note("something")
    assert lines == []
    assert display.tail(7) == ["hello"]


def test_tail_before_the_script() -> None:
    """Of a job that fails before its script, what git said is shown; once the script speaks, only that."""
    display = QuietDisplay(lambda _: None, Words(False))
    display.changed(job())
    sources = b"section_start:1:get_sources\r\x1b[0K\n"
    own = b"2026-01-01T00:00:00.000000Z 00O Getting source\n"
    display.trace(7, own + sources + b"2026-01-01T00:00:00.000000Z 01E fatal: no such ref\n")
    assert display.tail(7) == ["fatal: no such ref"]
    display.trace(7, b"section_end:1:get_sources\r\x1b[0K\n" + SECTION + b"hello\n")
    assert display.tail(7) == ["hello"]


def test_tail_is_bounded() -> None:
    """Of a long output the end is remembered."""
    display = QuietDisplay(lambda _: None, Words(False))
    show(display, b"".join(b"line %d\n" % number for number in range(1000)))
    assert display.tail(7)[-1] == "line 999"
    assert len(display.tail(7)) == 20


def test_events() -> None:
    """Each line is a JSON object; the jobs' lines are there when they are asked for."""
    for everything in (False, True):
        lines: list[str] = []
        display = JSONDisplay(lines.append, Words(False), everything)
        show(display)
        display.changed(
            PipelineView(1, "g/p", "main", "0", "push", "", Status.FAILED, ("test",), None, 1.0, 1.0, 2.0)
        )
        events = [json.loads(one) for one in lines]
        assert [one["status"] for one in events if one["event"] == "job"] == ["created", "running", "failed"]
        assert events[-1] == {"event": "pipeline", "id": 1, "status": "failed", "name": "", "ref": "main"}
        assert [one["text"] for one in events if one["event"] == "line"] == (["hello"] if everything else [])


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (job(status=Status.SUCCESS, finished_at=3.5), "success, 1.5 s"),
        (job(status=Status.SUCCESS, started_at=0.0), "passed in the last run"),
        (job(status=Status.SUCCESS, finished_at=3.0, coverage=87.5), "success, 1.0 s, coverage 87.5 %"),
        (replace(FAILED, allow_failure=True), "failed (exit code 2), which is allowed, 3.0 s"),
        (replace(FAILED, retried=True), "failed (exit code 2), tried again, 3.0 s"),
        (
            replace(FAILED, exit_code=0, failure_reason="runner_system_failure", finished_at=0.0),
            "failed (runner system failure)",
        ),
        (job(status=Status.MANUAL), "waits to be played"),
        (job(status=Status.WAITING_FOR_RESOURCE), "waiting for resource"),
        (job(status=Status.SUCCESS, finished_at=3.0, message="why"), "success, 1.0 s: why"),
    ],
)
def test_outcomes(view: JobView, expected: str) -> None:
    """What became of a job, in words."""
    assert Words(False).outcome(view) == expected


@pytest.mark.parametrize(
    ("value", "text"), [(0.44, "0.4 s"), (12.6, "12 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")]
)
def test_seconds(value: float, text: str) -> None:
    """Durations are as exact as people need them."""
    assert seconds(value) == text


def test_summary() -> None:
    """Failures come with their last lines and the way to look further; earlier attempts are left out."""
    jobs = [replace(FAILED, retried=True), FAILED, job("m", Status.MANUAL), job("b b", Status.SUCCESS)]
    words = Words(False)
    text = "\n".join(failures(jobs, {7: ["hello"]}, {7: Path("/logs/a.log")}, words))
    assert text.count("✗") == 1
    assert "    hello" in text
    assert "/logs/a.log" in text
    assert "pyrunner exec --shell-into a" in text
    assert len(list(table(jobs, words))) == 3


@pytest.mark.parametrize(
    ("status", "views", "interrupted", "expected"),
    [
        (Status.SUCCESS, [job(status=Status.SUCCESS)], False, "passed in 1.0 s"),
        (Status.SUCCESS, [replace(FAILED, allow_failure=True)], False, "passed with warnings in 1.0 s"),
        (Status.FAILED, [FAILED], False, "failed in 1.0 s"),
        (Status.MANUAL, [FAILED, WAITS], False, "failed in 1.0 s; to play it: --manual 'm m'"),
        (Status.MANUAL, [WAITS], False, "waits for a manual job in 1.0 s; to play it: --manual 'm m'"),
        (Status.CANCELED, [job(status=Status.CANCELED)], False, "canceled in 1.0 s"),
        (Status.CANCELED, [job(status=Status.CANCELED)], True, "interrupted in 1.0 s"),
    ],
)
def test_verdict(status: Status, views: list[JobView], interrupted: bool, expected: str) -> None:
    """The last line says it all, and how to play what waits."""
    assert verdict(status, views, 1.0, interrupted, Words(False)) == f"pipeline {expected}"


def test_junit(tmp_path: Path) -> None:
    """One test case for each job: failures of scripts, errors of the runner, and what did not run."""
    jobs = [
        job("ok", Status.SUCCESS, finished_at=4.0),
        replace(FAILED, id=8, name="bad"),
        replace(FAILED, id=9, name="broken", failure_reason="runner_system_failure", exit_code=0),
        replace(FAILED, id=10, name="allowed", allow_failure=True),
        replace(FAILED, id=11, name="first", retried=True),
        job("later", Status.SKIPPED),
    ]
    file = tmp_path / "junit.xml"
    write_junit(file, "g/p", jobs, {8: ["\x1b[31m<end> \x1b[0m"]})
    suite = ElementTree.parse(file).getroot()[0]
    assert suite.attrib | {"time": ""} == {
        "name": "g/p",
        "tests": "5",
        "time": "",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
    }
    kinds = {case.attrib["name"]: [one.tag for one in case] for case in suite}
    assert kinds == {
        "ok": [],
        "bad": ["failure"],
        "broken": ["error"],
        "allowed": ["skipped"],
        "later": ["skipped"],
    }
    assert suite[1][0].text == "<end> "


def test_names_in_lists() -> None:
    """What is shown without running anything may be a stranger's, too."""
    lines = ["├── \x1b]0;title\x07a\x1b[2J", "b\nc"]
    assert shown(lines) == "├── a\nbc"
