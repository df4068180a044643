"""One transport per credentials (runner-api.md 4.5)."""

from __future__ import annotations

from dataclasses import replace

from pyrunner.config.model import RunnerConfig
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.transports import Transports

ORCHARD = RunnerCredentials("https://gitlab.example.com", "glrt-a", "orchard")


def test_the_same_credentials_share_a_transport() -> None:
    """The workers of a runner share ``last_update`` and connections; another token or CA does not."""
    transports = Transports()
    first = transports.get(ORCHARD)
    assert transports.get(replace(ORCHARD)) is first
    assert transports.get(replace(ORCHARD, token="glrt-b")) is not first
    assert transports.get(replace(ORCHARD, tls_ca_file="/ca.pem")) is not first
    transports.close()


def test_what_left_the_configuration_is_forgotten() -> None:
    """After a reload the others keep what they know."""
    transports = Transports()
    other = replace(ORCHARD, token="glrt-b")
    kept, gone = transports.get(ORCHARD), transports.get(other)
    transports.keep_only({ORCHARD})
    assert transports.get(ORCHARD) is kept
    assert transports.get(other) is not gone


def test_credentials_come_from_a_runner_entry_and_hide_the_token() -> None:
    """The settings of ``[[runners]]`` fit; the token is in no representation."""
    runner = RunnerConfig(name="n", url="https://h", token="glrt-secret", tls_ca_file="/ca.pem")
    credentials = RunnerCredentials.of(runner)
    expected = RunnerCredentials("https://h", "glrt-secret", "n", tls_ca_file="/ca.pem")
    assert credentials == expected
    assert credentials.is_created_runner
    assert "secret" not in repr(credentials)
