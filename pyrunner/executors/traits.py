"""What sets one executor apart from another before any stage runs (job-execution.md 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ExecutorTraits:
    """Properties of an executor that decide directories, variables and scripts."""

    #: Value of ``executor`` in config.toml.
    name: str
    #: Jobs share the host: ``CI_SHARED_ENVIRONMENT``, git TLS settings per job.
    shared: bool
    #: The project folder is added to git's ``safe.directory``.
    safe_directory: bool
    #: ``GIT_CLONE_PATH`` is allowed unless config says otherwise.
    custom_build_dir: bool
    #: ``.git`` config and hooks are removed around jobs unless config says otherwise.
    clean_git_config: bool
    #: Stages get a login shell.
    login_shell: bool
    #: ``Running on … via <host>...``.
    shows_host_name: bool
    #: The shell where config names none.
    default_shell: str = "bash"
    #: The words that call the helper in the workspace environment; empty: this interpreter on this host.
    helper_command: tuple[str, ...] = ()
    #: Folder of the project's cache archives as the workspace environment sees it; empty: the host's own.
    archives_dir: str = ""
    #: Where containers have the builds directory; empty: it is the job's folder on this host.
    builds_dir: str = ""
    #: Workspace stages run in the sandbox on this host, not in a container (design R8).
    sandbox: bool = False


SHELL_TRAITS: Final = ExecutorTraits(
    name="shell",
    shared=True,
    safe_directory=False,
    custom_build_dir=False,
    clean_git_config=False,
    login_shell=True,
    shows_host_name=False,
)

#: Where workspace environments beside containers see the project's cache archives.
ARCHIVES_DIR: Final = "/.pyrunner-cache"

#: Where containers see the libraries of build tools that are their own, and those that all projects share;
#: the latter not below ``/cache``, where a job could put a link in the place of the mount (design R8).
OWN_LIBRARIES: Final = "/cache/dependency_lib"
SHARED_LIBRARIES: Final = "/.pyrunner-dependency_lib"

DOCKER_TRAITS: Final = ExecutorTraits(
    name="docker",
    shared=False,
    safe_directory=True,
    custom_build_dir=True,
    clean_git_config=True,
    login_shell=False,
    shows_host_name=True,
    archives_dir=ARCHIVES_DIR,
    builds_dir="/builds",
)
