"""Every key that gitlab-runner has a flag for has the same flag and variable (config-and-commands.md 2.3)."""

from __future__ import annotations

import dataclasses

import pytest

from pyrunner.cli.flags import Flag, Kind
from pyrunner.cli.settings import settings_entry, settings_flags
from pyrunner.cli.values import read_values
from pyrunner.config.cache import AzureCache, CacheConfig, GCSCache, S3Cache
from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.config.tables import CustomExecutor, SSHConfig

FLAGS = settings_flags()
BY_NAME = {name: flag for flag in FLAGS for name in flag.names}


def test_names_and_variables_are_unique() -> None:
    """No flag or variable stands for two keys."""
    names = [name for flag in FLAGS for name in flag.names]
    variables = [flag.env for flag in FLAGS if flag.env]
    paths = [flag.path for flag in FLAGS]
    assert len(set(names)) == len(names)
    assert len(set(variables)) == len(variables)
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize(
    ("prefix", "table", "without"),
    [
        (("docker",), DockerConfig, {"services"}),
        (("ssh",), SSHConfig, set()),
        (("custom",), CustomExecutor, set()),
        (("cache",), CacheConfig, {"s3", "gcs", "azure"}),
        (("cache", "s3"), S3Cache, set()),
        (("cache", "gcs"), GCSCache, set()),
        (("cache", "azure"), AzureCache, set()),
    ],
)
def test_tables_are_complete(prefix: tuple[str, ...], table: type, without: set[str]) -> None:
    """Each key of the model's table has exactly one flag."""
    expected = {field.name for field in dataclasses.fields(table)} - without
    assert {flag.path[-1] for flag in FLAGS if flag.path[:-1] == prefix} == expected


def test_runner_keys_are_complete() -> None:
    """Each plain key of an entry has a flag, but for those gitlab-runner has none for."""
    without = {"id", "token_obtained_at", "token_expires_at", "labels"}
    tables = {"custom_build_dir", "artifact", "cache", "monitoring", "docker", "ssh", "custom", "tristan"}
    accepted = {"referees", "experimental", "instance", "parallels", "virtualbox"}
    accepted |= {"machine", "kubernetes", "autoscaler"}
    expected = {field.name for field in dataclasses.fields(RunnerConfig)} - without - tables - accepted
    assert {flag.path[0] for flag in FLAGS if len(flag.path) == 1} == expected


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("name", "RUNNER_NAME"),
        ("description", "RUNNER_NAME"),
        ("u", "CI_SERVER_URL"),
        ("t", "CI_SERVER_TOKEN"),
        ("tls-ca-file", "CI_SERVER_TLS_CA_FILE"),
        ("executor", "RUNNER_EXECUTOR"),
        ("clone-url", "CLONE_URL"),
        ("env", "RUNNER_ENV"),
        ("unhealthy-interval", ""),
        ("job-status-final-update-retry-limit", "RUNNER_job_status_final_update_retry_limit"),
        ("feature-flags", "FEATURE_FLAGS"),
        ("custom_build_dir-enabled", "CUSTOM_BUILD_DIR_ENABLED"),
        ("docker-image", "DOCKER_IMAGE"),
        ("docker-cert-path", "DOCKER_CERT_PATH"),
        ("docker-tlsverify", "DOCKER_TLS_VERIFY"),
        ("docker-userns", "DOCKER_USERNS_MODE"),
        ("docker-ipcmode", "DOCKER_IPC_MODE"),
        ("docker-services_privileged", "DOCKER_SERVICES_PRIVILEGED"),
        ("docker-services_devices", "DOCKER_SERVICES_DEVICES"),
        ("docker-service_gpus", "DOCKER_SERVICE_GPUS"),
        ("docker-allowed_users", "DOCKER_ALLOWED_USERS"),
        ("docker-container-labels", ""),
        ("docker-enable-ipv6", ""),
        ("docker-network-mtu", ""),
        ("docker-cache-dir", "DOCKER_CACHE_DIR"),
        ("cache-dir", "RUNNER_CACHE_DIR"),
        ("cache-type", "CACHE_TYPE"),
        ("cache-max_uploaded_archive_size", "CACHE_MAXIMUM_UPLOADED_ARCHIVE_SIZE"),
        ("cache-s3-authentication_type", "CACHE_S3_AUTHENTICATION_TYPE"),
        ("cache-s3-server-side-encryption-key-id", "CACHE_S3_SERVER_SIDE_ENCRYPTION_KEY_ID"),
        ("cache-gcs-credentials-file", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("cache-azure-account-key", "CACHE_AZURE_ACCOUNT_KEY"),
        ("ssh-identity-file", "SSH_IDENTITY_FILE"),
        ("ssh-disable-strict-host-key-checking", "DISABLE_STRICT_HOST_KEY_CHECKING"),
        ("ssh-known-hosts-file", "KNOWN_HOSTS_FILE"),
        ("custom-run-exec", "CUSTOM_RUN_EXEC"),
        ("custom-run-args", ""),
    ],
)
def test_spellings(name: str, variable: str) -> None:
    """The rule and each of its exceptions."""
    assert BY_NAME[name].env == variable


_TEXTS = {
    Kind.BOOLEAN: "true",
    Kind.OPTIONAL_BOOLEAN: "false",
    Kind.INTEGER: "7",
    Kind.OPTIONAL_INTEGER: "0",
    Kind.DURATION: "1m",
    Kind.MAP: "a:b",
    Kind.LIST_MAP: "a:b",
    Kind.BOOLEAN_MAP: "FF_X:true",
}


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_reaches_its_key(flag: Flag) -> None:
    """The model takes the value of each flag, of the kind that the flag reads."""
    values = read_values(FLAGS, {flag.name: [_TEXTS.get(flag.kind, "text")]}, {})
    runner: object = RunnerConfig.from_dict(settings_entry(FLAGS, values))
    for part in flag.path:
        runner = getattr(runner, part)
    assert runner == values[flag.name]


def test_nothing_given_is_an_empty_entry() -> None:
    """Flags that nobody sets leave no trace in the entry."""
    assert settings_entry(FLAGS, read_values(FLAGS, {}, {})) == {}
