"""The real commands against a real coordinator: files, calls, output, exit codes."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.records import RunnerRecord
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.commands import CommandLine, Done, plain

pytestmark = pytest.mark.integration

HEAD = """# Runners of the lab; ask Ada before you change anything.
concurrent   =   4  # machines: 2
my_own_key = "kept"

[session_server]
session_timeout=1800

"""


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """A home folder of its own, without a config.toml."""
    return CommandLine(tmp_path)


@pytest.fixture(autouse=True)
def _honest(coordinator: EmbeddedCoordinator) -> Iterator[None]:
    """Whatever a test does, no command breaks the API's rules."""
    yield
    assert coordinator.violations == []


def entry(coordinator: EmbeddedCoordinator, name: str, token: str, extra: str = "") -> str:
    """Return an entry as a person writes it."""
    return (
        f"# the runner called {name}\n[[runners]]\n"
        f'  executor = "shell"   # no docker here\n  name = "{name}"\n'
        f'  url = "{coordinator.url}"\n  token = "{token}" # secret\n{extra}\n'
    )


def runners(command: CommandLine) -> list[dict[str, Any]]:
    """Return the entries of the file."""
    return list(tomllib.loads(command.config.read_text()).get("runners", []))


def known(coordinator: EmbeddedCoordinator) -> list[RunnerRecord]:
    """Return the runners the coordinator knows."""
    with coordinator.store.changed:
        return list(coordinator.store.runners.values())


def system_id(command: CommandLine) -> str:
    """Return this machine's id as it is stored."""
    return (command.home / ".runner_system_id").read_text()


# register


def test_register_with_an_authentication_token(
    coordinator: EmbeddedCoordinator, command: CommandLine
) -> None:
    """A glrt- token is verified, this machine becomes a manager of the runner, and the entry is written."""
    token = coordinator.add_runner()
    flags = ("--url", coordinator.url, "-token", token, "--name=box", "--executor", "shell")
    done = command.run("register", "--non-interactive", *flags, "--env", "A=b", "-env=C=d", "--limit", "9")
    assert (done.code, done.out) == (0, "")
    assert "Verifying runner... is valid" in done.err
    assert "Runner registered successfully." in done.err
    assert f'was saved in "{command.config}"' in done.err
    assert "job concurrency limit (9) is larger than current global concurrency limit (1)" in done.err
    [runner] = runners(command)
    record = coordinator.runner(token)
    assert (runner["name"], runner["url"], runner["token"]) == ("box", coordinator.url, token)
    assert (runner["id"], runner["limit"], runner["environment"]) == (record.id, 9, ["A=b", "C=d"])
    assert runner["cache"]["s3"] == {"AssumeRoleMaxConcurrency": 0}
    assert "docker" not in runner
    assert list(record.managers) == [system_id(command)]
    assert record.managers[system_id(command)].has("cancel_gracefully")
    assert command.config.stat().st_mode & 0o777 == 0o600


