"""Rules of the small parts around the main loop: mailbox, calls, service notification, survival, summary."""

from __future__ import annotations

import select
import socket
import threading
from pathlib import Path

import pytest

from pyrunner.config.model import RunnerConfig
from pyrunner.manager import survival
from pyrunner.manager.calls import Calls
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.notify import ServiceNotifier
from pyrunner.manager.summary import summary_of
from pyrunner.manager.survival import why_jobs_would_die
from pyrunner.protocol.job import Job, JobVariable


def wait(mailbox: Mailbox) -> None:
    poll = select.poll()
    poll.register(mailbox, select.POLLIN)
    assert poll.poll(10_000), "nothing was posted"
    mailbox.deliver()


def test_mailbox_wakes_the_loop_and_keeps_the_order() -> None:
    """What threads post is called in the main loop, in order; a posting after the end is harmless."""
    mailbox = Mailbox()
    came: list[int] = []
    for number in range(3):
        mailbox.post(lambda number=number: came.append(number))  # type: ignore[misc]
    wait(mailbox)
    assert came == [0, 1, 2]
    mailbox.close()
    mailbox.post(lambda: None)


def test_one_bug_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """A result that cannot be handled is logged, and the next is handled."""
    mailbox = Mailbox()
    came: list[str] = []
    mailbox.post(lambda: came[1:2].index("no"))  # type: ignore[arg-type]
    mailbox.post(lambda: came.append("next"))
    wait(mailbox)
    mailbox.close()
    assert came == ["next"]
    assert "could not be handled" in caplog.text


def test_calls_are_bounded_and_all_are_made() -> None:
    """At most so many calls run at a time; results and failures come back to the main loop."""
    mailbox = Mailbox()
    calls = Calls(mailbox, "test", 2)
    gate = threading.Event()
    running = threading.Semaphore(2)
    results: list[object] = []

    def work(number: int) -> int:
        assert running.acquire(blocking=False), "too many at once"
        try:
            gate.wait(10)
            return 10 // number
        finally:
            running.release()

    for number in (1, 2, 5, 0):
        calls.submit(lambda number=number: work(number), results.append, results.append)  # type: ignore[misc]
    assert calls.running == 2
    gate.set()
    while not calls.idle:
        wait(mailbox)
    mailbox.close()
    assert sorted(one for one in results if isinstance(one, int)) == [2, 5, 10]
    assert [type(one) for one in results if not isinstance(one, int)] == [ZeroDivisionError]


def test_notifier_tells_systemd(tmp_path: Path) -> None:
    """READY, STOPPING and the watchdog at half its interval go to NOTIFY_SOCKET."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        notifier = ServiceNotifier({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "10000000"})
        notifier.ready()
        assert notifier.step(100.0) == 105.0
        assert notifier.step(103.0) == 105.0
        notifier.stopping()
        assert [server.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_notifier_without_systemd_is_silent() -> None:
    """Without a socket, or with nobody behind it, nothing happens."""
    ServiceNotifier({}).ready()
    ServiceNotifier({"NOTIFY_SOCKET": "/nonexistent/socket"}).ready()


@pytest.mark.parametrize(
    ("system", "mode", "stays"),
    [
        ("running", "process", True),
        ("degraded", "none", True),
        ("running", "control-group", False),
        ("running", "mixed", False),
        ("stopping", "process", False),
    ],
)
def test_jobs_stay_only_where_they_can_live(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, mode: str, stays: bool
) -> None:
    """A system that stops, or a unit whose processes all end, takes the jobs along (R7)."""
    monkeypatch.setattr(survival, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(survival, "_own_unit", lambda: survival.OwnUnit("gitlab-runner.service", False))

    def run(command: list[str]) -> str:
        return system if "is-system-running" in command else mode

    assert (why_jobs_would_die({"INVOCATION_ID": "x"}, run) == "") is stays


def test_units_of_users_are_asked_of_their_own_systemd(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The machine's systemd knows nothing of a user's unit, and would answer with its default."""
    monkeypatch.setattr(survival, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(survival, "_own_unit", lambda: survival.OwnUnit("pyrunner.service", True))

    def run(command: list[str]) -> str:
        if "--user" not in command:
            return "control-group"
        return "running" if "is-system-running" in command else "process"

    assert why_jobs_would_die({"INVOCATION_ID": "x"}, run) == ""


def test_systemd_in_a_container_outlives_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container whose init is systemd goes on when a service of it ends, and so do jobs."""
    monkeypatch.setattr(survival, "_SYSTEMD", tmp_path)
    monkeypatch.setattr("os.getppid", lambda: 1)
    environ = {"container": "docker"}
    assert why_jobs_would_die(environ, lambda _: "running") == ""
    monkeypatch.setattr(survival, "_SYSTEMD", tmp_path / "none")
    assert "container" in why_jobs_would_die(environ, lambda _: "")


def test_init_of_a_container_takes_the_jobs_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager that is its container's init, or the init's only child, cannot leave jobs behind."""
    monkeypatch.setattr("os.getpid", lambda: 1)
    assert "container" in why_jobs_would_die({})
    monkeypatch.setattr("os.getpid", lambda: 7)
    monkeypatch.setattr("os.getppid", lambda: 1)
    assert "container" in why_jobs_would_die({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


@pytest.mark.parametrize(
    ("variables", "environment", "disabled", "expected"),
    [
        ({"CI_DEBUG_TRACE": "true"}, [], False, True),
        ({"CI_DEBUG_TRACE": "true"}, [], True, False),
        ({"CI_DEBUG_SERVICES": "1"}, [], True, True),
        ({}, ["CI_DEBUG_TRACE=true"], False, True),
        ({"CI_DEBUG_TRACE": "false"}, ["CI_DEBUG_TRACE=true"], False, False),
        ({"CI_DEBUG_TRACE": "maybe"}, [], False, False),
    ],
)
def test_debug_trace(
    variables: dict[str, str], environment: list[str], disabled: bool, expected: bool
) -> None:
    """The coordinator is told of logs that may hold secrets (runner-api.md 1.9)."""
    job = Job(id=1, token="t", variables=[JobVariable(key, value) for key, value in variables.items()])
    config = RunnerConfig(environment=environment, debug_trace_disabled=disabled)
    assert summary_of(job, config, 0.0).debug_trace is expected
