"""What is asked of the signing process and what it answers: one JSON object a line, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from pyrunner.config.cache import CacheConfig

#: Neither S3 nor GCS sign for longer.
LONGEST: Final = 7 * 24 * 3600
#: The job timeout of a payload that has none (job-execution.md 1.4).
_DEFAULT_TIMEOUT: Final = 2 * 3600


@dataclass(frozen=True)
class Opening:
    """The first line: for which cache to sign. Holds secrets: it only ever goes through a pipe."""

    config: CacheConfig = field(default_factory=CacheConfig)
    #: Seconds; how long what is signed has to be good.
    timeout: float = 0.0
    #: Private folder for credentials of assumed roles, shared by all jobs; empty: they are not kept.
    private: str = ""

    @property
    def lifetime(self) -> int:
        """Whole seconds that signatures live: as long as the job may last (7.5)."""
        return min(int(self.timeout) if self.timeout >= 1 else _DEFAULT_TIMEOUT, LONGEST)


@dataclass(frozen=True)
class Request:
    """One operation to sign."""

    #: ``download`` or ``upload``.
    operation: str = ""
    #: Object name (7.5).
    name: str = ""
    #: Name of the object by the other scheme of ``FF_HASH_CACHE_KEYS``; empty: none.
    alternate: str = ""
    #: For the object of an upload.
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Signed:
    """An operation that whoever has this can carry out; empty where it does not apply.

    Presigned adapters fill the URLs, those by GoCloud fill ``gocloud_url`` and ``environment``.
    """

    url: str = ""
    head_url: str = ""
    alternate_url: str = ""
    alternate_head_url: str = ""
    #: Signed into the URL of an upload: they have to be sent along.
    headers: dict[str, str] = field(default_factory=dict)
    gocloud_url: str = ""
    alternate_gocloud_url: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A signed operation, or why there is none."""

    signed: Signed = field(default_factory=Signed)
    error: str = ""


class Backend(Protocol):
    """One kind of object storage.

    Both methods raise RemoteCacheError, with a text that holds no secret.
    """

    def download(self, name: str, alternate: str) -> Signed:
        """Sign fetching an object, and the one it is called by the other scheme."""

    def upload(self, name: str, metadata: Mapping[str, str]) -> Signed:
        """Sign storing an object."""
