"""`logs`: which jobs, and how their lines are shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pyrunner.cli.logs import (
    LoggedJob,
    Style,
    Viewer,
    find_job,
    show_jobs,
    show_running,
    unfinished_jobs,
)
from pyrunner.errors import UsageError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import mark_done
from pyrunner.jobdir.journal import Journal
from pyrunner.jobdir.layout import Business
from tests.unit.cli.test_running_jobs import config, make_job

HEADER = "2026-11-21T09:31:10.051618Z 01O "


class Shown:
    """A viewer and what it has printed."""

    def __init__(self, **style: bool) -> None:
        self._bytes = io.BytesIO()
        self._text = io.TextIOWrapper(self._bytes, encoding="utf-8", newline="\n")
        self.viewer = Viewer(self._text, Style(**style))

    @property
    def text(self) -> str:
        """All of it."""
        self._text.flush()
        return self._bytes.getvalue().decode()


def logged(folder: Path, job: int, text: str) -> LoggedJob:
    """Return a job with a log."""
    control = ControlDir(folder / str(job))
    control.create()
    control.trace_log.write_text(text)
    return LoggedJob(job, "1", control)


def end(control: ControlDir) -> None:
    """Let a job end."""
    journal = Journal.open(control.state)
    journal.record.phase = "finished"
    journal.store()


def test_one_job(tmp_path: Path) -> None:
    """Its text alone, the unfinished last line included."""
    shown = Shown()
    show_jobs(shown.viewer, [logged(tmp_path, 7, f"{HEADER}one\n{HEADER}two")], follow=False)
    assert shown.text == "one\ntwo\n"


def test_styles(tmp_path: Path) -> None:
    """Times, names, JSON, or the very bytes."""
    job = logged(tmp_path, 7, f"{HEADER}\x1b[31mone\x1b[0m")
    for style, text in (
        ({"times": True}, "2026-11-21T09:31:10.051618Z one\n"),
        ({"named": True}, "7 | one\n"),
        ({"raw": True}, f"{HEADER}\x1b[31mone\x1b[0m"),
    ):
        shown = Shown(**style)
        show_jobs(shown.viewer, [job], follow=False)
        assert shown.text == text
    shown = Shown(json=True)
    show_jobs(shown.viewer, [job], follow=False)
    assert json.loads(shown.text) == {
        "job": 7,
        "business": "1",
        "time": "2026-11-21T09:31:10.051618Z",
        "stream": "stdout",
        "text": "one",
    }


def test_the_supervisors_log(tmp_path: Path) -> None:
    """Instead of the job's."""
    job = logged(tmp_path, 7, "of the job\n")
    job.control.supervisor_log.write_text("of the supervisor\n")
    shown = Shown()
    shown.viewer.supervisor = True
    show_jobs(shown.viewer, [job], follow=False)
    assert shown.text == "of the supervisor\n"


def test_following_ends_with_the_jobs(tmp_path: Path) -> None:
    """What comes while nobody looks is shown, to the last byte."""
    first, second = logged(tmp_path, 7, "a\n"), logged(tmp_path, 8, "b\n")
    turns = 0

    def pause(_: float) -> None:
        nonlocal turns
        turns += 1
        job = (first, second)[turns - 1]
        with job.control.trace_log.open("a") as file:
            file.write(f"end of {job.job}")
        end(job.control)

    shown = Shown(named=True)
    show_jobs(shown.viewer, [first, second], follow=True, pause=pause)
    assert turns == 2
    assert shown.text == "7 | a\n8 | b\n7 | end of 7\n8 | end of 8\n"


def test_all_running_jobs(tmp_path: Path) -> None:
    """Jobs that come later are taken in; each goes with its last line; it ends with Ctrl-C only."""
    first, second = logged(tmp_path, 7, "a\n"), logged(tmp_path, 8, "b")
    coming = [[first], [first, second], [second], []]

    def unfinished() -> list[LoggedJob]:
        jobs = coming.pop(0)
        for job in (first, second):
            if job not in jobs and len(coming) < 2:
                end(job.control)
        return jobs

    def pause(_: float) -> None:
        if not coming:
            raise KeyboardInterrupt

    shown = Shown(named=True)
    with pytest.raises(KeyboardInterrupt):
        show_running(shown.viewer, unfinished, follow=True, pause=pause)
    assert shown.text == "7 | a\n8 | b\n"


def test_finding_jobs(tmp_path: Path) -> None:
    """By id, running or acknowledged; by business where the id is not unique; never by half."""
    make_job(tmp_path, 17)
    make_job(tmp_path, 17, business="2")
    make_job(tmp_path, 18)
    mark_done(Business(tmp_path, "1"), 18)
    found = find_job(config(tmp_path), {}, "18")
    assert (found.job, found.business) == (18, "1")
    assert find_job(config(tmp_path), {}, "2/17").business == "2"
    with pytest.raises(UsageError, match="say which: 1/17, 2/17"):
        find_job(config(tmp_path), {}, "17")
    for name in ("19", "3/17", "x", "", "1/", "../17"):
        with pytest.raises(UsageError, match="no job"):
            find_job(config(tmp_path), {}, name)


def test_unfinished_jobs(tmp_path: Path) -> None:
    """Those that have ended and wait for GitLab are not among them."""
    make_job(tmp_path, 17)
    end(make_job(tmp_path, 18))
    assert [one.job for one in unfinished_jobs(config(tmp_path), {})] == [17]
