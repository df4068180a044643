"""First lines of the trace and of policy jobs (job-execution.md 6.2)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner import __version__
from pyrunner.build.header import header_lines, policy_lines
from tests.support.contexts import build_context, payload


def test_header() -> None:
    """Who runs, for whom, and the flags off their default in upstream's order."""
    flags = {"FF_TIMESTAMPS": False, "FF_SCRIPT_SECTIONS": True, "FF_USE_FASTZIP": True}
    assert header_lines(build_context(runner={"feature_flags": flags})) == [
        f"Running with pyrunner {__version__} (compatible with gitlab-runner 19.4.0)",
        "  on desk abcdefghi, system ID: s_1234567890ab",
        "  feature flags: FF_SCRIPT_SECTIONS:true, FF_TIMESTAMPS:false",
    ]


def test_header_without_token_and_flags() -> None:
    """Lines with nothing to say are left out."""
    assert len(header_lines(build_context(runner={"token": ""}))) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {},
            "Variables defined in the policy take precedence over matching user-defined CI/CD variables "
            "for this job.",
        ),
        (
            {"policy_variables_override_allowed": True, "policy_variables_override_exceptions": ["A", "B"]},
            "User-defined CI/CD variables are allowed in this job (except for A, B) according to the policy.",
        ),
        (
            {"policy_variables_override_allowed": False},
            "User-defined CI/CD variables are ignored in this job according to the policy.",
        ),
    ],
)
def test_policy_jobs_say_so(options: dict[str, Any], sentence: str) -> None:
    """Three states of the override switch."""
    job = payload(policy_options={"execution_policy_job": True, "policy_name": "scan", **options})
    assert policy_lines(build_context(job=job)) == ['Job triggered by policy "scan".', sentence]


def test_other_jobs_say_nothing() -> None:
    """The options alone do not make a policy job."""
    assert policy_lines(build_context()) == []
