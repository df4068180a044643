"""The typed model."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pyrunner.config.cache import S3Cache
from pyrunner.config.docker import DockerConfig, DockerService
from pyrunner.config.load import parse_config
from pyrunner.config.model import Config, RunnerConfig
from pyrunner.config.tables import CustomExecutor
from pyrunner.errors import PayloadError


def test_round_trip_through_json() -> None:
    """What job.json holds gives the same entry back."""
    text = (
        'labels = { zone = "eu1" }\n[[runners]]\ntoken = "glrt-t3_AbCdEf123456"\ntls-ca-file = "/ca"\n'
        'token_expires_at = 2027-01-02T03:04:05Z\nunhealthy_interval = "90s"\n[runners.docker]\n'
        'services_devices = { a = ["b"] }\n[[runners.docker.services]]\nname = "pg"\n'
        "[runners.cache.s3]\nPathStyle = true\n[runners.tristan]\ndependency_lib = ['java']\n"
        "min_free = '1GB'\n"
        "[runners.autoscaler.plugin_config]\nwhen = 2027-01-02\nlist = [{ a = 07:32:00 }]\n"
        "[[runners.monitoring.job_queuing_durations]]\nthreshold = '1h'\n"
    )
    runner = parse_config(text.encode(), {}).runners[0]
    again = RunnerConfig.from_dict(json.loads(json.dumps(runner.to_dict())))
    assert again == runner
    assert again.token_expires_at == datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_broken_record_is_an_error() -> None:
    """A record that was tampered with does not become an entry."""
    broken: list[dict[str, Any]] = [{"limit": "x"}, {"token_expires_at": 5}, {"docker": []}]
    for value in broken:
        with pytest.raises(PayloadError):
            RunnerConfig.from_dict(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (RunnerConfig().effective_output_limit, 4096 * 1024),
        (RunnerConfig(output_limit=1).effective_output_limit, 1024),
        (RunnerConfig(request_concurrency=-3).effective_request_concurrency, 1),
        (RunnerConfig().effective_unhealthy_requests_limit, 3),
        (RunnerConfig(unhealthy_requests_limit=-1).effective_unhealthy_requests_limit, 3),
        (RunnerConfig().effective_unhealthy_interval, 3600.0),
        (RunnerConfig(unhealthy_interval=0.0).effective_unhealthy_interval, 0.0),
        (RunnerConfig().effective_job_status_final_update_retry_limit, 10),
        (RunnerConfig().effective_strict_check_interval, False),
        (RunnerConfig().artifact.effective_upload_timeout, 3600.0),
        (RunnerConfig().artifact.effective_response_header_timeout, 600.0),
        (Config(check_interval=-1).effective_check_interval, 3.0),
        (Config(check_interval=9).effective_check_interval, 9.0),
        (Config(shutdown_timeout=0).effective_shutdown_timeout, 30.0),
        (DockerConfig().effective_pull_policy, ["always"]),
        (DockerConfig(privileged=True).effective_services_privileged, True),
        (DockerConfig(privileged=True, services_privileged=False).effective_services_privileged, False),
        (DockerConfig(services_limit=-1).effective_services_limit, None),
        (DockerConfig(services_limit=0).effective_services_limit, 0),
        (DockerConfig().effective_wait_for_services_timeout, 30),
        (DockerConfig(wait_for_services_timeout=-1).effective_wait_for_services_timeout, -1),
        (CustomExecutor().effective_force_kill_timeout, 10),
        (CustomExecutor(graceful_kill_timeout=0).effective_graceful_kill_timeout, 600),
        (CustomExecutor(config_exec_timeout=5).effective_config_exec_timeout, 5),
        (S3Cache().effective_authentication_type, "iam"),
        (
            S3Cache(server_address="a", access_key="b", secret_key="c").effective_authentication_type,
            "access-key",
        ),
        (S3Cache(authentication_type="IAM").effective_authentication_type, "iam"),
    ],
)
def test_effective_values(value: object, expected: object) -> None:
    """Zero, absent and out-of-range values mean gitlab-runner's defaults."""
    assert value == expected


def test_blank_token_is_no_token() -> None:
    """White space does not make a runner that can be polled."""
    assert not RunnerConfig(token=" \t").has_token
    assert RunnerConfig(token="t").has_token


def test_services_are_typed() -> None:
    """Services arrive as objects with empty lists where the file has none."""
    runner = parse_config(b'[[runners]]\n[[runners.docker.services]]\nname = "pg"\n', {}).runners[0]
    assert runner.docker
    assert runner.docker.services == [DockerService(name="pg")]
