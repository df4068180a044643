"""Remote caches on Google Cloud Storage, by its emulator (job-execution.md 7.5)."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pyrunner.config.cache import CacheConfig, GCSCache
from tests.support.object_storage import BUCKET, CacheHost, free_port, needed_command, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ACCOUNT = "runner@project.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key as Google gives them out."""
    if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.cloud") is None:
        pytest.skip("needs the extra gcs: pip install 'pyrunner[gcs]'")
    file = tmp_path_factory.mktemp("gcs") / "key.pem"
    needed_command("openssl")
    command = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"]
    subprocess.run([*command, str(file)], check=True, capture_output=True)
    return file


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with a bucket."""
    port = free_port()
    command = [
        *(needed_command("fake-gcs-server"), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
        *("-backend", "memory", "-public-host", f"127.0.0.1:{port}"),
    ]
    with serving(command, port, tmp_path_factory.mktemp("gcs") / "server.log"):
        url = f"http://127.0.0.1:{port}"
        body = json.dumps({"name": BUCKET}).encode()
        request = urllib.request.Request(
            f"{url}/storage/v1/b?project=p", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request).close()
        yield url


def config(key: Path, **changes: Any) -> CacheConfig:
    """Return a configuration that signs with ``key``."""
    gcs = GCSCache(access_id=ACCOUNT, private_key=key.read_text(), bucket_name=BUCKET)
    return CacheConfig(type="gcs", max_uploaded_archive_size=1_000_000, gcs=replace(gcs, **changes))


def test_a_cache_is_found_on_another_host(emulator: str, key: Path, tmp_path: Path) -> None:
    """Stored with its limit and metadata signed, found by its name, not fetched twice."""
    settings = {"STORAGE_EMULATOR_HOST": emulator}
    host = CacheHost(tmp_path / "one", config(key), **settings)
    log = host.save("cache key/ä", "content")
    assert f"Uploading cache.zip to {emulator}/{BUCKET}/runner/t1_abcdef/project/10/cache%20key/" in log
    assert "Primary cache already exists remotely, skipping upload" in host.save("cache key/ä")
    other = CacheHost(tmp_path / "two", config(key), **settings)
    more = other.restore("cache key/ä")
    assert other.content == "content"
    assert "X-Goog" not in log + more
    assert "cache.zip is up to date" in other.restore("cache key/ä")
    assert "WARNING: file does not exist" in other.restore("nothing", status=1)


def signed(host: CacheHost, operation: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return place, query and headers of a signed URL."""
    with host.remote() as remote:
        handover = (
            remote.upload("key", {"cachekey": "key"}) if operation == "upload" else remote.download("key")
        )
    url = urlsplit(handover.environment["PYRUNNER_CACHE_URL"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    headers = json.loads(handover.environment.get("PYRUNNER_CACHE_HEADER", "{}"))
    return f"{url.scheme}://{url.netloc}{url.path}", query, headers


def test_what_is_signed(key: Path, tmp_path: Path) -> None:
    """An upload: type, limit and metadata; nobody can send more with this URL."""
    place, query, headers = signed(CacheHost(tmp_path, config(key)), "upload")
    assert place == f"https://storage.googleapis.com/{BUCKET}/runner/t1_abcdef/project/10/key"
    assert query["X-Goog-Credential"].startswith(f"{ACCOUNT}/")
    assert query["X-Goog-Expires"] == "3600"
    expected = "content-type;host;x-goog-content-length-range;x-goog-meta-cachekey"
    assert query["X-Goog-SignedHeaders"] == expected
    assert headers == {
        "x-goog-meta-cachekey": "key",
        "X-Goog-Content-Length-Range": "0,1000000",
        "Content-Type": "application/octet-stream",
    }


def test_a_credentials_file_wins(key: Path, tmp_path: Path) -> None:
    """Over AccessID and PrivateKey; the universe's domain names the server (1.6)."""
    file = tmp_path / "account.json"
    account = {
        "type": "service_account",
        "client_email": "file@project.iam.gserviceaccount.com",
        "private_key": key.read_text(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    file.write_text(json.dumps(account))
    host = CacheHost(
        tmp_path / "host", config(key, credentials_file=str(file), universe_domain="example.com")
    )
    place, query, _ = signed(host, "download")
    assert place.startswith(f"https://storage.example.com/{BUCKET}/")
    assert query["X-Goog-Credential"].startswith("file@project")
    adc = {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}
    host = CacheHost(tmp_path / "adc", config(key, access_id="", private_key=""), **adc)
    _, query, _ = signed(host, "download")
    assert query["X-Goog-Credential"].startswith("file@project")
