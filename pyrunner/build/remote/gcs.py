"""Signs for Google Cloud Storage: presigned URLs (job-execution.md 7.5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pyrunner.build.remote.metadata import metadata_headers
from pyrunner.build.remote.signed import Opening, Signed
from pyrunner.config.cache import DEFAULT_UNIVERSE_DOMAIN, GCSCache
from pyrunner.errors import RemoteCacheError
from pyrunner.system.extras import load_extra

_SCOPES: Final = ("https://www.googleapis.com/auth/devstorage.read_write",)
#: For keyless accounts, whose signatures IAM makes.
_SIGNING_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_CONTENT_TYPE: Final = "application/octet-stream"
_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, no secret


class GCSBackend:
    """Signs for one bucket.

    :param environment: ``STORAGE_EMULATOR_HOST`` counts, as for every client of Google's.
    :raises RemoteCacheError: for settings that cannot work, and without the library.
    """

    def __init__(self, opening: Opening, environment: Mapping[str, str]) -> None:
        if opening.config.gcs is None:
            raise RemoteCacheError("cache adapter could not be initialized: missing GCS configuration")
        self._config = opening.config.gcs
        if not self._config.bucket_name:
            raise RemoteCacheError("config BucketName cannot be empty: set it in [runners.cache.gcs]")
        self._lifetime = timedelta(seconds=opening.lifetime)
        self._limit = opening.config.max_uploaded_archive_size
        storage = load_extra("google.cloud.storage", "gcs")
        self._failures = load_extra("google.auth.exceptions", "gcs")
        self._endpoint = _endpoint(self._config, environment)
        try:
            self._credentials = _credentials(self._config)
            # Signing asks no project; without one the library would look for it in vain.
            client = storage.Client(project="none", credentials=self._credentials)
            self._bucket = client.bucket(self._config.bucket_name)
        except (self._failures.GoogleAuthError, OSError, ValueError) as error:
            raise RemoteCacheError(f"creating storage client: {error}") from error

    def download(self, name: str, alternate: str) -> Signed:
        """Sign fetching ``name``."""
        return Signed(
            url=self._signed("GET", name),
            head_url=self._signed("HEAD", name),
            alternate_url=self._signed("GET", alternate) if alternate else "",
            alternate_head_url=self._signed("HEAD", alternate) if alternate else "",
        )

    def upload(self, name: str, metadata: Mapping[str, str]) -> Signed:
        """Sign storing ``name``; nothing larger than the limit is taken with this URL."""
        headers = metadata_headers("x-goog-meta-", metadata)
        if self._limit > 0:
            headers["X-Goog-Content-Length-Range"] = f"0,{self._limit}"
        url = self._signed("PUT", name, content_type=_CONTENT_TYPE, headers=dict(headers))
        return Signed(
            url=url,
            head_url=self._signed("HEAD", name),
            headers={**headers, "Content-Type": _CONTENT_TYPE},
        )

    def _signed(self, method: str, name: str, **options: object) -> str:
        try:
            url = self._bucket.blob(name).generate_signed_url(
                version="v4",
                expiration=self._lifetime,
                method=method,
                api_access_endpoint=self._endpoint,
                **options,
                **self._signer(),
            )
        except (self._failures.GoogleAuthError, AttributeError, ValueError) as error:
            raise RemoteCacheError(f"generating signed URL: {error}") from error
        return str(url)

    def _signer(self) -> dict[str, Any]:
        """Return how to sign: with the account's key, else by IAM in its name."""
        credentials = self._credentials
        if hasattr(credentials, "sign_bytes"):
            return {}
        if not credentials.valid:
            credentials.refresh(load_extra("google.auth.transport.requests", "gcs").Request())
        email = getattr(credentials, "service_account_email", "")
        if not email or email == "default":
            raise RemoteCacheError(
                "generating signed URL: these Google credentials belong to no service account, "
                "which alone can sign: set CredentialsFile in [runners.cache.gcs]"
            )
        return {"service_account_email": email, "access_token": credentials.token}


def _endpoint(config: GCSCache, environment: Mapping[str, str]) -> str:
    if emulator := environment.get("STORAGE_EMULATOR_HOST", ""):
        return emulator if "://" in emulator else f"http://{emulator}"
    return f"https://storage.{config.universe_domain or DEFAULT_UNIVERSE_DOMAIN}"


def _credentials(config: GCSCache) -> Any:
    """Return what signs (1.6): a file, an id with its key, else what this machine has."""
    auth = load_extra("google.auth", "gcs")
    if config.credentials_file:
        service_account = load_extra("google.oauth2.service_account", "gcs")
        try:
            return service_account.Credentials.from_service_account_file(
                config.credentials_file, scopes=_SCOPES
            )
        except ValueError:
            # Not a key: a file for impersonation or a federated identity.
            credentials, _ = auth.load_credentials_from_file(config.credentials_file, scopes=_SIGNING_SCOPES)
            return credentials
    if config.access_id or config.private_key:
        if not (config.access_id and config.private_key):
            raise RemoteCacheError("AccessID and PrivateKey of [runners.cache.gcs] are both needed")
        crypt = load_extra("google.auth.crypt", "gcs")
        service_account = load_extra("google.oauth2.service_account", "gcs")
        signer = crypt.RSASigner.from_string(config.private_key)
        return service_account.Credentials(signer, config.access_id, _TOKEN_URI)
    credentials, _ = auth.default(scopes=_SIGNING_SCOPES)
    return credentials