def test_register_keeps_the_file(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """What was in the file stays byte for byte; the entry follows it."""
    before = HEAD + entry(coordinator, "old", coordinator.add_runner())
    command.config.write_text(before)
    command.config.chmod(0o640)
    flags = ("-u", coordinator.url, "-t", coordinator.add_runner(), "--executor", "shell")
    assert command.run("register", "-n", *flags).code == 0
    after = command.config.read_text()
    assert after.startswith(before)
    assert [one["name"] for one in runners(command)] == ["old", os.uname().nodename]
    assert command.config.stat().st_mode & 0o777 == 0o640


def test_register_from_the_environment(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """Variables stand in for flags; flags win; the surroundings of the shell land in the file."""
    done = command.run(
        "register",
        "--docker-image=ruby:3.3",
        "--docker-volumes",
        "/b",
        REGISTER_NON_INTERACTIVE="true",
        CI_SERVER_URL=coordinator.url,
        CI_SERVER_TOKEN=coordinator.add_runner(),
        RUNNER_EXECUTOR="docker",
        RUNNER_NAME="from the environment",
        DOCKER_IMAGE="alpine",
        DOCKER_VOLUMES="/a,/x",
        DOCKER_HOST="tcp://engine:2375",
        DOCKER_PRIVILEGED="",
    )
    assert done.code == 0
    [runner] = runners(command)
    docker = runner["docker"]
    assert (runner["name"], docker["image"]) == ("from the environment", "ruby:3.3")
    assert docker["volumes"] == ["/a,/x", "/b", "/cache"]
    assert (docker["host"], docker["privileged"]) == ("tcp://engine:2375", True)


def test_register_with_a_registration_token(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """Legacy: a new runner is made from the flags, and its token goes into the file."""
    flags = ("-u", coordinator.url, "-r", coordinator.registration_token, "--executor", "shell")
    labels = ("--description", "legacy", "--tag-list", "a,b", "--locked=false", "--paused")
    more = ("--maximum-timeout", "600", "--access-level", "ref_protected", "--maintenance-note", "note")
    done = command.run("register", "-n", *flags, *labels, *more)
    assert done.code == 0
    assert "Registering runner... succeeded" in done.err
    assert (
        "registration tokens and runner parameters in the 'register' command has been deprecated" in done.err
    )
    [record] = known(coordinator)
    [runner] = runners(command)
    assert (runner["name"], runner["token"], runner["id"]) == ("legacy", record.token, record.id)
    sent = {key: value for key, value in record.registration.items() if key != "info"}
    assert sent == {
        "description": "legacy",
        "tag_list": "a,b",
        "locked": False,
        "paused": True,
        "run_untagged": False,
        "maximum_timeout": 600,
        "access_level": "ref_protected",
        "maintenance_note": "note",
    }


def test_register_authentication_token_in_the_legacy_flag(
    coordinator: EmbeddedCoordinator, command: CommandLine
) -> None:
    """A glrt- token in -r works, and flags that belong to the server are ignored with one warning."""
    flags = ("-u", coordinator.url, "-r", coordinator.add_runner(), "--executor", "shell", "--tag-list", "a")
    done = command.run("register", "-n", *flags)
    assert done.code == 0
    assert done.err.count("You have specified an authentication token in the legacy parameter") == 1
    assert len(runners(command)) == 1


@pytest.mark.parametrize("flag", ["--tag-list=a", "--locked=false", "--paused", "--run-untagged"])
def test_register_refuses_flags_of_the_server(
    coordinator: EmbeddedCoordinator, command: CommandLine, flag: str
) -> None:
    """With a glrt- token in --token they are fatal, before anything is asked of the coordinator."""
    flags = ("-u", coordinator.url, "-t", coordinator.add_runner(), "--executor", "shell", flag)
    done = command.run("register", "-n", *flags)
    assert done.code == 1
    assert "FATAL: Runner configuration other than name and executor configuration is reserved" in done.err
    assert coordinator.requests == []
    assert not command.config.exists()


def test_register_an_existing_runner_of_the_old_kind(
    coordinator: EmbeddedCoordinator, command: CommandLine
) -> None:
    """Another token in --token is an existing runner's: it is verified, and its id stays 0."""
    coordinator.add_runner("oldtoken")
    flags = ("-u", coordinator.url, "-t", "oldtoken", "--executor", "shell", "--name", "n")
    done = command.run("register", "-n", *flags)
    assert done.code == 0
    assert "Token specified trying to verify runner..." in done.err
    assert "WARNING: If you want to register use the '-r' instead of '-t'." in done.err
    assert runners(command)[0]["id"] == 0


def test_register_twice(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """The same glrt- token again: a warning, and a second entry."""
    flags = ("-n", "-u", coordinator.url, "-t", coordinator.add_runner(), "--executor", "shell")
    command.run("register", *flags)
    done = command.run("register", *flags)
    assert "A runner with this system ID and token has already been registered." in done.err
    assert len(runners(command)) == 2


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("glrt-unknown", "PANIC: Failed to verify the runner."),
        ("unknown", "PANIC: Failed to verify the runner. You may be having network problems."),
    ],
)
def test_register_with_an_unknown_token(
    coordinator: EmbeddedCoordinator, command: CommandLine, token: str, message: str
) -> None:
    """A token the coordinator does not know ends in a PANIC line, and no file is written."""
    done = command.run("register", "-n", "-u", coordinator.url, "-t", token, "--executor", "shell")
    assert done.code == 1
    assert message in done.err
    assert not command.config.exists()


def test_register_with_an_unknown_registration_token(
    coordinator: EmbeddedCoordinator, command: CommandLine
) -> None:
    """The same for a registration token."""
    done = command.run("register", "-n", "-u", coordinator.url, "-r", "GR1348941nope", "--executor", "shell")
    assert done.code == 1
    assert "Registering runner... forbidden (check registration token)" in done.err
    assert "PANIC: Failed to register the runner." in done.err


def test_register_needs_the_server(command: CommandLine, coordinator: EmbeddedCoordinator) -> None:
    """An unreachable coordinator is a failure for register."""
    token, url = coordinator.add_runner(), coordinator.url
    coordinator.stop()
    done = command.run("register", "-n", "-u", url, "-t", token, "--executor", "shell")
    assert done.code == 1
    assert "PANIC: Failed to verify the runner." in done.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "PANIC: The url needs to be entered"),
        (("-u", "URL"), "PANIC: The registration-token needs to be entered"),
    ],
)
def test_register_lacks_a_value(command: CommandLine, flags: tuple[str, ...], message: str) -> None:
    """Without questions a missing value is named by its flag."""
    done = command.run("register", "-n", *flags)
    assert done.code == 1
    assert message in done.err


