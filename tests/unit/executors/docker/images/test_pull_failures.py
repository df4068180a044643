"""Failure classes of a pull (docker-executor.md 3.3)."""

from __future__ import annotations

import pytest

from pyrunner.executors.docker.images.pull_failures import pull_failure_reason, worth_another_try

EXTERNAL = "runner_external_dependency_failure"
CONFIGURATION = "runner_configuration_error"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("dial tcp 1.2.3.4:443", EXTERNAL),
        ("connect: Connection Refused", EXTERNAL),
        ("lookup x: no such host", EXTERNAL),
        ("read: i/o timeout", EXTERNAL),
        ("net/http: TLS handshake timeout", EXTERNAL),
        ("context deadline exceeded (Client.Timeout exceeded while awaiting headers)", EXTERNAL),
        ("net/http: request canceled while waiting for connection", EXTERNAL),
        ("read: connection reset by peer", EXTERNAL),
        ("manifest for x:1 not found: manifest unknown", CONFIGURATION),
        ("MANIFEST UNKNOWN", CONFIGURATION),
        ("pull access denied for x", CONFIGURATION),
        ("requested access to the resource is denied", CONFIGURATION),
        ("no basic auth credentials", CONFIGURATION),
        ("repository does not exist or may require 'docker login'", CONFIGURATION),
        ("unauthorized: incorrect username", CONFIGURATION),
        ("authentication required", CONFIGURATION),
        ("toomanyrequests: You have reached your pull rate limit", "image_pull_failure"),
        ("context deadline exceeded", "image_pull_failure"),
        ("", "image_pull_failure"),
        # the first match wins
        ("dial tcp: lookup registry: not found", EXTERNAL),
    ],
)
def test_every_class(text: str, reason: str) -> None:
    """Each text of the table, in any case; only failures outside are worth another try."""
    assert pull_failure_reason(text) == reason
    assert worth_another_try(reason) is (reason == EXTERNAL)
