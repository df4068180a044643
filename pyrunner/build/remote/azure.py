"""Signs for Azure Blob Storage: a token for one blob and one direction (job-execution.md 7.5)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from pyrunner.build.remote.signed import LONGEST, Opening, Signed
from pyrunner.config.cache import DEFAULT_STORAGE_DOMAIN, AzureCache
from pyrunner.errors import RemoteCacheError
from pyrunner.system.extras import load_extra

#: Tokens are good from an hour ago: clocks differ.
_BEFORE: Final = timedelta(hours=1)


class AzureBackend:
    """Signs for one container.

    :raises RemoteCacheError: for settings that cannot work, and without the library.
    """

    def __init__(self, opening: Opening) -> None:
        if opening.config.azure is None:
            raise RemoteCacheError("cache adapter could not be initialized: missing Azure configuration")
        self._config = _usable(opening.config.azure)
        self._blob = load_extra("azure.storage.blob", "azure")
        self._failures = load_extra("azure.core.exceptions", "azure")
        self._lifetime = timedelta(seconds=opening.lifetime)
        self._delegation: Any = None

    def download(self, name: str, alternate: str) -> Signed:
        """Sign fetching ``name``; the token is for this blob, so the other one cannot be had with it."""
        return Signed(gocloud_url=self._url(name), environment=self._environment(name, upload=False))

    def upload(self, name: str, metadata: Mapping[str, str]) -> Signed:
        """Sign storing ``name``; the helper itself sends the metadata."""
        return Signed(gocloud_url=self._url(name), environment=self._environment(name, upload=True))

    def _url(self, name: str) -> str:
        return f"azblob://{self._config.container_name}/{quote(name.lstrip('/'), safe='/$&+,:;=@')}"

    def _environment(self, name: str, upload: bool) -> dict[str, str]:
        return {
            "AZURE_STORAGE_ACCOUNT": self._config.account_name,
            "AZURE_STORAGE_DOMAIN": self._config.storage_domain,
            "AZURE_STORAGE_SAS_TOKEN": self._token(name.lstrip("/"), upload),
        }

    def _token(self, name: str, upload: bool) -> str:
        now = datetime.now(UTC)
        permission = self._blob.BlobSasPermissions(read=not upload, write=upload)
        try:
            token = self._blob.generate_blob_sas(
                account_name=self._config.account_name,
                container_name=self._config.container_name,
                blob_name=name,
                permission=permission,
                start=now - _BEFORE,
                expiry=now + self._lifetime,
                protocol="https",
                **self._signer(now),
            )
        except (self._failures.AzureError, ValueError) as error:
            raise RemoteCacheError(f"creating Azure SAS: {error}") from error
        return str(token)

    def _signer(self, now: datetime) -> dict[str, Any]:
        if self._config.account_key:
            return {"account_key": self._config.account_key}
        if self._delegation is None:
            self._delegation = self._delegation_key(now)
        return {"user_delegation_key": self._delegation}

    def _delegation_key(self, now: datetime) -> Any:
        """Ask for a key to sign with in the name of this machine's identity; it lasts a week at most."""
        identity = load_extra("azure.identity", "azure")
        domain = self._config.storage_domain or DEFAULT_STORAGE_DOMAIN
        url = f"https://{self._config.account_name}.{domain}"
        start = now - _BEFORE
        expiry = min(now + self._lifetime, start + timedelta(seconds=LONGEST))
        self._lifetime = expiry - now
        try:
            service = self._blob.BlobServiceClient(
                url, credential=identity.DefaultAzureCredential(), connection_timeout=5, read_timeout=10
            )
            return service.get_user_delegation_key(key_start_time=start, key_expiry_time=expiry)
        except (self._failures.AzureError, ValueError) as error:
            raise RemoteCacheError(f"failed to get User Delegation Key: {error}") from error


def _usable(config: AzureCache) -> AzureCache:
    """Return ``config`` when it can work."""
    if not config.account_name:
        raise RemoteCacheError("missing Azure storage account name: set AccountName in [runners.cache.azure]")
    if not config.container_name:
        raise RemoteCacheError("ContainerName can't be empty: set it in [runners.cache.azure]")
    try:
        base64.b64decode(config.account_key, validate=True)
    except ValueError:
        raise RemoteCacheError(
            "creating Azure SAS: AccountKey of [runners.cache.azure] is not base64: "
            "copy it as the portal shows it"
        ) from None
    return config
