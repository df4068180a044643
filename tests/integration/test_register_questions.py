"""The questions of register, on a pipe and on a terminal (config-and-commands.md 2.3)."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.commands import CommandLine, known, plain

pytestmark = pytest.mark.integration


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """A home folder of its own, without a config.toml."""
    return CommandLine(tmp_path)


@pytest.fixture(autouse=True)
def _honest(coordinator: EmbeddedCoordinator) -> Iterator[None]:
    """Whatever a test does, no command breaks the API's rules."""
    yield
    assert coordinator.violations == []


def test_register_asks(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """The questions of a legacy registration, in order, on standard error."""
    answers = f"{coordinator.url}\n{coordinator.registration_token}\nmine\na, b\n\nnix\ndocker\n\nalpine\n"
    done = command.run("register", answers=answers)
    assert (done.code, done.out) == (0, "")
    asked = re.findall(r"Enter [^\n]*", done.err)
    host = os.uname().nodename
    assert asked == [
        "Enter the GitLab instance URL (for example, https://gitlab.com/):",
        "Enter the registration token:",
        "Enter a description for the runner:",
        "Enter tags for the runner (comma-separated):",
        "Enter optional maintenance note for the runner:",
        "Enter an executor: custom, docker, shell, ssh:",
        "Enter an executor: custom, docker, shell, ssh:",
        "Enter the default Docker image (for example, ruby:3.3):",
        "Enter the default Docker image (for example, ruby:3.3):",
    ]
    assert f"[{host}]: " in done.err
    assert "ERROR: Invalid executor specified" in done.err
    [runner] = command.runners()
    assert (runner["name"], runner["docker"]["image"]) == ("mine", "alpine")
    assert known(coordinator)[0].registration["tag_list"] == "a, b"


def test_register_asks_less_with_an_authentication_token(
    coordinator: EmbeddedCoordinator, command: CommandLine
) -> None:
    """A glrt- token that is typed: no tags, no note, and the name after the call."""
    done = command.run("register", answers=f"{coordinator.url}\n{coordinator.add_runner()}\n\nshell\n")
    assert done.code == 0
    assert done.err.index("Verifying runner... is valid") < done.err.index("Enter a name for the runner.")
    assert "Enter tags" not in done.err
    assert command.runners()[0]["name"] == os.uname().nodename


def test_register_at_the_end_of_the_input(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """Input that ends while it asks is a PANIC line, and what was begun is undone."""
    token = coordinator.add_runner()
    done = command.run("register", answers=f"{coordinator.url}\n{token}\n")
    assert done.code == 1
    assert "PANIC: Unexpected EOF. Did you mean to use --non-interactive?" in done.err
    assert coordinator.runner(token).managers == {}


@contextmanager
def on_terminal(command: CommandLine, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a command on a terminal of its own; yields the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command.argv(*arguments),
        env=command.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, text: bytes) -> bytes:
    """Return what appears on a terminal up to ``text``."""
    seen = b""
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, f"{text!r} did not come, only {seen!r}"
        try:
            data = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            data = b""
        assert data, f"the command ended before {text!r}: {seen!r}"
        seen += data
    return seen


def test_register_on_a_terminal(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A person answers question by question."""
    token = coordinator.add_runner()
    with on_terminal(command, "register") as (process, terminal):
        for question, answer in (
            (b"instance URL", coordinator.url),
            (b"registration token:", token),
            (b"]: ", "desk"),
            (b"Enter an executor:", "shell"),
        ):
            read_until(terminal, question)
            os.write(terminal, f"{answer}\n".encode())
        read_until(terminal, b"was saved in")
        assert process.wait(60) == 0
    assert command.runners()[0]["name"] == "desk"


def test_register_interrupted(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """Ctrl-C after the call takes the runner back and ends with code 1."""
    flags = ("-u", coordinator.url, "-r", coordinator.registration_token, "--name", "n")
    with on_terminal(command, "register", *flags) as (process, terminal):
        for question in (b"instance URL", b"registration token:", b"description", b"tags", b"note"):
            read_until(terminal, question)
            os.write(terminal, b"\n")
        read_until(terminal, b"Enter an executor:")
        assert len(known(coordinator)) == 1
        process.send_signal(signal.SIGINT)
        output = plain(read_until(terminal, b"RECEIVED SIGNAL"))
        assert "Unregistering runner from GitLab succeeded" in output
        assert "FATAL: RECEIVED SIGNAL" in output
        assert process.wait(60) == 1
    assert known(coordinator) == []
    assert not command.config.exists()
