"""Remote caches on Azure Blob Storage, by azurite (job-execution.md 7.5)."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.config.cache import AzureCache, CacheConfig
from tests.support.certificates import Certificates, make_certificates
from tests.support.object_storage import BUCKET, CacheHost, free_port, needed_command, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ACCOUNT = "account"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Azurite:
    """A server with a container; tokens are for https only, so it has a certificate."""

    def __init__(self, port: int, certificates: Certificates) -> None:
        self.config = CacheConfig(
            type="azure",
            azure=AzureCache(
                account_name=ACCOUNT,
                account_key=KEY,
                container_name=BUCKET,
                storage_domain=f"127.0.0.1:{port}",
            ),
        )
        #: Trust in the certificate.
        self.environment = {"REQUESTS_CA_BUNDLE": str(certificates.ca)}
        blobs: Any = importlib.import_module("azure.storage.blob")
        self.container = blobs.ContainerClient(
            f"https://127.0.0.1:{port}/{ACCOUNT}",
            BUCKET,
            credential=KEY,
            connection_verify=str(certificates.ca),
        )


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A server with an empty container."""
    if importlib.util.find_spec("azure") is None or importlib.util.find_spec("azure.storage") is None:
        pytest.skip("needs the extra azure: pip install 'pyrunner[azure]'")
    command = needed_command("azurite-blob")
    folder = tmp_path_factory.mktemp("azurite")
    certificates = make_certificates(folder / "certificates")
    port = free_port()
    arguments = [
        *(command, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)),
        *("--silent", "--skipApiVersionCheck", "--disableTelemetry"),
        *("--cert", str(certificates.server), "--key", str(certificates.server_key)),
    ]
    with serving(arguments, port, folder / "server.log", {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}):
        server = Azurite(port, certificates)
        server.container.create_container()
        yield server
        server.container.close()


def test_a_cache_is_found_on_another_host(azurite: Azurite, tmp_path: Path) -> None:
    """Stored and found with a token for one blob, not fetched twice; the token is in no log."""
    host = CacheHost(tmp_path / "one", azurite.config, **azurite.environment)
    log = host.save("cache key/ä+", "content")
    assert "Using GoCloud URL for cache upload" in log
    names = [one.name for one in azurite.container.list_blobs()]
    assert "runner/t1_abcdef/project/10/cache key/ä+" in names
    assert "cache.zip is up to date" in host.restore("cache key/ä+")
    other = CacheHost(tmp_path / "two", azurite.config, **azurite.environment)
    more = other.restore("cache key/ä+")
    assert other.content == "content"
    assert (other.archive.parent / "metadata.json").read_text() == '{"cachekey":"cache key/\\u00e4+"}'
    assert "sig=" not in log + more
    assert KEY not in log + more


def test_a_missing_blob_leaves_the_local_archive(azurite: Azurite, tmp_path: Path) -> None:
    """No error: what is here is extracted, if there is anything (7.2)."""
    host = CacheHost(tmp_path, azurite.config, **azurite.environment)
    assert "WARNING: Cache file does not exist" in host.restore("nothing", status=1)
    host.save("something", "content")
    os.unlink(host.tree / "lib" / "file")
    host.restore("nothing")
    assert host.content == "content"


def test_blocks_in_parallel(azurite: Azurite, tmp_path: Path) -> None:
    """FF_USE_PARALLEL_CACHE_TRANSFER, with progress."""
    tuning = {
        "FF_USE_PARALLEL_CACHE_TRANSFER": "true",
        "CACHE_CHUNK_SIZE": "100000",
        "CACHE_CONCURRENCY": "4",
        "TRANSFER_METER_FREQUENCY": "1s",
    }
    host = CacheHost(tmp_path, azurite.config, **azurite.environment, **tuning)
    (host.tree / "lib" / "noise").write_bytes(os.urandom(1_000_000))
    log = host.save("large", "content")
    assert "1.00 MB/1.00 MB" in log
    made = host.archive.read_bytes()
    host.forget()
    assert "(parallel)" in host.restore("large")
    assert host.archive.read_bytes() == made


def test_a_token_is_for_one_blob(azurite: Azurite, tmp_path: Path) -> None:
    """With the token for one cache no other one can be read."""
    host = CacheHost(tmp_path, azurite.config, **azurite.environment)
    host.save("mine", "content")
    host.save("other", "content")
    host.forget()
    with host.remote() as remote:
        handover = remote.download("mine")
    flags = [one.replace("/mine", "/other") for one in handover.flags]
    log = host.run(["cache-extractor", *flags], handover.environment, status=1)
    assert "received: 403" in log
    assert not host.archive.exists()
