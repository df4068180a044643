"""The real commands against a real coordinator: files, calls, output, exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.commands import HEAD, CommandLine, Done, entry, known

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


# verify


def verified(done: Done) -> list[str]:
    """Return what verify said of each runner."""
    return re.findall(r"Verifying runner\.\.\. (.*?) {2,}.*runner_name=(?:.*)", done.err)


def test_verify(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """One line a runner, and nothing in the file changes."""
    coordinator.add_runner("old")
    text = HEAD + entry(coordinator, "a", coordinator.add_runner()) + entry(coordinator, "b", "old")
    command.config.write_text(text)
    done = command.run("verify", CI_SERVER_TOKEN="other", CI_SERVER_URL="http://other")
    assert done.code == 0
    assert verified(done) == ["is valid", "is alive"]
    assert command.config.read_text() == text


def test_verify_finds_a_runner_gone(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """Without --delete a runner that is gone is fatal, and stays in the file."""
    text = HEAD + entry(coordinator, "a", "glrt-gone")
    command.config.write_text(text)
    done = command.run("verify")
    assert done.code == 1
    assert verified(done) == ["is not valid"]
    assert "FATAL: Failed to verify runners" in done.err
    assert command.config.read_text() == text


def test_verify_delete(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """With --delete exactly the entries that are gone leave the file; the rest stays byte for byte."""
    first = entry(coordinator, "a", coordinator.add_runner())
    gone = entry(coordinator, "b", "gone", "  [runners.cache]\n    Type = 's3'\n")
    last = entry(coordinator, "c", coordinator.add_runner(), "  [runners.feature_flags] # ours\n")
    command.config.write_text(HEAD + first + gone + last)
    done = command.run("verify", "--delete")
    assert done.code == 0
    assert verified(done) == ["is valid", "is removed", "is valid"]
    assert f"Updated {command.config}" in done.err
    assert command.config.read_text() == HEAD + first + last


def test_verify_trusts_a_server_that_is_away(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """An unreachable server means that a runner exists: --delete keeps it."""
    text = HEAD + entry(coordinator, "a", coordinator.add_runner())
    command.config.write_text(text)
    coordinator.stop()
    done = command.run("verify", "--delete")
    assert done.code == 0
    assert verified(done) == ["failed"]
    assert command.config.read_text() == text


def test_verify_chooses(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A selector limits the calls; one that fits nothing is fatal."""
    command.config.write_text(
        HEAD + entry(coordinator, "a", coordinator.add_runner()) + entry(coordinator, "b", "gone")
    )
    assert command.run("verify", "--name", "a").code == 0
    done = command.run("verify", "--name", "nix")
    assert done.code == 1
    assert "FATAL: mutate config: no runner matches the filtering parameters" in done.err


# unregister


