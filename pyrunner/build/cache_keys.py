"""Cache keys: what the user wrote, what is stored under which name (job-execution.md 7.1)."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pyrunner.build.context import BuildContext
from pyrunner.errors import PyrunnerError
from pyrunner.protocol.variables import VariableSet
from pyrunner.shells.quoting import encode
from pyrunner.system.golang import quoted

_ENCODED: Final = re.compile(r"%2[fFeE]|\\")
_ARCHIVE: Final = "cache.zip"
#: What Go's unicode.IsSpace knows; str.isspace knows a few control characters more.
_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


class UnusableKey(PyrunnerError):
    """Nothing can be stored under this key; the text says why, as the trace shows it."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """One cache of a job, by the names it has."""

    #: For messages: sanitised, or as it is with hashed keys.
    shown: str
    #: Names folder and object.
    stored: str
    #: What it is called by the other scheme of ``FF_HASH_CACHE_KEYS``.
    alternate: str
    #: Path of the local archive as the helper gets it.
    file: str
    #: The same by the other scheme.
    alternate_file: str


class CacheKeys:
    """Turns the keys of a job into names.

    :param warn: is given what a key's user has to know.
    """

    def __init__(self, context: BuildContext, variables: VariableSet, warn: Callable[[str], None]) -> None:
        self._context = context
        self._variables = variables
        self._warn = warn
        self._hashed = context.features.on("FF_HASH_CACHE_KEYS")

    def find(self, key: str, accept: Callable[[str], bool] | None = None) -> CacheKey | None:
        """Return the names for a key; None when ``accept`` does not want it.

        :param key: unexpanded; empty stands for job name and ref.
        :param accept: is asked with the key as it is shown.
        :raises UnusableKey: when nothing is left of it.
        """
        raw = self._variables.expand_value(key) if key else self._default()
        shown = raw if self._hashed else sanitised(raw)
        # What ``accept`` has to say comes first.
        accepted = accept is None or accept(shown)
        if raw and not shown:
            self._warn(f"cache key {quoted(raw)} could not be sanitized")
        elif shown != raw:
            self._warn(f"cache key {quoted(raw)} sanitized to {quoted(shown)}")
        if not accepted:
            return None
        if not shown:
            raise UnusableKey("empty cache key")
        digest = hashlib.sha256(encode(shown)).hexdigest()
        stored, alternate = (digest, shown) if self._hashed else (shown, digest)
        return CacheKey(shown, stored, alternate, self._file(stored), self._file(alternate))

    def _default(self) -> str:
        job = self._context.job
        return _cleaned(f"{job.job_info.name}/{job.git_info.ref}")

    def _file(self, key: str) -> str:
        """Return the archive's path.

        Absolute where gitlab-runner has it relative to the project folder: a link that a job has put in
        place of that folder must not lead the archive elsewhere.
        """
        folder, project = self._context.cache_dir, self._context.project_dir
        if posixpath.isabs(folder) != posixpath.isabs(project):
            raise UnusableKey(
                "inability to make the cache file path relative to the build directory "
                "(is the build directory absolute?)"
            )
        # The other scheme's name may be anything: whatever it is, it stays below the folder.
        file = f"{folder}/{_cleaned(key)}/{_ARCHIVE}"
        return file if posixpath.isabs(folder) else posixpath.relpath(file, project)


def sanitised(key: str) -> str:
    """Return a key that is safe as a path; empty when nothing is left."""
    segments = _cleaned(_ENCODED.sub(_decoded, key)).split("/")
    while segments:
        segments[-1] = segments[-1].rstrip(_SPACE)
        if segments[-1]:
            break
        segments.pop()
    return "/".join(segments)


def _decoded(match: re.Match[str]) -> str:
    return "." if match[0].lower() == "%2e" else "/"


def _cleaned(path: str) -> str:
    """Return ``path`` with its dots resolved below a root that cannot be left."""
    return posixpath.normpath(f"/{path}").lstrip("/")
