"""Which sections an entry keeps, and what is asked for an executor (config-and-commands.md 2.3)."""

from __future__ import annotations

import io

import pytest

from pyrunner.cli.executor_choice import EXECUTORS, choose_executor
from pyrunner.cli.failure import CommandPanicked
from pyrunner.cli.questions import Questions
from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.config.tables import CustomExecutor, SSHConfig

QUIET = Questions(io.BytesIO(), io.StringIO(), interactive=False)


def full(executor: str, **docker: object) -> RunnerConfig:
    """Return an entry with a section for every executor."""
    return RunnerConfig.from_dict(
        {
            "executor": executor,
            "docker": {"image": "alpine", **docker},
            "ssh": {"host": "h", "user": "u"},
            "custom": {"run_exec": "/r"},
            "machine": {"IdleCount": 1},
            "referees": {"metrics": {}},
        }
    )


@pytest.mark.parametrize("executor", EXECUTORS)
def test_only_the_own_section_stays(executor: str) -> None:
    """Sections of other executors, and referees, never survive."""
    runner = choose_executor(full(executor), QUIET)
    kept = {name for name in ("docker", "ssh", "custom", "machine", "referees") if getattr(runner, name)}
    assert kept == {executor} - {"shell"}
    assert runner.executor == executor


@pytest.mark.parametrize(
    ("docker", "volumes"),
    [
        ({}, ["/cache"]),
        ({"volumes": ["/a"]}, ["/a", "/cache"]),
        ({"volumes": ["/data:/cache"]}, ["/data:/cache"]),
        ({"volumes": ["/cache:/b"]}, ["/cache:/b", "/cache"]),
        ({"volumes": ["/data:/cache:rw"]}, ["/data:/cache:rw", "/cache"]),
        ({"disable_cache": True}, []),
    ],
)
def test_cache_volume(docker: dict[str, object], volumes: list[str]) -> None:
    """/cache is added unless the last part of a volume is exactly that, or caches are off."""
    runner = choose_executor(full("docker", **docker), QUIET)
    assert runner.docker is not None
    assert runner.docker.volumes == volumes


@pytest.mark.parametrize("executor", ["", "kubernetes", "docker+machine", "Shell"])
def test_wrong_without_questions(executor: str) -> None:
    """Without questions a missing or unknown executor ends the registration."""
    with pytest.raises(CommandPanicked, match="Invalid executor specified"):
        choose_executor(full(executor), QUIET)


def test_wrong_is_asked_again() -> None:
    """With questions it is asked again, and all executors are named."""
    output = io.StringIO()
    questions = Questions(io.BytesIO(b"nix\n\nssh\nhost\n\nroot\n\n/key\n"), output, interactive=True)
    runner = choose_executor(RunnerConfig(), questions)
    assert runner.ssh == SSHConfig(host="host", user="root", identity_file="/key")
    assert output.getvalue().count(f"Enter an executor: {', '.join(EXECUTORS)}:\n") == 3
    assert output.getvalue().splitlines()[3:] == [
        "Enter the SSH server address (for example, my.server.com):",
        "Enter the SSH server port (for example, 22):",
        "Enter the SSH user (for example, root):",
        "Enter the SSH password (for example, docker.io):",
        "Enter the path to the SSH identity file (for example, /home/user/.ssh/id_rsa):",
    ]


def test_docker_image_is_asked_for() -> None:
    """The image is required, with the value so far as its default."""
    output = io.StringIO()
    questions = Questions(io.BytesIO(b"docker\n\n"), output, interactive=True)
    runner = choose_executor(RunnerConfig(docker=DockerConfig(image="ruby:3.3")), questions)
    assert runner.docker is not None
    assert runner.docker.image == "ruby:3.3"
    assert output.getvalue().endswith("Enter the default Docker image (for example, ruby:3.3):\n[ruby:3.3]: ")


def test_custom_keeps_its_section() -> None:
    """The custom executor asks nothing."""
    assert choose_executor(full("custom"), QUIET).custom == CustomExecutor(run_exec="/r")
