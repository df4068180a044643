"""The trace is a pure function of what was recorded."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrunner.errors import DiskFull, JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.trace import lines
from pyrunner.trace.rawlog import ERRORS, SERVICES, STDERR, STDOUT, RawLog
from pyrunner.trace.render import TraceOptions, TraceRenderer
from tests.unit.trace.disk import file_size_limit
from tests.unit.trace.kills import Killed, Step, Walk, kill_at

OPTIONS = TraceOptions([b"hunter2", b"two\nlines"], ["glpat-"], timestamps=True, limit=100_000)
#: A job with all there is: sections, secrets cut by writes, two streams, bytes that are no text.
JOB = [
    Step("message", lines.info("Running with a secret hunter2")),
    Step("message", lines.section_start("step_script", 1000.0)),
    Step("message", lines.section_title("Executing")),
    Step("output", b"one hunt", STDOUT, 1),
    Step("output", b"warning ?private_token=a", STDERR, 1),
    Step("output", b"er2 glpat-abc two\n", STDOUT, 1),
    Step("output", b"bc&x\nbar\r", STDERR, 1),
    Step("output", b"lines \xff \xe2\x94", STDOUT, 1),
    Step("message", lines.section_end("step_script", 1001.0)),
    Step("close_stage", stage=1),
    Step("message", b""),
    Step("close_messages"),
    Step("output", b"service log\n", SERVICES, 2),
    Step("output", b"x" * 9000 + b"hunter", STDOUT, 2),
    Step("close_stage", stage=2),
    Step("message", lines.info("Job succeeded")),
]
#: What may happen to a job, in any order.
FRAGMENTS = [b"hunter2", b"hunt", b"er2", b"\n", b"\r", b"glpat-", b"abc ", b"\xe2\x94", b"x" * 3000]
TEXT = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=5).map(b"".join)
ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["message", "out", "err"]), TEXT),
    st.tuples(st.sampled_from(["close", "close_messages", "render", "rebuild"]), st.just(b"")),
)
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    """A control directory."""
    return ControlDir(tmp_path)


def walk(control: ControlDir, options: TraceOptions) -> Walk:
    """Return the walk through :data:`JOB` in a folder of its own."""
    control.create()
    return Walk(control, JOB, options)


def test_the_whole_trace_of_a_job(control: ControlDir) -> None:
    """Masked, stamped, in the order of the writes; each stage's ends are flushed when it is closed."""
    job = walk(control, OPTIONS)
    job.supervise()
    job.close()
    text = control.trace_log.read_bytes().decode()
    assert [re.sub(r"^1970-01-01T00:(..:..)\.000000Z", r"\1", line) for line in text.split("\n")] == [
        "16:40 00O \x1b[32;1mRunning with a secret [MASKED]\x1b[0;m",
        "16:41 00O section_start:1000:step_script\r\x1b[0K",
        "16:42 00O+\x1b[0K\x1b[36;1mExecuting\x1b[0;m\x1b[0;m",
        "16:44 01E warning ?private_token=[MASKED]&x",
        "16:46 01E bar\r",
        "16:48 00O section_end:1001:step_script\r\x1b[0K",
        "16:43 01O one [MASKED] glpat-[MASKED] [MASKED] \ufffd \ufffd\ufffd",
        "16:52 0fO service log",
        "16:53 01O " + "x" * 9000,
        "16:53 01O+hunter",
        "16:55 00O \x1b[32;1mJob succeeded\x1b[0;m",
        "",
    ]
    assert control.durable_trace_size() == len(control.trace_log.read_bytes())
    assert control.overflow_log.read_bytes() == b""


