"""Interactive terminals of shell jobs, opened as Workhorse does (runner-api.md 9.1)."""

from __future__ import annotations

import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import InvalidStatus

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.jobdir.index import done_jobs
from pyrunner.jobdir.layout import Business
from tests.support.runner import RunnerProcess
from tests.support.terminals import Terminal, enable_sessions, trusting

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def make_runner(coordinator: EmbeddedCoordinator, folder: Path, **session: Any) -> RunnerProcess:
    return enable_sessions(RunnerProcess(folder, coordinator.url, coordinator.add_runner()), **session)


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[RunnerProcess]:
    with make_runner(coordinator, tmp_path) as process:
        yield process


class Gate:
    """A job that goes on when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gate"

    @property
    def script(self) -> str:
        return f"echo begun; while [ ! -e {self.path} ]; do sleep 0.05; done"

    def open(self) -> None:
        self.path.touch()


def begin(coordinator: EmbeddedCoordinator, gate: Gate, **arguments: Any) -> int:
    """Queue a job and wait until its script runs."""
    job_id = coordinator.enqueue(script=[gate.script, "echo passed"], **arguments)
    coordinator.wait_for_trace(job_id, b"begun")
    return job_id


def status_of(request: urllib.request.Request, context: ssl.SSLContext) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def shells(runner: RunnerProcess) -> list[psutil.Process]:
    return [one for one in runner.leftovers() if one.terminal() is not None]


def test_a_terminal_is_where_the_job_is(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """It has the job's variables, folder and shell; the job ends as if nothing had been."""
    gate = Gate(tmp_path)
    variables = [{"key": "COLOUR", "value": "it's  blue", "public": True}]
    job_id = begin(coordinator, gate, variables=variables)
    with Terminal.open(coordinator.terminal(job_id)) as terminal:
        assert terminal.connection.subprotocol == "terminal.gitlab.com"
        terminal.type('echo "<$COLOUR>"; [ "$PWD" = "$CI_PROJECT_DIR" ] && echo in-$((1+1)); tty\n')
        terminal.await_text("<it's  blue>")
        terminal.await_text("in-2")
        terminal.await_text("/dev/pts/")
        terminal.type('echo "$((40+2)) $0 $CI_JOB_ID."\n')
        terminal.await_text(f"42 bash {job_id}\\.")
        terminal.type("exit\n")
        terminal.await_end()
    gate.open()
    coordinator.wait_for(job_id, "success")
    assert b"Terminal is connected" not in coordinator.trace(job_id)
    assert coordinator.violations == []


