"""Git configuration of a job, outside the project: TLS, credentials, template (job-execution.md 4.4-4.6)."""

from __future__ import annotations

import re
from typing import Final

from pyrunner.build.context import BuildContext
from pyrunner.build.exports import EXTERNAL_GIT_CONFIG, GIT_TEMPLATE, GLOBAL_GIT_CONFIG
from pyrunner.build.git_remote import TOKEN_USER
from pyrunner.shells.bash import BashWriter
from pyrunner.shells.quoting import Expanded, Word

#: Names the external config's absolute path to later commands of the stage.
EXTERNAL_CONFIG_VARIABLE: Final = "GLR_EXT_GIT_CONFIG_PATH"

_TLS_KEYS: Final = {
    "CI_SERVER_TLS_CA_FILE": "sslCAInfo",
    "CI_SERVER_TLS_CERT_FILE": "sslCert",
    "CI_SERVER_TLS_KEY_FILE": "sslKey",
}
#: What every repository of a job is made with.
_TEMPLATE: Final = (
    ("init", "defaultBranch", "none"),
    ("fetch", "recurseSubmodules", "false"),
    ("credential", "interactive", "never"),
    ("gc", "autoDetach", "false"),
)
#: Values that git's config files need no quotes for.
_PLAIN: Final = re.compile(r"[\w./:-]+(?: [\w./:-]+)*")
#: A credential helper that answers with the job token of the environment.
_CREDENTIAL_HELPER: Final = '!f(){ if [ "$1" = "get" ] ; then echo "password=${CI_JOB_TOKEN}" ; fi ; } ; f'


def write_tls_config(writer: BashWriter, context: BuildContext, *where: Word) -> None:
    """Point git at the file variables of the coordinator's TLS, for the remote's host only (4.5)."""
    host = context.remote.host()
    for variable in context.sources.tls_variables():
        key = f"http.{host}.{_TLS_KEYS[variable.key]}"
        writer.command("git", "config", *where, key, Expanded(variable.key))


def write_global_config(writer: BashWriter, context: BuildContext) -> None:
    """Write the file behind ``GIT_CONFIG_GLOBAL`` (``FF_GIT_URLS_WITHOUT_TOKENS``).

    The user's own global config is included where it can be read: git ignores an unreadable one but
    dies on an unreadable include.
    """
    if not context.features.on("FF_GIT_URLS_WITHOUT_TOKENS"):
        return
    seed = writer.temporary_file(GLOBAL_GIT_CONFIG)
    external = writer.temporary_file(EXTERNAL_GIT_CONFIG)
    writer.remove_file(seed)
    for path in ("/.gitconfig", "/.config/git/config"):
        own = Expanded("HOME", path)
        with writer.if_readable(own):
            writer.command("git", "config", "--file", seed, "--add", "include.path", own)
    writer.command("git", "config", "--file", seed, "--add", "include.path", external)
    if not context.settings.uses_repository:
        writer.remove_file(external)
        _write_credential_helper(writer, context, external)


def write_template(writer: BashWriter, context: BuildContext) -> str:
    """Write the template of ``git init`` and the external config; returns the template's folder (4.4)."""
    folder = f"{context.temporary_dir}/{GIT_TEMPLATE}"
    writer.make_directory(folder)
    if context.marks_safe_directory:
        writer.command("git", "config", "--global", "--add", "safe.directory", context.project_dir)
    config = f"{folder}/config"
    external = writer.temporary_file(EXTERNAL_GIT_CONFIG)
    with writer.if_file(config):  # where it is not removed before each job, somebody may have added to it
        for section, key, value in _TEMPLATE:
            writer.command("git", "config", "-f", config, f"{section}.{key}", value)
        include_external_config(writer, config, external)
        writer.otherwise()
        for section, key, value in _TEMPLATE:
            _append_setting(writer, config, section, key, value)
        _append_setting(writer, config, "include", "path", external)
    _write_external_config(writer, context, external)
    writer.export(EXTERNAL_CONFIG_VARIABLE, external)
    return folder


def _append_setting(writer: BashWriter, file: Word, section: str, key: str, value: Word) -> None:
    """Add a setting to a file of ours without starting git, which takes longer than all of the shell's work.

    A value that the shell has yet to complete is left to git: who knows what has to be quoted in it?
    """
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) is not None
        writer.append_lines(file, f"[{section}]", f"\t{key} = {value if plain else _in_quotes(value)}")
    else:
        writer.command("git", "config", "-f", file, "--add", f"{section}.{key}", value)


def include_external_config(writer: BashWriter, config: str, external: Word) -> None:
    """Include the external config in ``config``, in place of any older one of that name."""
    pattern = _literal(EXTERNAL_GIT_CONFIG) + "$"
    writer.command("git", "config", "--file", config, "--replace-all", "include.path", external, pattern)


def _write_external_config(writer: BashWriter, context: BuildContext, path: Word) -> None:
    writer.remove_file(path)
    if context.features.on("FF_USE_GITALY_CORRELATION_ID"):
        correlation = context.record.correlation_id
        header = f"X-Gitaly-Correlation-ID: {correlation}"
        _append_setting(writer, path, "http", "extraHeader", header)
        writer.notice(f"Gitaly correlation ID: {correlation}")
    if context.features.on("FF_USE_GIT_BUNDLE_URIS"):
        _append_setting(writer, path, "transfer", "bundleURI", "true")
    if context.traits.shared:
        write_tls_config(writer, context, "-f", path)
    for replacement, original in context.remote.rewrites():
        # written by the shell itself: as arguments of git the token would show in the process list
        section = f"[url {_in_quotes(replacement)}]"
        writer.append_lines(path, section, f"\tinsteadOf = {_in_quotes(original)}")
    if context.features.on("FF_GIT_URLS_WITHOUT_TOKENS"):
        _write_credential_helper(writer, context, path)


def _write_credential_helper(writer: BashWriter, context: BuildContext, path: Word) -> None:
    section = f"credential.{context.remote.host()}"
    # the empty helper drops those of the user's and the system's config
    writer.command("git", "config", "-f", path, "--replace-all", f"{section}.helper", "")
    writer.command("git", "config", "-f", path, "--add", f"{section}.helper", _CREDENTIAL_HELPER)
    writer.command("git", "config", "-f", path, f"{section}.username", TOKEN_USER)


def forget_credentials(writer: BashWriter, context: BuildContext) -> None:
    """Make credential helpers of the user forget the job token; best effort (4.2 step 11)."""
    remote = context.remote
    if remote.takes_credentials():
        request = f"url={remote.host()}\nusername={TOKEN_USER}"
        writer.pipe_best_effort(request, "git", "credential", "reject")


def _in_quotes(text: str) -> str:
    """Return ``text`` as git's config files quote it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _literal(text: str) -> str:
    """Return a regular expression of git's that matches ``text``."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)
