"""[runners.monitoring] and [pyrunner.metrics]: what refuses the file."""

from __future__ import annotations

import pytest

from pyrunner.config.load import parse_config
from pyrunner.errors import ConfigError

HEAD = "[[runners]]\n[[runners.monitoring.job_queuing_durations]]\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'periods = ["* * * *"]',
            r"3:1: runners.monitoring.job_queuing_durations.periods: '\* \* \* \*' has 4",
        ),
        ('timezone = "Mars/Base"', 'timezone: "Mars/Base" is no time zone'),
        (
            'jobs_running_for_project = "("',
            r'jobs_running_for_project: "\(" is no regular expression: missing',
        ),
    ],
)
def test_wrong_rules(line: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """As a wrong type: with its place, and nothing else is printed (1.14)."""
    with pytest.raises(ConfigError, match=message):
        parse_config(f"{HEAD}{line}\n".encode(), {})
    assert capfd.readouterr().err == ""


def test_good_rules() -> None:
    """The documentation's example."""
    text = (
        'periods = ["* * 10 * * * *"]\ntimezone = "UTC"\nthreshold = "5m"\n'
        'jobs_running_for_project = "^(0|1(0+)?|Inf\\\\+)$"\n'
    )
    [runner] = parse_config(f"{HEAD}{text}".encode(), {}).runners
    assert runner.monitoring is not None
    assert runner.monitoring.job_queuing_durations[0].threshold == 300.0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('certificate_file = "/a"', "pyrunner.metrics.certificate_file: needs certificate_key_file"),
        ('certificate_key_file = "/a"', "pyrunner.metrics.certificate_key_file: needs certificate_file"),
    ],
)
def test_half_a_certificate(line: str, message: str) -> None:
    """Both files or none: the server would otherwise be without TLS, unnoticed."""
    with pytest.raises(ConfigError, match=message):
        parse_config(f"[pyrunner.metrics]\n{line}\n".encode(), {})