def test_signals_size_and_job_control_work(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """It is a real terminal: Ctrl-C interrupts, jobs can be stopped, the size can be told and seen."""
    gate = Gate(tmp_path)
    job_id = begin(coordinator, gate)
    with Terminal.open(coordinator.terminal(job_id)) as terminal:
        terminal.type("stty size\n")
        terminal.await_text("24 80")
        terminal.type("stty rows 50 cols 132; stty size\n")
        terminal.await_text("50 132")
        terminal.type("sleep 1000\n")
        terminal.await_text("sleep 1000")
        runner.until(lambda: any("1000" in one.cmdline() for one in shells(runner)), "it sleeps")
        terminal.type("\x03")
        terminal.type("echo interrupted-$?\n")
        terminal.await_text("interrupted-130")
    gate.open()
    coordinator.wait_for(job_id, "success")


def test_base64_and_much_output(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """The other subprotocol carries the same bytes, also many of them."""
    gate = Gate(tmp_path)
    job_id = begin(coordinator, gate)
    channel = coordinator.terminal(job_id)
    with Terminal.open(channel, subprotocols=["base64.terminal.gitlab.com"]) as terminal:
        terminal.type("PS1=; echo g''o; seq 1 200000; echo do''ne\n")
        terminal.read_to(b"go\r\n")
        same = terminal.read_to(b"done").split() == [b"%d" % one for one in range(1, 200001)]
        assert same
    gate.open()
    coordinator.wait_for(job_id, "success")


def test_who_may_not(coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path) -> None:
    """Unknown sessions, wrong tokens, plain requests, services, and a second terminal are refused."""
    gate = Gate(tmp_path)
    job_id = begin(coordinator, gate)
    channel = coordinator.terminal(job_id)
    context = trusting(channel["ca_pem"])
    base = channel["url"].replace("wss://", "https://").removesuffix("/exec")
    good = channel["headers"]

    def status(url: str, headers: dict[str, str], method: str = "GET") -> int:
        return status_of(urllib.request.Request(url, headers=headers, method=method), context)[0]

    other = base[:-1] + ("0" if base[-1] != "0" else "1")
    assert status(other + "/exec", good) == 404
    assert status(base, good) == 404
    assert status(base + "/elsewhere", good) == 404
    assert status(base + "/exec", {}) == 401
    assert status(base + "/exec", {"Authorization": "Bearer " + good["Authorization"]}) == 401
    assert status(base + "/proxy/postgres/5432/", good) == 404
    assert status(base + "/proxy/postgres/5432/", {}) == 401
    assert status(base + "/exec", good) == 405
    assert status(base + "/exec", good, "POST") == 405
    with pytest.raises(InvalidStatus) as refused:
        Terminal.open(channel, headers={"Authorization": "wrong"})
    assert refused.value.response.status_code == 401
    with Terminal.open(channel):
        with pytest.raises(InvalidStatus) as refused:
            Terminal.open(channel)
        assert refused.value.response.status_code == 423
    runner.until(lambda: not shells(runner), "the first has gone")
    with Terminal.open(channel) as terminal:
        terminal.type("echo aga''in\n")
        terminal.await_text("again")
    gate.open()
    coordinator.wait_for(job_id, "success")
    with pytest.raises(InvalidStatus) as refused:
        Terminal.open(channel)
    assert refused.value.response.status_code == 404


def test_an_open_terminal_keeps_the_job(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """An ended job waits until its terminal is closed, and says so; its supervisor may be killed then."""
    gate = Gate(tmp_path)
    job_id = begin(coordinator, gate)
    with Terminal.open(coordinator.terminal(job_id)) as terminal:
        gate.open()
        coordinator.wait_for_trace(job_id, b"Terminal is connected, will time out in 30m0s...")
        runner.supervisor(job_id).kill()
        terminal.type("echo still-$((1+1))\n")
        terminal.await_text("still-2")
        assert coordinator.job(job_id).state == "running"
    coordinator.wait_for(job_id, "success")
    trace = coordinator.trace(job_id)
    assert trace.count(b"Terminal is connected") == 1
    assert trace.count(b"Terminal disconnected") == 1
    assert coordinator.violations == []


def test_a_terminal_has_its_time(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """After ``session_timeout`` the terminal is closed and the job ends; nothing of the shell is left."""
    gate = Gate(tmp_path)
    with make_runner(coordinator, tmp_path, session_timeout=1) as runner:
        job_id = begin(coordinator, gate)
        with Terminal.open(coordinator.terminal(job_id)) as terminal:
            terminal.type("echo he''re\n")
            terminal.await_text("here")
            gate.open()
            terminal.await_end()
        coordinator.wait_for(job_id, "success")
        trace = coordinator.trace(job_id)
        assert b"Terminal is connected, will time out in 1s..." in trace
        assert b"terminal session timed out (maximum time allowed - 1s)" in trace
        runner.until(lambda: not shells(runner), "no shell is left")


@pytest.mark.parametrize("graceful", [True, False])
def test_a_canceled_job_takes_its_terminal_with_it(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path, graceful: bool
) -> None:
    """Cancel ends the terminal and what was started in it, at once: no grace time is waited out for it."""
    gate = Gate(tmp_path)
    script = f"echo begun; trap 'exit 1' TERM; while [ ! -e {gate.path} ]; do sleep 0.05; echo .; done"
    job_id = coordinator.enqueue(script=[script])
    coordinator.wait_for_trace(job_id, b"begun")
    with Terminal.open(coordinator.terminal(job_id)) as terminal:
        terminal.type("setsid sleep 1000 & echo star''ted\n")
        terminal.await_text("started")
        coordinator.cancel(job_id, graceful)
        terminal.await_end()
    coordinator.wait_for(job_id, "canceled")
    runner.until(lambda: not any("1000" in one.cmdline() for one in runner.leftovers()), "all has ended")


def test_a_terminal_of_a_job_that_outlived_its_manager(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """The coordinator goes on with the session it knows: same path, token and certificate."""
    gate = Gate(tmp_path)
    job_id = begin(coordinator, gate)
    channel = coordinator.terminal(job_id)
    with Terminal.open(channel) as terminal:
        terminal.type("echo he''re\n")
        terminal.await_text("here")
        runner.kill()
        runner.until(lambda: not shells(runner), "the shell has gone with the manager")
    runner.start()
    runner.until(lambda: "Session server listening" in runner.log.partition("Resuming job")[0], "it is back")
    runner.until(lambda: runner.log.count("Resuming job") > 0, "the job is resumed")
    with Terminal.open(channel) as terminal:
        terminal.type("echo aga''in\n")
        terminal.await_text("again")
    gate.open()
    coordinator.wait_for(job_id, "success")


def test_nothing_secret_stays(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """What opens terminals is for the manager's user alone, and gone with the job."""
    gate = Gate(tmp_path)
    secret = "the-private-value"
    variables = [{"key": "SECRET", "value": secret, "public": False, "masked": True}]
    job_id = begin(coordinator, gate, variables=variables)
    control = runner.control(job_id)
    token = coordinator.terminal(job_id)["headers"]["Authorization"]
    assert stat.S_IMODE(control.terminal.stat().st_mode) == 0o600
    assert secret in control.terminal.read_text()
    assert stat.S_IMODE((runner.folder / ".session_server.pem").stat().st_mode) == 0o600
    gate.open()
    coordinator.wait_for(job_id, "success")
    runner.until(lambda: bool(done_jobs(Business(runner.root, "1"))), "the job is done with")
    for path in [one for one in runner.root.rglob("*") if one.is_file()]:
        content = path.read_bytes()
        assert secret.encode() not in content, path
        assert token.encode() not in content, path
    assert token not in runner.log


def test_addresses_that_cannot_be_used(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """A scheme in the address is fatal at the start, and the words say what to do."""
    with make_runner(coordinator, tmp_path, advertise_address="https://example.com:1") as runner:
        assert runner.wait() == 1
        assert "Failed to create session server" in runner.log
        assert "url not valid, scheme defined" in runner.log


def test_without_the_section_no_session_is_offered(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """GitLab shows a terminal button where a session came with the request: without a server none does."""
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner()) as runner:
        job_id = coordinator.enqueue(script=["true"])
        coordinator.wait_for(job_id, "success")
        assert coordinator.job(job_id).session == {}
        assert "[session_server].listen_address not defined, session endpoints disabled" in runner.log
