"""Where ``cache-archiver`` and ``cache-extractor`` transfer to and from, and how (job-execution.md 5.8, 7.5).

An operation comes as gitlab-runner's flags, or, from our own stage scripts, in the file of ``--env-file``:
whoever knows a presigned URL can use it, and everybody on a machine sees arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from pyrunner.errors import UsageError
from pyrunner.helper.arguments import Flags, Options

DEFAULT_BUFFER: Final = 4 * 1024 * 1024
DEFAULT_CHUNK: Final = 16 * 1024 * 1024
DEFAULT_CONCURRENCY: Final = 16
_DEFAULT_MINUTES: Final = 10
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Tuning(NamedTuple):
    """How to transfer."""

    #: Seconds that one request may take from its start to its last byte.
    timeout: float
    #: After a network failure or a 5xx answer so many more tries ...
    retries: int
    #: ... after so many seconds each.
    pause: float
    #: Seconds between two progress lines; 0: none.
    meter: float
    #: Bytes.
    buffer: int
    chunk: int
    #: Chunks at a time.
    concurrency: int
    #: ``FF_USE_PARALLEL_CACHE_TRANSFER``.
    parallel: bool


class Source(NamedTuple):
    """An archive in object storage; one of ``url`` and ``gocloud_url`` is set."""

    tuning: Tuning
    url: str = ""
    head_url: str = ""
    #: The same archive by the other scheme of ``FF_HASH_CACHE_KEYS``.
    alternate_url: str = ""
    alternate_head_url: str = ""
    gocloud_url: str = ""
    alternate_gocloud_url: str = ""
    #: For ``gocloud_url``: credentials win over what the process has.
    environment: Mapping[str, str] = _NOTHING

    def __repr__(self) -> str:
        """Say nothing: addresses, headers and variables are secrets."""
        return f"{type(self).__name__}(...)"


class Target(NamedTuple):
    """Where an archive is to be stored; one of ``url`` and ``gocloud_url`` is set."""

    tuning: Tuning
    url: str = ""
    #: For a HEAD request: is it there already?
    check_url: str = ""
    headers: Mapping[str, str] = _NOTHING
    gocloud_url: str = ""
    #: Bytes of the largest archive to send; 0: no limit.
    limit: int = 0
    environment: Mapping[str, str] = _NOTHING

    def __repr__(self) -> str:
        """Say nothing: addresses, headers and variables are secrets."""
        return f"{type(self).__name__}(...)"


def add_download_flags(flags: Flags) -> None:
    """Add what :func:`read_source` reads."""
    flags.text("url", about="URL of remote cache resource")
    flags.text("gocloud-url", about="Go Cloud URL of remote cache resource (requires credentials)")
    flags.text("alternate-url", about="(temporary) Alternate pre-signed URL of remote cache resource")
    flags.text("alternate-gocloud-url", about="(temporary) Alternate Go Cloud URL of remote cache resource")
    flags.text("head-url", about="(temporary) HEAD pre-signed URL for primary cache existence check")
    flags.text("alternate-head-url", about="(temporary) HEAD pre-signed URL for alternate cache")
    _add_tuning(flags)


def add_upload_flags(flags: Flags) -> None:
    """Add what :func:`read_target` reads."""
    flags.text("url", about="URL of remote cache resource (pre-signed URL)")
    flags.text("check-url", about="(temporary) Pre-signed HEAD URL to check whether the object exists")
    flags.text("gocloud-url", about="Go Cloud URL of remote cache resource (requires credentials)")
    flags.repeated("header", about="HTTP headers to send with PUT request (in form of 'key:value')")
    flags.number(
        "max-uploaded-archive-size",
        env="CACHE_MAX_UPLOADED_ARCHIVE_SIZE",
        about="Limit the size of the cache archive being uploaded to cloud storage, in bytes",
    )
    _add_tuning(flags)


def _add_tuning(flags: Flags) -> None:
    flags.number("timeout", about="Overall timeout for a cache request (in minutes)")
    flags.number("retry", default=2, about="How many times to retry a transfer")
    flags.duration("retry-time", default="1s", about="How long to wait between retries")
    flags.duration(
        "transfer-meter-frequency",
        default="0s",
        env="TRANSFER_METER_FREQUENCY",
        about="Show progress so often",
    )
    flags.text("env-file", about="Filename containing environment variables to read")
    flags.number("transfer-buffer-size", env="CACHE_TRANSFER_BUFFER_SIZE", about="Buffer size in bytes")
    flags.number("chunk-size", env="CACHE_CHUNK_SIZE", about="Chunk size in bytes for parallel transfer")
    flags.number(
        "concurrency", default=DEFAULT_CONCURRENCY, env="CACHE_CONCURRENCY", about="Concurrent chunks"
    )


def read_source(options: Options, environment: Mapping[str, str]) -> Source | None:
    """Return what is to be fetched; None: only the local archive is meant.

    :raises UsageError: for values that cannot be.
    """
    tuning = _tuning(options, environment)
    handed = _handed(options)
    source = Source(
        tuning,
        url=options.url or handed.get("PYRUNNER_CACHE_URL", ""),
        head_url=options.head_url or handed.get("PYRUNNER_CACHE_HEAD_URL", ""),
        alternate_url=options.alternate_url or handed.get("PYRUNNER_CACHE_ALTERNATE_URL", ""),
        alternate_head_url=(
            options.alternate_head_url or handed.get("PYRUNNER_CACHE_ALTERNATE_HEAD_URL", "")
        ),
        gocloud_url=options.gocloud_url,
        alternate_gocloud_url=options.alternate_gocloud_url,
        environment={**environment, **handed},
    )
    return source if source.url or source.gocloud_url else None


def read_target(options: Options, environment: Mapping[str, str]) -> Target | None:
    """Return where to store; None: only the local archive is meant.

    :raises UsageError: for values that cannot be.
    """
    tuning = _tuning(options, environment)
    handed = _handed(options)
    target = Target(
        tuning,
        url=options.url or handed.get("PYRUNNER_CACHE_URL", ""),
        check_url=options.check_url or handed.get("PYRUNNER_CACHE_CHECK_URL", ""),
        headers=_headers(options.header, handed.get("PYRUNNER_CACHE_HEADER", "")),
        gocloud_url=options.gocloud_url,
        limit=options.max_uploaded_archive_size,
        environment={**environment, **handed},
    )
    return target if target.url or target.gocloud_url else None


def _handed(options: Options) -> dict[str, str]:
    if not options.env_file:
        return {}
    from pyrunner.helper.remote.envfile import read_env_file

    return read_env_file(options.env_file)


def _headers(given: list[str], handed: str) -> dict[str, str]:
    """Return the headers of an upload; what is not ``key: value`` does not count."""
    headers: dict[str, str] = {}
    if handed:
        import json  # only where there is a remote cache

        headers.update({str(key): str(value) for key, value in json.loads(handed).items()})
    for one in given:
        key, colon, value = one.partition(":")
        if colon:
            headers[key.strip()] = value.strip()
    return headers


def _tuning(options: Options, environment: Mapping[str, str]) -> Tuning:
    buffer = options.transfer_buffer_size or DEFAULT_BUFFER
    if buffer < 0:
        raise UsageError(
            f"invalid cache transfer buffer size {buffer} (CACHE_TRANSFER_BUFFER_SIZE / "
            f"--transfer-buffer-size): must be positive; use 0 for default {DEFAULT_BUFFER} bytes"
        )
    chunk = options.chunk_size or DEFAULT_CHUNK
    if chunk < 0:
        raise UsageError(
            f"invalid cache chunk size {chunk} (CACHE_CHUNK_SIZE / --chunk-size): "
            f"must be non-negative; use 0 for default {DEFAULT_CHUNK} bytes"
        )
    if options.concurrency < 0:
        raise UsageError(
            f"invalid cache concurrency {options.concurrency} (CACHE_CONCURRENCY / --concurrency): "
            "must be non-negative"
        )
    minutes = options.timeout if options.timeout > 0 else _DEFAULT_MINUTES
    flag = environment.get("FF_USE_PARALLEL_CACHE_TRANSFER", "").lower()
    return Tuning(
        timeout=minutes * 60.0,
        retries=options.retry,
        pause=options.retry_time,
        meter=options.transfer_meter_frequency,
        buffer=buffer,
        chunk=chunk,
        concurrency=options.concurrency,
        parallel=flag in ("1", "t", "true"),
    )
