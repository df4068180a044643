"""The real register command against a real coordinator: calls, file, undoing (config-and-commands.md 2.3)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.commands import HEAD, CommandLine, entry, known

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
    [runner] = command.runners()
    record = coordinator.runner(token)
    assert (runner["name"], runner["url"], runner["token"]) == ("box", coordinator.url, token)
    assert (runner["id"], runner["limit"], runner["environment"]) == (record.id, 9, ["A=b", "C=d"])
    assert runner["cache"]["s3"] == {"AssumeRoleMaxConcurrency": 0}
    assert "docker" not in runner
    assert list(record.managers) == [command.system_id]
    assert record.managers[command.system_id].has("cancel_gracefully")
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
    assert [one["name"] for one in command.runners()] == ["old", os.uname().nodename]
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
    [runner] = command.runners()
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
    [runner] = command.runners()
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
    assert len(command.runners()) == 1


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
    assert command.runners()[0]["id"] == 0


def test_register_twice(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """The same glrt- token again: a warning, and a second entry."""
    flags = ("-n", "-u", coordinator.url, "-t", coordinator.add_runner(), "--executor", "shell")
    command.run("register", *flags)
    done = command.run("register", *flags)
    assert "A runner with this system ID and token has already been registered." in done.err
    assert len(command.runners()) == 2


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
    [runner] = command.runners()
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
    assert len(command.runners()) == 1