def test_without_timestamps_bytes_pass_as_they_come(control: ControlDir) -> None:
    """With FF_TIMESTAMPS off there are no headers, and markers share a line with what follows (6.3)."""
    job = walk(control, TraceOptions([b"hunter2"], ["glpat-"], timestamps=False))
    job.supervise()
    job.close()
    assert control.trace_log.read_bytes().startswith(
        b"\x1b[32;1mRunning with a secret [MASKED]\x1b[0;m\nsection_start:1000:step_script\r\x1b[0K"
        b"\x1b[0K\x1b[36;1mExecuting\x1b[0;m\x1b[0;m\none "
    )


@pytest.mark.parametrize("how", ["before", "after", "within"])
@pytest.mark.parametrize("limit", [100_000, 300])
def test_killed_anywhere_the_trace_is_the_same(control: ControlDir, how: str, limit: int) -> None:
    """A kill at any system call changes nothing: same trace, and what was published stays as it was.

    Only the time of output whose record was lost with the writer is that of the file instead.
    """
    options = TraceOptions(OPTIONS.phrases, OPTIONS.token_prefixes, True, limit)
    control.create()
    whole = walk(ControlDir(control.path / "whole"), options)
    whole.supervise()
    whole.close()
    expected = TIME.sub(b"T", whole.control.trace_log.read_bytes())
    place = 0
    happened = True
    while happened:
        place += 1
        job = walk(ControlDir(control.path / f"{place}"), options)
        with pytest.MonkeyPatch.context() as patch:
            killed = kill_at(patch, place, how)
            try:
                job.supervise()
            except Killed:
                assert killed()
            happened = killed()
        published = b""
        if job.control.trace_log.exists():
            published = job.control.trace_log.read_bytes()[: job.control.durable_trace_size()]
        job.supervise()
        job.close()
        trace = job.control.trace_log.read_bytes()
        assert TIME.sub(b"T", trace) == expected, f"killed {how} call {place}"
        assert trace.startswith(published), f"killed {how} call {place}"
        assert job.control.durable_trace_size() == len(trace)
        assert job.control.overflow_log.read_bytes() != b"" or limit == 100_000
    assert place > 60


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.data())
def test_however_often_it_is_rendered(tmp_path: Path, data: st.DataObject) -> None:
    """Rendering after each record, in budgets, at the end or anew from the start makes the same trace."""
    folder = tmp_path / str(len(os.listdir(tmp_path)))
    control = ControlDir(folder)
    control.create()
    steps = data.draw(st.lists(ACTIONS, max_size=20), label="steps")
    options = TraceOptions([b"hunter2"], ["glpat-"], data.draw(st.booleans()), 2000)
    raw = RawLog.open(control)
    renderer = TraceRenderer(control, options)
    reader, writer = os.pipe2(os.O_NONBLOCK)
    for number, (kind, text) in enumerate(steps):
        if kind == "message":
            raw.append_message(text, number)
        elif kind in ("out", "err"):
            os.write(writer, text)
            raw.splice(reader, STDOUT if kind == "out" else STDERR, 1, number)
        elif kind == "close":
            raw.close_stage(1, number)
        elif kind == "close_messages":
            raw.close_messages(number)
        elif kind == "render":
            renderer.advance(data.draw(st.sampled_from([None, 1, 100])))
            renderer.checkpoint()
        else:
            renderer.close()
            renderer = TraceRenderer(control, options)
    raw.finish(100)
    renderer.finish()
    renderer.close()
    os.close(reader)
    os.close(writer)
    raw.close()
    files = (control.trace_log, control.overflow_log)
    first = [file.read_bytes() for file in files]
    for file in (*files, control.trace_size):
        file.unlink(missing_ok=True)
    renderer = TraceRenderer(control, options)
    renderer.finish()
    renderer.close()
    assert [file.read_bytes() for file in files] == first


def test_a_rebuild_does_not_write_what_is_there(control: ControlDir) -> None:
    """A trace that is complete is compared only."""
    job = walk(control, OPTIONS)
    job.supervise()
    job.close()
    before = control.trace_log.stat()
    renderer = TraceRenderer(control, OPTIONS)
    assert renderer.behind
    renderer.finish()
    assert not renderer.behind
    renderer.close()
    assert control.trace_log.stat().st_mtime_ns == before.st_mtime_ns


