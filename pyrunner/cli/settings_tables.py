"""Flags for ``[runners.cache]`` and its backends, ``[runners.ssh]`` and ``[runners.custom]`` (2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pyrunner.cli.flags import Flag, Kind

#: Table below ``[runners]``, key, kind, help; flag and variable are table and key joined.
_CACHE: Final[tuple[tuple[str, str, Kind, str], ...]] = (
    ("cache", "type", Kind.STRING, "Cache backend: s3, gcs or azure"),
    ("cache", "path", Kind.STRING, "Prefix of object names"),
    ("cache", "shared", Kind.BOOLEAN, "Share the cache between runners"),
    ("cache", "max_uploaded_archive_size", Kind.INTEGER, "Largest archive to upload, in bytes"),
    ("cache-s3", "server_address", Kind.STRING, "host:port of the S3-compatible server"),
    ("cache-s3", "access_key", Kind.STRING, "S3 access key"),
    ("cache-s3", "secret_key", Kind.STRING, "S3 secret key"),
    ("cache-s3", "session_token", Kind.STRING, "S3 session token"),
    ("cache-s3", "bucket_name", Kind.STRING, "Name of the bucket"),
    ("cache-s3", "bucket_location", Kind.STRING, "Region of the bucket"),
    ("cache-s3", "insecure", Kind.BOOLEAN, "Use http instead of https"),
    ("cache-s3", "authentication_type", Kind.STRING, "iam or access-key"),
    ("cache-s3", "server_side_encryption", Kind.STRING, "S3, KMS or DSSE-KMS"),
    ("cache-s3", "server_side_encryption_key_id", Kind.STRING, "ID, alias or ARN of the KMS key"),
    ("cache-s3", "dual_stack", Kind.OPTIONAL_BOOLEAN, "Use dual-stack endpoints"),
    ("cache-s3", "path_style", Kind.OPTIONAL_BOOLEAN, "Use path-style addressing"),
    ("cache-s3", "accelerate", Kind.BOOLEAN, "Use transfer acceleration"),
    ("cache-s3", "role_arn", Kind.STRING, "Role to assume for scoped credentials"),
    ("cache-s3", "upload_role_arn", Kind.STRING, "Role to assume for uploads (deprecated, use role-arn)"),
    ("cache-s3", "assume_role_max_concurrency", Kind.INTEGER, "Most concurrent AssumeRole calls, -1 for any"),
    ("cache-s3", "disable_assume_role_credentials_caching", Kind.BOOLEAN, "Do not keep assumed credentials"),
    ("cache-gcs", "access_id", Kind.STRING, "ID of the GCP service account"),
    ("cache-gcs", "private_key", Kind.STRING, "Private key of the GCP service account"),
    ("cache-gcs", "credentials_file", Kind.STRING, "File with GCP credentials"),
    ("cache-gcs", "bucket_name", Kind.STRING, "Name of the bucket"),
    ("cache-gcs", "universe_domain", Kind.STRING, "Universe domain"),
    ("cache-azure", "account_name", Kind.STRING, "Name of the Azure storage account"),
    ("cache-azure", "account_key", Kind.STRING, "Key of the Azure storage account"),
    ("cache-azure", "container_name", Kind.STRING, "Name of the container"),
    ("cache-azure", "storage_domain", Kind.STRING, "Domain of the storage"),
)

#: Spelled otherwise: flag and variable.
_CACHE_EXCEPTIONS: Final = {
    ("cache", "max_uploaded_archive_size"): (
        "cache-max_uploaded_archive_size",
        "CACHE_MAXIMUM_UPLOADED_ARCHIVE_SIZE",
    ),
    ("cache-s3", "authentication_type"): ("cache-s3-authentication_type", "CACHE_S3_AUTHENTICATION_TYPE"),
    ("cache-gcs", "credentials_file"): ("cache-gcs-credentials-file", "GOOGLE_APPLICATION_CREDENTIALS"),
}

_SSH: Final[tuple[tuple[str, Kind, str], ...]] = (
    ("user", Kind.STRING, "User name"),
    ("password", Kind.STRING, "User password"),
    ("host", Kind.STRING, "Remote host"),
    ("port", Kind.STRING, "Remote host port"),
    ("identity_file", Kind.STRING, "Identity file to be used"),
    ("disable_strict_host_key_checking", Kind.OPTIONAL_BOOLEAN, "Do not check the host's key"),
    ("known_hosts_file", Kind.STRING, "known_hosts file to be used"),
)
_SSH_VARIABLES: Final = {
    "disable_strict_host_key_checking": "DISABLE_STRICT_HOST_KEY_CHECKING",
    "known_hosts_file": "KNOWN_HOSTS_FILE",
}

_CUSTOM: Final[tuple[tuple[str, Kind, str], ...]] = (
    ("config_exec", Kind.STRING, "Executable that provides configuration"),
    ("config_args", Kind.LIST, "Argument of it"),
    ("config_exec_timeout", Kind.OPTIONAL_INTEGER, "Its timeout in seconds"),
    ("prepare_exec", Kind.STRING, "Executable that prepares the environment"),
    ("prepare_args", Kind.LIST, "Argument of it"),
    ("prepare_exec_timeout", Kind.OPTIONAL_INTEGER, "Its timeout in seconds"),
    ("run_exec", Kind.STRING, "Executable that runs a stage's script"),
    ("run_args", Kind.LIST, "Argument of it"),
    ("cleanup_exec", Kind.STRING, "Executable that cleans up"),
    ("cleanup_args", Kind.LIST, "Argument of it"),
    ("cleanup_exec_timeout", Kind.OPTIONAL_INTEGER, "Its timeout in seconds"),
    ("graceful_kill_timeout", Kind.OPTIONAL_INTEGER, "Seconds between asking and killing"),
    ("force_kill_timeout", Kind.OPTIONAL_INTEGER, "Seconds to wait for what was killed"),
)


def cache_flags() -> Iterator[Flag]:
    """Yield the flags of ``[runners.cache]`` and its backends."""
    for table, key, kind, text in _CACHE:
        flag = f"{table}-{key.replace('_', '-')}"
        name, env = _CACHE_EXCEPTIONS.get((table, key), (flag, flag.upper().replace("-", "_")))
        yield Flag((name,), kind, env=env, help=text, path=(*table.split("-"), key))


def ssh_flags() -> Iterator[Flag]:
    """Yield the flags of ``[runners.ssh]``."""
    for key, kind, text in _SSH:
        env = _SSH_VARIABLES.get(key, f"SSH_{key.upper()}")
        yield Flag((f"ssh-{key.replace('_', '-')}",), kind, env=env, help=text, path=("ssh", key))


def custom_flags() -> Iterator[Flag]:
    """Yield the flags of ``[runners.custom]``; the argument lists have no variable."""
    for key, kind, text in _CUSTOM:
        env = "" if kind is Kind.LIST else f"CUSTOM_{key.upper()}"
        yield Flag((f"custom-{key.replace('_', '-')}",), kind, env=env, help=text, path=("custom", key))
