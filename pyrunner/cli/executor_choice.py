"""Which executor a new runner gets, and what has to be known for it (config-and-commands.md 2.3)."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from pyrunner.cli.failure import CommandPanicked
from pyrunner.cli.questions import Questions
from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.config.tables import SSHConfig
from pyrunner.manager.link import known_executors

_log = logging.getLogger(__name__)

#: The executors an entry can be made for.
EXECUTORS: Final = ("custom", "docker", "shell", "ssh")

#: Container path that keeps a job's caches.
_CACHE_VOLUME: Final = "/cache"


def choose_executor(runner: RunnerConfig, questions: Questions) -> RunnerConfig:
    """Return ``runner`` with the executor the user wants, its options, and no other's.

    :raises CommandPanicked: when the executor, or something it needs, is missing or wrong.
    """
    name = _ask_name(runner.executor, questions)
    if name not in known_executors():
        _log.warning('This version of pyrunner cannot run jobs with the executor "%s" yet', name)
    # the sections of other executors would only mislead
    chosen = replace(
        runner,
        executor=name,
        docker=None,
        ssh=None,
        custom=None,
        kubernetes=None,
        machine=None,
        parallels=None,
        virtualbox=None,
        referees=None,
    )
    if name == "docker":
        return replace(chosen, docker=_docker(runner.docker or DockerConfig(), questions))
    if name == "ssh":
        return replace(chosen, ssh=_ssh(runner.ssh or SSHConfig(), questions))
    if name == "custom":
        return replace(chosen, custom=runner.custom)
    return chosen


def _ask_name(default: str, questions: Questions) -> str:
    while True:
        name = questions.ask(
            "executor", f"Enter an executor: {', '.join(EXECUTORS)}:", default, required=False
        )
        if name in EXECUTORS:
            return name
        if not questions.interactive:
            raise CommandPanicked("Invalid executor specified")
        _log.error("Invalid executor specified")


def _docker(docker: DockerConfig, questions: Questions) -> DockerConfig:
    image = questions.ask(
        "docker-image", "Enter the default Docker image (for example, ruby:3.3):", docker.image
    )
    volumes = docker.volumes
    if not docker.disable_cache and all(one.rsplit(":", 1)[-1] != _CACHE_VOLUME for one in volumes):
        volumes = [*volumes, _CACHE_VOLUME]
    flavor = docker.helper_image_flavor or ("ubi-fips" if _fips_host() else "")
    return replace(docker, image=image, volumes=volumes, helper_image_flavor=flavor)


def _ssh(ssh: SSHConfig, questions: Questions) -> SSHConfig:
    def optional(flag: str, text: str, default: str) -> str:
        return questions.ask(flag, text, default, required=False)

    return replace(
        ssh,
        host=questions.ask(
            "ssh-host", "Enter the SSH server address (for example, my.server.com):", ssh.host
        ),
        port=optional("ssh-port", "Enter the SSH server port (for example, 22):", ssh.port),
        user=questions.ask("ssh-user", "Enter the SSH user (for example, root):", ssh.user),
        password=optional("ssh-password", "Enter the SSH password (for example, docker.io):", ssh.password),
        identity_file=optional(
            "ssh-identity-file",
            "Enter the path to the SSH identity file (for example, /home/user/.ssh/id_rsa):",
            ssh.identity_file,
        ),
    )


def _fips_host() -> bool:
    """Tell whether the kernel runs in FIPS mode."""
    try:
        with open("/proc/sys/crypto/fips_enabled") as file:
            return file.read().strip() == "1"
    except OSError:
        return False