def test_a_rebuild_does_not_take_back_what_is_published(control: ControlDir) -> None:
    """While a rebuilt trace is shorter than before, the published size stands."""
    job = walk(control, OPTIONS)
    job.supervise()
    job.close()
    published = control.durable_trace_size()
    renderer = TraceRenderer(control, OPTIONS)
    assert renderer.advance(budget=1)
    assert 0 < renderer.size < published
    assert not renderer.unsynced
    renderer.checkpoint()
    assert control.durable_trace_size() == published
    renderer.close()


def test_only_what_is_synced_is_published(control: ControlDir) -> None:
    """Rendered bytes may be shipped after a checkpoint, not before (R6)."""
    raw = RawLog.open(control)
    renderer = TraceRenderer(control, OPTIONS)
    raw.append_message(lines.info("hello"), 1.0)
    assert renderer.behind
    assert not renderer.advance()
    assert renderer.unsynced
    assert control.durable_trace_size() == 0
    renderer.checkpoint()
    assert not renderer.unsynced
    assert control.durable_trace_size() == renderer.size == control.trace_log.stat().st_size
    with pytest.raises(JobDirError, match="not complete"):
        renderer.finish()
    renderer.close()
    raw.close()


def test_a_full_disk_is_survived(control: ControlDir) -> None:
    """Without room rendering stops; with room again the trace is as it would have been."""
    raw = RawLog.open(control)
    for number in range(50):
        raw.append_message(lines.info(f"line {number}"), 1.0)
    raw.finish(2.0)
    renderer = TraceRenderer(control, OPTIONS)
    for _ in range(2):
        with file_size_limit(1000), pytest.raises(DiskFull):
            renderer.advance()
    renderer.finish()
    renderer.close()
    raw.close()
    text = control.trace_log.read_bytes().decode()
    assert [line[32:] for line in text.splitlines()] == [
        lines.info(f"line {number}").decode().rstrip("\n") for number in range(50)
    ]


def test_a_message_longer_than_the_window(control: ControlDir) -> None:
    """A record beyond what is read at once is rendered whole."""
    raw = RawLog.open(control)
    text = b"0123456789abcdef" * 200_000 + b"\n"
    raw.append_message(b"before\n", 1.0)
    raw.append_message(text, 1.0)
    raw.append_message(b"after\n", 1.0)
    raw.finish(1.0)
    renderer = TraceRenderer(control, TraceOptions(timestamps=False, limit=10_000_000))
    renderer.finish()
    renderer.close()
    raw.close()
    assert control.trace_log.read_bytes() == b"before\n" + text + b"after\n"


def test_without_a_raw_log_there_is_nothing_to_render(control: ControlDir) -> None:
    """A renderer does not make the files it reads."""
    with pytest.raises(JobDirError, match=r"raw\.log"):
        TraceRenderer(control, OPTIONS)
    assert not control.trace_log.exists()


def test_messages_on_the_error_stream(control: ControlDir) -> None:
    """Warnings of ours that gitlab-runner writes there are stamped so, and count as messages (6.3)."""
    raw = RawLog.open(control)
    raw.append_message(b"plain\n", 1.0)
    raw.append_message(b"wrong\n", 1.0, ERRORS)
    raw.finish(2.0)
    assert raw.message_count == 2
    raw.close()
    again = RawLog.open(control)
    assert again.message_count == 2
    again.close()
    renderer = TraceRenderer(control, TraceOptions([], [], True, 10_000))
    while renderer.advance(1 << 20):
        pass
    renderer.finish()
    renderer.close()
    lines_of_trace = control.trace_log.read_bytes().decode().splitlines()
    assert [line[28:] for line in lines_of_trace] == ["00O plain", "00E wrong"]
