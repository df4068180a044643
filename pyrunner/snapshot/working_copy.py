"""A working copy as git sees it: where it is, what is checked out, and where it came from."""

from __future__ import annotations

import re
import shutil
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from pyrunner.ci.event import NO_COMMIT, Commit
from pyrunner.errors import UsageError
from pyrunner.snapshot.git_dir import make_git_dir, work_tree_git
from pyrunner.system.git import Git, GitError, clean_environment

_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)\Z")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_COMMIT_FORMAT = "%H%x00%P%x00%an <%ae>%x00%cI%x00%B"


@dataclass(frozen=True)
class Origin:
    """Where the project lives: its path, and the server's address (may be empty)."""

    path: str
    server_url: str = ""


@dataclass
class WorkingCopy:
    """One working copy.

    :param top: its top folder.
    :param common: the git directory with objects and refs, shared by linked working trees.
    :param git_dir: the git directory of this working tree.
    :param object_format: ``sha1`` or ``sha256``.
    """

    top: Path
    git_dir: Path
    common: Path
    object_format: str
    git: Git

    @classmethod
    def find(cls, folder: Path, environ: Mapping[str, str]) -> WorkingCopy:
        """Return the working copy that ``folder`` lies in.

        :raises UsageError: when it lies in none, or git refuses it.
        """
        environment = clean_environment(environ)
        git = Git(folder, environment)
        try:
            text = git.text(
                *("rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir"),
                "--show-object-format",
            )
        except GitError as error:
            raise UsageError(f"{folder} is not in a git working copy: {error}") from None
        top, git_dir, common, object_format = text.split("\n")
        found = cls(
            Path(top), Path(git_dir), (folder / common).resolve(), object_format, Git(Path(top), environment)
        )
        if not _belongs(found.top, found.git_dir):
            # its settings may name any folder, and all that is in it would go into the snapshot
            raise UsageError(f"{git_dir} says that its working copy is {top}, which is not so")
        return found

    @cached_property
    def head(self) -> str:
        """The commit that is checked out; empty before the first."""
        return self.git.find("rev-parse", "--verify", "--quiet", "HEAD^{commit}") or ""

    @cached_property
    def branch(self) -> str:
        """The branch that is checked out, or the only one that has the commit; empty when that is unclear."""
        found = self.git.find("symbolic-ref", "--quiet", "--short", "HEAD")
        if found:
            return found
        text = self.git.find("for-each-ref", "--contains", "HEAD", "--format=%(refname:short)", "refs/heads")
        names = (text or "").split("\n")
        return names[0] if len(names) == 1 else ""

    def commit(self, revision: str) -> Commit | None:
        """Return a commit; None when there is none of that name."""
        if revision.startswith("-"):
            return None
        text = self.git.find("log", "-1", f"--format={_COMMIT_FORMAT}", revision, "--")
        if not text:
            return None
        sha, _, author, timestamp, message = text.split("\0", 4)
        return Commit(
            sha, NO_COMMIT, message.rstrip("\n"), author, timestamp, object_format=self.object_format
        )

    def resolve(self, *names: str) -> str:
        """Return the commit of the first name that means one; empty when none does."""
        for name in names:
            commit = f"{name}^{{commit}}"
            found = self.git.find("rev-parse", "--verify", "--quiet", "--end-of-options", commit)
            if found:
                return found
        return ""

    @cached_property
    def origin(self) -> Origin:
        """The project, from the address of the remote ``origin``; ``local/<folder>`` without one."""
        url = self.setting("remote.origin.url")
        host, path = _parts(url)
        segments = [_UNFIT.sub("-", one).strip(".-_") for one in path.removesuffix(".git").split("/")]
        segments = [one for one in segments if one]
        if not host or not segments:
            name = _UNFIT.sub("-", self.top.name).strip(".-_") or "project"
            return Origin(f"local/{name.removesuffix('.git')}")
        if len(segments) == 1:
            segments.insert(0, "local")
        return Origin("/".join(segments), host)

    @cached_property
    def default_branch(self) -> str:
        """The default branch of ``origin``, else ``main`` or ``master`` if there is one, else the current."""
        remote = self.git.find("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
        if remote:
            return remote.removeprefix("origin/")
        for name in ("main", "master"):
            if self.resolve(f"refs/heads/{name}"):
                return name
        return self.branch or "main"

    def setting(self, name: str) -> str:
        """Return a value of git's configuration; empty when there is none."""
        return self._settings[1].get(name, "")

    @property
    def own_settings(self) -> Mapping[str, str]:
        """What the repository itself says, and not the user or the machine."""
        return self._settings[0]

    @cached_property
    def _settings(self) -> tuple[dict[str, str], dict[str, str]]:
        """The repository's own settings, and all; sections and names in lower case."""
        own: dict[str, str] = {}
        every: dict[str, str] = {}
        fields = self.git.raw("config", "--list", "-z", "--show-scope").decode("utf-8", "surrogateescape")
        parts = fields.split("\0")
        for scope, pair in zip(parts[::2], parts[1::2], strict=False):
            key, equals, value = pair.partition("\n")
            every[key] = value if equals else "true"
            if scope in ("local", "worktree"):
                own[key] = every[key]
        return own, every

    @cached_property
    def apart(self) -> Git:
        """Git with the files and the index as they are now, in a directory of ours that goes with us."""
        import tempfile  # only for who asks what has changed

        path = Path(tempfile.mkdtemp(prefix="pyrunner-git-"))
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        make_git_dir(self, path)
        return work_tree_git(self, path)


def _belongs(top: Path, git_dir: Path) -> bool:
    """Tell whether the ``.git`` of a working copy leads to a git directory."""
    link = top / ".git"
    try:
        if not link.is_file():
            return link.samefile(git_dir)
        text = link.read_text(encoding="utf-8", errors="surrogateescape")
        return (top / text.removeprefix("gitdir:").strip()).samefile(git_dir)
    except OSError:
        return False


def _parts(url: str) -> tuple[str, str]:
    """Return base address and path of a repository's URL; both empty for a folder of this machine."""
    if "://" in url:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return "", ""
        if parts.scheme == "file" or not parts.hostname:
            return "", ""
        web = parts.scheme if parts.scheme in ("http", "https") else "https"
        netloc = parts.hostname + (f":{port}" if port and web == parts.scheme else "")
        return f"{web}://{netloc}", parts.path.strip("/")
    match = _SCP.match(url)
    return (f"https://{match[1]}", match[2].strip("/")) if match else ("", "")