def test_unregister_by_name(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A glrt- runner: only this machine's manager goes, and the entry with it."""
    token = coordinator.add_runner()
    keep = entry(coordinator, "keep", coordinator.add_runner())
    command.config.write_text(HEAD + entry(coordinator, "drop", token) + keep)
    command.run("verify")
    done = command.run("unregister", "--name", "drop")
    assert done.code == 0
    assert "Unregistering runner manager from GitLab succeeded" in done.err
    assert f"Updated {command.config}" in done.err
    assert command.config.read_text() == HEAD + keep
    assert coordinator.runner(token).managers == {}


def test_unregister_by_token(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """Another runner goes for all its managers; the token may come from the environment."""
    coordinator.add_runner("old")
    command.config.write_text(HEAD + entry(coordinator, "drop", "old"))
    done = command.run("unregister", CI_SERVER_TOKEN="old", CI_SERVER_URL="http://not.used")
    assert done.code == 0
    assert "Unregistering runner from GitLab succeeded" in done.err
    assert command.config.read_text() == HEAD
    assert known(coordinator) == []


def test_unregister_all(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """--all-runners drops what could be unregistered, keeps the rest, and succeeds."""
    coordinator.add_runner("old")
    kept = entry(coordinator, "kept", "unknown")
    command.config.write_text(HEAD + entry(coordinator, "one", "old") + kept)
    done = command.run("unregister", "--all-runners")
    assert done.code == 0
    assert "WARNING: Unregistering all runners" in done.err
    assert "ERROR: Failed to unregister runners" in done.err
    assert 'error=failed to unregister runner "kept"' in done.err
    assert command.config.read_text() == HEAD + kept


def test_unregister_refused(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """What the coordinator does not let go of stays in the file."""
    text = HEAD + entry(coordinator, "a", "unknown")
    command.config.write_text(text)
    for flags in (("--name", "a"), ("--name", "nix"), ()):
        done = command.run("unregister", *flags)
        assert done.code == 1
        assert "FATAL: failed to unregister runner" in done.err
    assert command.config.read_text() == text


# reset-token


def test_reset_token(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """The new token stands where the old one stood; nothing else moves but its two times."""
    token = coordinator.add_runner()
    other = entry(coordinator, "other", coordinator.add_runner())
    before = HEAD + entry(coordinator, "mine", token) + other
    command.config.write_text(before)
    done = command.run("reset-token", "--name", "mine")
    assert done.code == 0
    assert "Resetting runner authentication token... succeeded" in done.err
    assert re.search(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d Updated$", done.err, re.MULTILINE)
    new = command.runners()[0]["token"]
    assert new != token
    assert coordinator.runner(new)
    assert new not in done.err
    times = re.compile(r"^ *token_(obtained|expires)_at = .*\n", re.MULTILINE)
    assert times.sub("", command.config.read_text()) == before.replace(token, new)


def test_reset_token_with_a_personal_access_token(
    coordinator: EmbeddedCoordinator, command: CommandLine
) -> None:
    """--pat resets by URL and id, also when the old token is no longer good."""
    record = coordinator.runner(coordinator.add_runner())
    command.config.write_text(HEAD + entry(coordinator, "a", "glrt-lost", f"  id = {record.id}\n"))
    chosen = ("--url", coordinator.url, "--id", str(record.id))
    assert command.run("reset-token", *chosen).code == 1
    assert command.run("reset-token", *chosen, "--pat", coordinator.personal_access_token).code == 0
    assert command.runners()[0]["token"] == record.token


def test_reset_token_of_all(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """--all-runners goes on after a failure; two entries of one runner get the same new token."""
    shared = coordinator.add_runner()
    text = (
        entry(coordinator, "a", shared) + entry(coordinator, "b", "unknown") + entry(coordinator, "c", shared)
    )
    command.config.write_text(HEAD + text)
    done = command.run("reset-token", "--all-runners")
    assert done.code == 0
    assert "ERROR: Failed to reset runner authentication token" in done.err
    a, b, c = (one["token"] for one in command.runners())
    assert a == c != shared
    assert b == "unknown"
    assert coordinator.runner(a)


def test_reset_token_fails(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A single failure and an unknown runner are fatal; the file stays."""
    text = HEAD + entry(coordinator, "a", "unknown")
    command.config.write_text(text)
    done = command.run("reset-token", "--name", "a")
    assert (done.code, "FATAL: Failed to reset runner authentication token" in done.err) == (1, True)
    done = command.run("reset-token", "--name", "nix")
    assert (done.code, "FATAL: Couldn't get runner credentials" in done.err) == (1, True)
    assert command.config.read_text() == text


# list


def test_list(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """list shows every runner on standard error, asks nobody, and imports no HTTP client."""
    command.config.write_text(HEAD + entry(coordinator, "a", "glrt-x"))
    done = command.run("list", PYTHONPROFILEIMPORTTIME="1")
    assert (done.code, done.out) == (0, "")
    assert f"Executor=shell Token=glrt-x URL={coordinator.url}" in done.err
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines() if "import time:" in line}
    assert "tomllib" in imported
    assert not imported & {"requests", "urllib3", "docker", "psutil", "starlette"}
    assert coordinator.requests == []


def test_list_without_a_file(command: CommandLine) -> None:
    """A missing file is an empty one."""
    done = command.run("list")
    assert done.code == 0
    assert "Listing configured runners" in done.err
    assert not command.config.exists()
