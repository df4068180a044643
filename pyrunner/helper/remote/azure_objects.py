"""Azure Blob Storage with a token for one blob (job-execution.md 7.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import UsageError
from pyrunner.helper.remote.failures import RetriableError, TransferError
from pyrunner.helper.remote.gocloud import ObjectMissing, Place
from pyrunner.helper.remote.object_metadata import decoded, encoded
from pyrunner.helper.remote.options import Tuning
from pyrunner.helper.remote.storing import Attributes
from pyrunner.system.extras import load_extra

_DOMAIN: Final = "blob.core.windows.net"
_CONNECT: Final = 30
_SILENCE: Final = 30
_TRUE: Final = ("1", "t", "T", "true", "TRUE", "True")


class AzureObjects:
    """One container, by azure-storage-blob."""

    def __init__(self, place: Place, environment: Mapping[str, str], tuning: Tuning) -> None:
        self._blobs = load_extra("azure.storage.blob", "azure")
        self._failures = load_extra("azure.core.exceptions", "azure")
        self._url = service_url(environment)
        self._container = place.bucket
        self._tuning = tuning
        self._options: dict[str, Any] = {
            "credential": environment.get("AZURE_STORAGE_SAS_TOKEN") or None,
            "connection_timeout": _CONNECT,
            "read_timeout": _SILENCE,
            "retry_total": tuning.retries,
            "max_block_size": tuning.chunk,
            "max_single_put_size": tuning.chunk,
            "max_single_get_size": tuning.buffer,
            "max_chunk_get_size": tuning.buffer,
        }

    def attributes(self, name: str) -> Attributes:
        """Return size, time and metadata."""
        with self._named("head", name), self._blob(name) as blob:
            found = blob.get_blob_properties()
        return Attributes(
            found.size, found.last_modified.timestamp(), found.etag or "", decoded(found.metadata or {})
        )

    def read(self, name: str, offset: int, length: int, etag: str) -> Iterator[bytes]:
        """Yield a range."""
        conditions: dict[str, Any] = {}
        if etag:
            unmodified = load_extra("azure.core", "azure").MatchConditions.IfNotModified
            conditions = {"etag": etag, "match_condition": unmodified}
        with self._named("get", name), self._blob(name) as blob:
            yield from blob.download_blob(offset, length, **conditions).chunks()

    def write(self, name: str, file: Path, metadata: Mapping[str, str], count: Callable[[int], None]) -> str:
        """Store a file, in blocks beyond the size of one."""
        done = 0

        def progress(current: int, _total: int | None) -> None:
            nonlocal done
            count(max(current - done, 0))
            done = max(current, done)

        with self._named("put", name), self._blob(name) as blob, file.open("rb") as content:
            stored = blob.upload_blob(
                content,
                length=file.stat().st_size,
                overwrite=True,
                metadata=encoded(metadata),
                max_concurrency=max(self._tuning.concurrency, 1) if self._tuning.parallel else 1,
                progress_hook=progress,
            )
        return str(stored.get("etag") or "")

    def _blob(self, name: str) -> Any:
        return self._blobs.BlobClient(self._url, self._container, name, **self._options)

    @contextmanager
    def _named(self, what: str, name: str) -> Iterator[None]:
        """Turn what the library raises into ours, without the token in its URLs."""
        place = f"{what} azblob://{self._container}/{name}"
        try:
            yield
        except self._failures.ResourceNotFoundError as error:
            raise ObjectMissing(f"{place}: {_code(error)}") from error
        except self._failures.HttpResponseError as error:
            status = error.status_code or 0
            text = f"{place}: received: {status} {error.reason}. Request failed with code: {_code(error)}"
            raise (RetriableError(text) if status // 100 == 5 else TransferError(text)) from error
        except self._failures.AzureError as error:
            raise RetriableError(f"{place}: no answer ({type(error).__name__})") from error
        except ValueError as error:
            raise TransferError(f"{place}: not a blob's address") from error


def service_url(environment: Mapping[str, str]) -> str:
    """Return the URL of an account, from the variables that ``gocloud.dev`` knows.

    :raises UsageError: when they name none.
    """
    account = environment.get("AZURE_STORAGE_ACCOUNT", "")
    if not account:
        raise UsageError("no Azure storage account: AZURE_STORAGE_ACCOUNT is not set")
    domain = environment.get("AZURE_STORAGE_DOMAIN", "") or _DOMAIN
    protocol = environment.get("AZURE_STORAGE_PROTOCOL", "") or "https"
    if protocol not in ("http", "https"):
        raise UsageError(f'invalid protocol "{protocol}" in AZURE_STORAGE_PROTOCOL: use http or https')
    local = environment.get("AZURE_STORAGE_IS_LOCAL_EMULATOR", "") in _TRUE
    if local or domain.startswith(("127.0.0.1", "localhost")):
        return f"{protocol}://{domain}/{account}"
    if environment.get("AZURE_STORAGE_IS_CDN", "") in _TRUE:
        return f"{protocol}://{domain}"
    return f"{protocol}://{account}.{domain}"


def _code(error: Any) -> str:
    return str(getattr(error, "error_code", "") or "unknown")
