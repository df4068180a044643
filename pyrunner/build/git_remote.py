"""Where the sources come from, and the URL rewrites that carry the credentials (job-execution.md 4.6).

``origin`` never holds credentials: git is told, in a file outside the project, to replace the URL
without them by the one with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from pyrunner.errors import PyrunnerError

#: The user that a job token belongs to.
TOKEN_USER: Final = "gitlab-ci-token"  # noqa: S105
_UNESCAPED: Final = "$&+,;=-_.~"

#: One rewrite: the URL with credentials, and the one it replaces.
Rewrite = tuple[str, str]


@dataclass(frozen=True, slots=True)
class GitRemote:
    """What a job's git URLs are made from."""

    #: Config ``clone_url``; used when it has a scheme.
    clone_url: str
    #: Config ``url``.
    server_url: str
    repo_url: str
    project_path: str
    token: str
    #: Tokens stand in URLs (``FF_GIT_URLS_WITHOUT_TOKENS`` off).
    authenticated: bool = True
    force_https: bool = False
    server_host: str = ""
    ssh_host: str = ""
    ssh_port: str = ""

    def url(self) -> str:
        """Return the URL to fetch from, with credentials where tokens stand in URLs.

        :raises PyrunnerError: when the URL cannot be parsed.
        """
        return urlunsplit(self._remote())

    def url_without_credentials(self) -> str:
        """Return what ``origin`` is set to.

        :raises PyrunnerError: when the URL cannot be parsed.
        """
        return urlunsplit(without_user(self._remote()))

    def host(self) -> str:
        """Return scheme, host and port of the remote; empty for a plain path.

        :raises PyrunnerError: when the URL cannot be parsed.
        """
        remote = self._remote()
        host = host_of(remote)
        if host:
            return f"{remote.scheme}://{host}"
        return f"{remote.scheme}:" if remote.scheme else ""

    def takes_credentials(self) -> bool:
        """Tell whether git can ask for credentials of this remote at all."""
        remote = self._remote()
        return bool(host_of(remote)) and remote.scheme in ("http", "https", "ssh")

    def rewrites(self) -> list[Rewrite]:
        """Return all rewrites in order, duplicates dropped.

        :raises PyrunnerError: when a URL cannot be parsed.
        """
        found: list[Rewrite] = []
        plain, authenticated = self.url_without_credentials(), self.url()
        if plain != authenticated:
            found.append((authenticated, plain))
        found.extend(self._server_rewrites())
        return list(dict.fromkeys(found))

    def _remote(self) -> SplitResult:
        clone = self._clone_url()
        if clone is None:
            parts = _split(self.repo_url)
            return parts if self.authenticated else self._with_auth(parts)
        path = _join(clone.path, f"{self.project_path}.git")
        return self._with_auth(clone._replace(path=path))

    def _clone_url(self) -> SplitResult | None:
        try:
            parts = urlsplit(self.clone_url)
        except ValueError:
            return None
        return parts if parts.scheme else None

    def _server_rewrites(self) -> list[Rewrite]:
        base = self._clone_url() or _split(self.server_url)
        if base.scheme not in ("http", "https"):
            return []
        if not self.authenticated:
            return self._ssh_rewrites(_trimmed(base))
        authenticated = _trimmed(self._with_auth(base))
        found = [(authenticated, _trimmed(base)), *self._ssh_rewrites(authenticated)]
        repository = _split(self.repo_url)
        if repository.scheme in ("http", "https"):
            bare = repository._replace(path="")
            found.append((_trimmed(self._with_auth(bare)), _trimmed(without_user(bare))))
        return found

    def _ssh_rewrites(self, base: str) -> list[Rewrite]:
        if not self.force_https:
            return []
        host = self.ssh_host or self.server_host
        if self.ssh_port in ("", "22"):
            return [(f"{base}/", f"git@{host}:"), (base, f"ssh://git@{host}")]
        return [(base, f"ssh://git@{host}:{self.ssh_port}")]

    def _with_auth(self, parts: SplitResult) -> SplitResult:
        """Return ``parts`` with the user that this mode asks for; ssh always has one."""
        host = host_of(parts)
        if parts.scheme == "ssh":
            return parts if "@" in parts.netloc else parts._replace(netloc=f"git@{host}")
        if not self.authenticated:
            return without_user(parts)
        password = quote(self.token, safe=_UNESCAPED)
        return parts._replace(netloc=f"{TOKEN_USER}:{password}@{host}")


def without_user(parts: SplitResult) -> SplitResult:
    """Return ``parts`` without user name and password."""
    return parts._replace(netloc=host_of(parts))


def host_of(parts: SplitResult) -> str:
    """Return host and port as they stand in the URL."""
    return parts.netloc.rpartition("@")[2]


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise PyrunnerError(
            "the repository URL cannot be parsed: check `url` and `clone_url` in config.toml "
            "and the repository URL that the coordinator sends"
        ) from None


def _trimmed(parts: SplitResult) -> str:
    return urlunsplit(parts).rstrip("/")


def _join(folder: str, name: str) -> str:
    """Return a URL path below ``folder``, cleaned."""
    kept: list[str] = []
    for segment in f"{folder}/{name}".split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept)
