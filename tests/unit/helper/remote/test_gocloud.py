"""GoCloud URLs: what they name (job-execution.md 7.5)."""

from __future__ import annotations

import pytest

from pyrunner.errors import UsageError
from pyrunner.helper.remote.azure_objects import service_url
from pyrunner.helper.remote.gocloud import Place, open_store, parse
from pyrunner.helper.remote.object_metadata import decoded, encoded
from pyrunner.helper.remote.options import Tuning


def test_a_url_taken_apart() -> None:
    """Scheme, bucket, the object's name and the driver's options."""
    place = parse("s3://bucket/a%20b/c+d?awssdk=v2&endpoint=http%3A%2F%2Fx")
    assert place == Place("s3", "bucket", "a b/c+d", {"awssdk": "v2", "endpoint": "http://x"})


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/", "azblob://c?x=y"])
def test_a_url_without_an_object(url: str) -> None:
    """Names nothing."""
    with pytest.raises(UsageError, match="no object name provided"):
        parse(url)


def test_other_providers() -> None:
    """Are not known, by name."""
    with pytest.raises(UsageError, match='no driver registered for scheme "file"'):
        open_store(Place("file", "b", "n", {}), {}, Tuning(1, 0, 0, 0, 1, 1, 1, parallel=False))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "https://me.blob.core.windows.net"),
        ({"AZURE_STORAGE_DOMAIN": "blob.core.chinacloudapi.cn"}, "https://me.blob.core.chinacloudapi.cn"),
        ({"AZURE_STORAGE_DOMAIN": "127.0.0.1:1"}, "https://127.0.0.1:1/me"),
        ({"AZURE_STORAGE_DOMAIN": "localhost:1", "AZURE_STORAGE_PROTOCOL": "http"}, "http://localhost:1/me"),
        ({"AZURE_STORAGE_DOMAIN": "az:1", "AZURE_STORAGE_IS_LOCAL_EMULATOR": "true"}, "https://az:1/me"),
        ({"AZURE_STORAGE_DOMAIN": "cdn.example.com", "AZURE_STORAGE_IS_CDN": "1"}, "https://cdn.example.com"),
    ],
)
def test_azure_addresses(environment: dict[str, str], expected: str) -> None:
    """By the variables that gitlab-runner's helper knows."""
    assert service_url({"AZURE_STORAGE_ACCOUNT": "me", **environment}) == expected


def test_azure_addresses_that_are_none() -> None:
    """Without an account, or with another protocol."""
    with pytest.raises(UsageError, match="AZURE_STORAGE_ACCOUNT is not set"):
        service_url({})
    with pytest.raises(UsageError, match='invalid protocol "ftp"'):
        service_url({"AZURE_STORAGE_ACCOUNT": "me", "AZURE_STORAGE_PROTOCOL": "ftp"})


def test_metadata_as_go_writes_it() -> None:
    """Values are percent-encoded, so any key can be one; what is too long is left out."""
    metadata = {"cachekey": "a b/ä\n$x"}
    assert encoded(metadata) == {"cachekey": "a%20b%2F%C3%A4%0A$x"}
    assert decoded(encoded(metadata)) == metadata
    assert encoded({"cachekey": "x" * 2000}) == {}