def test_register_undoes_what_it_began(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A registration that fails later leaves neither runner nor manager behind, unless told to."""
    legacy = ("-n", "-u", coordinator.url, "-r", coordinator.registration_token)
    done = command.run("register", *legacy)
    assert done.code == 1
    assert "PANIC: Invalid executor specified" in done.err
    assert "Unregistering runner from GitLab succeeded" in done.err
    assert known(coordinator) == []

    token = coordinator.add_runner()
    done = command.run("register", "-n", "-u", coordinator.url, "-t", token, "--executor=docker")
    assert "PANIC: The docker-image needs to be entered" in done.err
    assert "Unregistering runner manager from GitLab succeeded" in done.err
    assert coordinator.runner(token).managers == {}

    command.run("register", *legacy, "--leave-runner")
    assert len(known(coordinator)) == 2
    assert not command.config.exists()


def test_register_leaves_an_existing_runner_alone(
    coordinator: EmbeddedCoordinator, command: CommandLine
) -> None:
    """A runner whose old-style token was merely verified is never unregistered."""
    coordinator.add_runner("oldtoken")
    done = command.run("register", "-n", "-u", coordinator.url, "-t", "oldtoken")
    assert done.code == 1
    assert [record.token for record in known(coordinator)] == ["oldtoken"]


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
    [runner] = runners(command)
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
    assert runners(command)[0]["name"] == os.uname().nodename


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
    assert runners(command)[0]["name"] == "desk"


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


def test_register_with_a_template(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """The template fills what flags leave empty, keeps unnamed tables, and loses against the name."""
    template = command.home / "template.toml"
    template.write_text(
        "concurrent = 99\n[[runners]]\n"
        'name = "theirs"\ntoken = "theirs"\nlimit = 1\nexecutor = "docker"\n'
        '[runners.docker]\nimage = "theirs"\nprivileged = true\ncpus = "2"\n'
        '[[runners.docker.services]]\nname = "redis"\n[runners.feature_flags]\nFF_X = true\n'
    )
    flags = ("-u", coordinator.url, "-t", coordinator.add_runner(), "--template-config", str(template))
    done = command.run("register", "-n", *flags, "--docker-image", "mine", "--docker-privileged=false")
    assert done.code == 0
    assert f'Merging configuration from template file "{template}"' in done.err
    [runner] = runners(command)
    assert (runner["name"], runner["limit"], runner["executor"]) == (os.uname().nodename, 1, "docker")
    docker = runner["docker"]
    assert (docker["image"], docker["privileged"], docker["cpus"]) == ("mine", True, "2")
    assert docker["services"] == [{"name": "redis"}]
    assert runner["feature_flags"] == {"FF_X": True}
    assert tomllib.loads(command.config.read_text())["concurrent"] == 1


def test_register_with_an_empty_template(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A template without exactly one entry is fatal, before anything is asked of the coordinator."""
    flags = ("-u", coordinator.url, "-t", coordinator.add_runner(), "--executor", "shell")
    done = command.run("register", "-n", *flags, "--template-config", str(command.home / "none.toml"))
    assert done.code == 1
    assert "FATAL: Could not handle configuration merging from template file" in done.err
    assert "error=configuration template must contain exactly one [[runners]] entry" in done.err
    assert coordinator.requests == []


def test_register_takes_flags_of_other_executors(
    coordinator: EmbeddedCoordinator, command: CommandLine
) -> None:
    """Scripts that carry flags of executors pyrunner lacks still work, with a warning."""
    flags = ("-u", coordinator.url, "-t", coordinator.add_runner(), "--executor", "shell")
    done = command.run("register", "-n", *flags, "--kubernetes-image", "x", "--kubernetes-privileged")
    assert done.code == 0
    assert "WARNING: --kubernetes-image has no effect" in done.err


def test_register_script(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """register.py of a plain checkout does the same."""
    flags = ("-n", "-u", coordinator.url, "-t", coordinator.add_runner(), "--executor", "shell")
    assert command.script("register.py", *flags).code == 0
    assert len(runners(command)) == 1


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
    new = runners(command)[0]["token"]
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
    assert runners(command)[0]["token"] == record.token


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
    a, b, c = (one["token"] for one in runners(command))
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
