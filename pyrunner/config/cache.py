"""``[runners.cache]`` and its backends (config-and-commands.md 1.6); the file's keys are CamelCase."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

DEFAULT_UNIVERSE_DOMAIN: Final = "googleapis.com"
DEFAULT_STORAGE_DOMAIN: Final = "blob.core.windows.net"
DEFAULT_ASSUME_ROLE_MAX_CONCURRENCY: Final = 5


def _key(toml: str, default: Any, always: bool = False) -> Any:
    """Return a field whose key in the file is ``toml``; ``always``: written even at its default."""
    return field(default=default, metadata={"toml": toml, "always": always})


@dataclass(frozen=True)
class S3Cache:
    """``[runners.cache.s3]``; empty strings where the file has no value."""

    #: ``host[:port]`` without scheme; empty: AWS.
    server_address: str = _key("ServerAddress", "")
    #: Access key; with ``SecretKey``.
    access_key: str = _key("AccessKey", "")
    #: Secret key; with ``AccessKey``.
    secret_key: str = _key("SecretKey", "")
    #: Token of temporary keys.
    session_token: str = _key("SessionToken", "")
    #: The bucket.
    bucket_name: str = _key("BucketName", "")
    #: Region of the bucket; empty: looked up.
    bucket_location: str = _key("BucketLocation", "")
    #: True: plain HTTP.
    insecure: bool = _key("Insecure", False)
    #: ``access-key`` or ``iam``; empty: by whether server and keys are set.
    authentication_type: str = _key("AuthenticationType", "")
    #: ``S3``, ``KMS`` or ``DSSE-KMS``.
    server_side_encryption: str = _key("ServerSideEncryption", "")
    #: Key for the two with KMS.
    server_side_encryption_key_id: str = _key("ServerSideEncryptionKeyID", "")
    #: Addresses that also serve IPv6; absent: true.
    dual_stack: bool | None = _key("DualStack", None)
    #: Bucket in the path instead of the host name; absent: found out.
    path_style: bool | None = _key("PathStyle", None)
    #: True: S3 transfer acceleration.
    accelerate: bool = _key("Accelerate", False)
    #: Role that is assumed for transfers, which go in parts then.
    role_arn: str = _key("RoleARN", "")
    #: Role that is assumed for uploads only.
    upload_role_arn: str = _key("UploadRoleARN", "")
    #: Most jobs that ask for a role's credentials at once; 0 means 5, -1 no limit.
    assume_role_max_concurrency: int = _key("AssumeRoleMaxConcurrency", 0, always=True)
    #: True: an assumed role's credentials are not kept for other jobs.
    disable_assume_role_credentials_caching: bool = _key("DisableAssumeRoleCredentialsCaching", False)

    @property
    def effective_authentication_type(self) -> str:
        """Return ``iam``, ``access-key``, or the unusable word as written (1.6)."""
        if self.authentication_type:
            return self.authentication_type.lower()
        keys = self.server_address and self.access_key and self.secret_key
        return "access-key" if keys else "iam"


@dataclass(frozen=True)
class GCSCache:
    """``[runners.cache.gcs]``."""

    #: JSON file of a service account; it or the next two, else the application default credentials.
    credentials_file: str = _key("CredentialsFile", "")
    #: Address of the service account.
    access_id: str = _key("AccessID", "")
    #: Its key, PEM.
    private_key: str = _key("PrivateKey", "")
    #: The bucket.
    bucket_name: str = _key("BucketName", "")
    #: Domain of the API; empty: ``googleapis.com``.
    universe_domain: str = _key("UniverseDomain", "")


@dataclass(frozen=True)
class AzureCache:
    """``[runners.cache.azure]``."""

    #: The storage account.
    account_name: str = _key("AccountName", "")
    #: Its key; empty: the default Azure credential.
    account_key: str = _key("AccountKey", "")
    #: The container.
    container_name: str = _key("ContainerName", "")
    #: Domain of the storage; empty: ``blob.core.windows.net``.
    storage_domain: str = _key("StorageDomain", "")


@dataclass(frozen=True)
class CacheConfig:
    """``[runners.cache]``; present with its defaults when the file has no such table."""

    #: ``s3``, ``gcs`` or ``azure``; empty: on this host only. Other words are reported when a job runs.
    type: str = _key("Type", "")
    #: Prefix of object names.
    path: str = _key("Path", "")
    #: True: entries with different tokens share their objects.
    shared: bool = _key("Shared", False)
    #: Larger archives are not uploaded; bytes, 0: no limit.
    max_uploaded_archive_size: int = _key("MaxUploadedArchiveSize", 0, always=True)
    s3: S3Cache | None = None
    gcs: GCSCache | None = None
    azure: AzureCache | None = None
