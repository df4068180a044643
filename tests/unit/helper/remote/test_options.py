"""From flags and the handed-over file to what is to be transferred (job-execution.md 5.8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.errors import UsageError
from pyrunner.helper.arguments import Flags
from pyrunner.helper.remote.options import (
    Source,
    Target,
    add_download_flags,
    add_upload_flags,
    read_source,
    read_target,
)


def source(*arguments: str, **environment: str) -> Source | None:
    """Read a download's flags."""
    flags = Flags("cache-extractor", "", environment)
    add_download_flags(flags)
    return read_source(flags.read(arguments), environment)


def target(*arguments: str, **environment: str) -> Target | None:
    """Read an upload's flags."""
    flags = Flags("cache-archiver", "", environment)
    add_upload_flags(flags)
    return read_target(flags.read(arguments), environment)


def test_nothing_remote() -> None:
    """Without a URL only the local archive is meant."""
    assert source() is None
    assert target("--header", "a: b") is None


def test_defaults() -> None:
    """Ten minutes, two retries after a second, 4 MiB, 16 chunks of 16 MiB, one stream (7.5)."""
    found = source("--url", "http://x")
    assert found is not None
    tuning = found.tuning
    assert (tuning.timeout, tuning.retries, tuning.pause, tuning.meter) == (600, 2, 1, 0)
    assert (tuning.buffer, tuning.chunk, tuning.concurrency) == (4 << 20, 16 << 20, 16)
    assert not tuning.parallel


def test_variables_tune() -> None:
    """As gitlab-runner's do."""
    found = target(
        *("--url", "http://x", "--timeout", "3"),
        CACHE_TRANSFER_BUFFER_SIZE="1",
        CACHE_CHUNK_SIZE="2",
        CACHE_CONCURRENCY="3",
        CACHE_MAX_UPLOADED_ARCHIVE_SIZE="4",
        TRANSFER_METER_FREQUENCY="5s",
        FF_USE_PARALLEL_CACHE_TRANSFER="True",
    )
    assert found is not None
    tuning = found.tuning
    assert (tuning.buffer, tuning.chunk, tuning.concurrency, found.limit) == (1, 2, 3, 4)
    assert (tuning.meter, tuning.timeout, tuning.parallel) == (5, 180, True)


@pytest.mark.parametrize("name", ["CACHE_TRANSFER_BUFFER_SIZE", "CACHE_CHUNK_SIZE", "CACHE_CONCURRENCY"])
def test_negative_tuning_is_refused(name: str) -> None:
    """Naming the variable."""
    with pytest.raises(UsageError, match=name):
        source("--url", "http://x", **{name: "-1"})


def test_what_is_handed_over_in_secret(tmp_path: Path) -> None:
    """URLs and headers of our own scripts; a job's variable of the same name is not one."""
    file = tmp_path / "variables"
    file.write_text(
        'PYRUNNER_CACHE_URL="http://x/?s=1"\nPYRUNNER_CACHE_CHECK_URL="http://y"\n'
        'PYRUNNER_CACHE_HEADER="{\\"A\\": \\"b: c\\"}"\nAWS_PROFILE=""\n'
    )
    found = target("--env-file", str(file), AWS_PROFILE="job")
    assert found is not None
    assert (found.url, found.check_url, found.headers) == ("http://x/?s=1", "http://y", {"A": "b: c"})
    assert found.environment["AWS_PROFILE"] == ""
    assert target(PYRUNNER_CACHE_URL="http://169.254.169.254/") is None


def test_headers_of_flags() -> None:
    """Split at the first colon; what has none does not count."""
    found = target("--url", "u", "--header", "Content-Type: a:b", "--header", "nothing")
    assert found is not None
    assert found.headers == {"Content-Type": "a:b"}
