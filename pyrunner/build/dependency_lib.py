"""Points build tools at the project's own libraries (tristan-layout.md 7: ``dependency_lib``).

It is done in the script of the user's steps, by variables that its shell does not have yet: what the job,
its image, a login shell's profile or ``GITLAB_ENV`` has set wins, even when it is empty. A tool is left
alone as well where it would lose something of its own:

=========  ===========================================================================================
Maven      a local repository named by MAVEN_OPTS, MAVEN_ARGS, MAVEN_CLI_OPTS or ``.mvn``. MAVEN_OPTS is
           used first: unlike MAVEN_ARGS all versions read it, and the command line goes before it.
Gradle     settings in ``~/.gradle``, which GRADLE_USER_HOME would hide
npm        ``npm_config_cache`` in either case
Yarn       1: YARN_CACHE_FOLDER; from 2 on only YARN_GLOBAL_FOLDER, because the other would take the
           place of a cache that is part of the repository
pnpm       only where there is a pnpm-lock.yaml: npm warns of variables that it does not know; the
           prefix is ``pnpm_config_`` from version 11 on
Go         a module cache that the image or the user has already; GOPATH is never set
Cargo      ``~/.cargo`` of an image or user: CARGO_HOME holds settings, credentials and programs too
Composer   COMPOSER_HOME, which may have a cache of its own
=========  ===========================================================================================

The shared folder (``dependency_lib_shared``) is offered for reading: settings as the tools' global ones,
which a project's and a user's go before, libraries as those that are looked at before the network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pyrunner.build.context import BuildContext
from pyrunner.config.dependency_tools import TOOLS, chosen_tools
from pyrunner.executors.traits import OWN_LIBRARIES, SHARED_LIBRARIES
from pyrunner.shells.bash import BashWriter

#: Tell the job where the folders are: it may fill the shared one where it is allowed to.
OWN_VARIABLE: Final = "PYRUNNER_DEPENDENCY_LIB"
SHARED_VARIABLE: Final = "PYRUNNER_DEPENDENCY_LIB_SHARED"

#: A path that start scripts may split or expand is not given to tools that are shell scripts.
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9/._@%+=:,~-]+\Z")
_MAVEN_REPOSITORY: Final = "*maven.repo.local*"


@dataclass(frozen=True, slots=True)
class DependencyFolders:
    """The folders as the job sees them; empty: there is none."""

    own: str = ""
    shared: str = ""


def dependency_folders(context: BuildContext) -> DependencyFolders:
    """Return the folders that a job is offered; none where the runner does not."""
    record = context.record
    if not chosen_tools(context.runner.tristan.dependency_lib):
        return DependencyFolders()
    if context.traits.builds_dir:
        return DependencyFolders(OWN_LIBRARIES, SHARED_LIBRARIES if record.dependency_lib_shared else "")
    return DependencyFolders(record.dependency_lib, record.dependency_lib_shared)


def write_dependency_lib(writer: BashWriter, context: BuildContext) -> None:
    """Write the exports; nothing where ``dependency_lib`` is off.

    The script is in the project's folder, the job's variables are set.
    """
    folders = dependency_folders(context)
    if not folders.own:
        return
    tools = chosen_tools(context.runner.tristan.dependency_lib)
    script = _Exports(writer, folders)
    for kind, names in TOOLS.items():
        chosen = [one for one in names if one in tools]
        if chosen:
            script.type(kind, chosen)
    writer.line(f"export {OWN_VARIABLE}={writer.word(folders.own)}")
    if folders.shared:
        writer.line(f"export {SHARED_VARIABLE}={writer.word(folders.shared)}")


class _Exports:
    """Writes the exports of one script."""

    def __init__(self, writer: BashWriter, folders: DependencyFolders) -> None:
        self._writer = writer
        self._folders = folders
        self._own = ""
        self._shared = ""

    def type(self, kind: str, tools: list[str]) -> None:
        """Write those of one type of project, for when the job can write to its folder."""
        self._own = f"{self._folders.own}/{kind}"
        self._shared = f"{self._folders.shared}/{kind}" if self._folders.shared else ""
        word = self._writer.word(self._own)
        self._writer.line(f"if [ -d {word} ] && [ -w {word} ]; then")
        for tool in tools:
            getattr(self, f"_{tool}")()
        self._writer.line("fi")

    def _unset(self, *names: str) -> str:
        """Return a condition: none of the variables is set, not even to nothing."""
        return f'[ -z "{"".join(f"${{{name}+x}}" for name in names)}" ]'

    def _export(self, condition: str, name: str, value: str) -> None:
        self._writer.line(f"if {condition}; then export {name}={self._writer.word(value)}; fi")

    def _maven(self) -> None:
        if not _PLAIN_PATH.match(self._own + self._shared):
            return
        options = [f"-Dmaven.repo.local={self._own}/maven"]
        if self._shared:
            options.append(f"-Dmaven.repo.local.tail={self._shared}/maven")
        value, line = self._writer.word(" ".join(options)), self._writer.line
        more = ""
        if self._shared:
            more = f"-gs {self._shared}/settings.xml"
            there = f"[ -r {self._shared}/settings.xml ]"
            self._export(f"{self._unset('MAVEN_ARGS')} && {there}", "MAVEN_ARGS", more)
        line(f'case "${{MAVEN_OPTS-}} ${{MAVEN_ARGS-}} ${{MAVEN_CLI_OPTS-}}" in {_MAVEN_REPOSITORY}) ;; *)')
        line("if ! grep -qs maven.repo.local .mvn/maven.config .mvn/jvm.config; then")
        line(f"if {self._unset('MAVEN_OPTS')}; then export MAVEN_OPTS={value}")
        # Whatever stands there by now is ours, or the job's own.
        ours = (
            f'[ "${{MAVEN_ARGS-{more}}}" = {self._writer.word(more)} ]' if more else self._unset("MAVEN_ARGS")
        )
        line(f"elif {ours}; then")
        line(f'export MAVEN_ARGS="${{MAVEN_ARGS:+$MAVEN_ARGS }}"{value}')
        line("fi; fi ;; esac")

    def _gradle(self) -> None:
        home = '"${HOME-}/.gradle'
        own = " && ".join(
            f'[ ! -e {home}/{one}" ]'
            for one in ("gradle.properties", "init.gradle", "init.d", "init.gradle.kts")
        )
        self._export(f"{self._unset('GRADLE_USER_HOME')} && {own}", "GRADLE_USER_HOME", f"{self._own}/gradle")
        if self._shared:
            cache = f"{self._shared}/gradle"
            there = f"[ -d {self._writer.word(f'{cache}/modules-2')} ]"
            self._export(f"{self._unset('GRADLE_RO_DEP_CACHE')} && {there}", "GRADLE_RO_DEP_CACHE", cache)

    def _npm(self) -> None:
        unset = self._unset("npm_config_cache", "NPM_CONFIG_CACHE")
        self._export(unset, "npm_config_cache", f"{self._own}/npm")
        if self._shared:
            settings = f"{self._shared}/.npmrc"
            unset = self._unset("npm_config_globalconfig", "NPM_CONFIG_GLOBALCONFIG")
            there = f"[ -r {self._writer.word(settings)} ]"
            self._export(f"{unset} && {there}", "npm_config_globalconfig", settings)

    def _yarn(self) -> None:
        newer = "[ -e .yarnrc.yml ]"
        unset = self._unset("YARN_CACHE_FOLDER", "yarn_cache_folder")
        self._export(f"{unset} && ! {newer}", "YARN_CACHE_FOLDER", f"{self._own}/yarn")
        unset = self._unset("YARN_GLOBAL_FOLDER", "yarn_global_folder")
        self._export(f"{unset} && {newer}", "YARN_GLOBAL_FOLDER", f"{self._own}/yarn-berry")

    def _pnpm(self) -> None:
        names = (
            "npm_config_store_dir",
            "NPM_CONFIG_STORE_DIR",
            "pnpm_config_store_dir",
            "PNPM_CONFIG_STORE_DIR",
        )
        condition = f"{self._unset(*names)} && [ -e pnpm-lock.yaml ]"
        value = self._writer.word(f"{self._own}/pnpm")
        both = f"export {names[0]}={value} {names[2]}={value}"
        self._writer.line(f"if {condition}; then {both}; fi")

    def _pip(self) -> None:
        self._export(self._unset("PIP_CACHE_DIR"), "PIP_CACHE_DIR", f"{self._own}/pip")
        if self._shared:
            settings, wheels = f"{self._shared}/pip.conf", f"{self._shared}/wheels"
            there = f"[ -r {self._writer.word(settings)} ]"
            self._export(f"{self._unset('PIP_CONFIG_FILE')} && {there}", "PIP_CONFIG_FILE", settings)
            # The variable is a list, separated by spaces.
            if _PLAIN_PATH.match(wheels):
                there = f"[ -d {self._writer.word(wheels)} ]"
                self._export(f"{self._unset('PIP_FIND_LINKS')} && {there}", "PIP_FIND_LINKS", wheels)

    def _go(self) -> None:
        filled = '[ -d "${GOPATH:-${HOME-}/go}/pkg/mod/cache/download" ]'
        self._export(f"{self._unset('GOMODCACHE')} && ! {filled}", "GOMODCACHE", f"{self._own}/mod")
        self._export(self._unset("GOCACHE"), "GOCACHE", f"{self._own}/build")
        if self._shared and _PLAIN_PATH.match(self._shared):
            modules = f"{self._shared}/mod/cache/download"
            wanted = f"{self._unset('GOPROXY')} && [ -d {modules} ] && command -v go >/dev/null 2>&1"
            # What go would use by itself comes next: it may be set in go.env, not only by GOPROXY.
            self._writer.line(f'if {wanted}; then export GOPROXY="file://{modules},$(go env GOPROXY)"; fi')

    def _cargo(self) -> None:
        own = '[ ! -e "${HOME-}/.cargo" ]'
        self._export(f"{self._unset('CARGO_HOME')} && {own}", "CARGO_HOME", f"{self._own}/cargo")

    def _composer(self) -> None:
        unset = self._unset("COMPOSER_CACHE_DIR", "COMPOSER_HOME")
        self._export(unset, "COMPOSER_CACHE_DIR", f"{self._own}/composer")
