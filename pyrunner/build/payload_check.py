"""What is wrong with a payload before anything of it runs (job-execution.md 1.1 step 0)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.protocol.job import Image, Job
from pyrunner.system.golang import quoted

#: Exit code reported with the text of :func:`payload_error`.
UNSUPPORTED_OPTIONS_EXIT_CODE: Final = 3

_SUPPORTED: Final = {"docker": ("platform", "user"), "kubernetes": ("user",)}


def payload_error(job: Job) -> str | None:
    """Return why the payload cannot be run, one finding a line; None when it can.

    The job fails as ``runner_system_failure`` with :data:`UNSUPPORTED_OPTIONS_EXIT_CODE`, the text and a
    newline being all of its trace.
    """
    findings = _unsupported_options(job.image)
    for service in job.services:
        findings.extend(_unsupported_options(service))
    if (finding := _run_error(job)) is not None:
        findings.append(finding)
    return "\n".join(findings) or None


def _unsupported_options(image: Image) -> list[str]:
    options = image.executor_opts
    findings = _unknown(options, tuple(sorted(_SUPPORTED)), "executor_opts")
    for executor, supported in _SUPPORTED.items():
        value = options.get(executor)
        if isinstance(value, dict):
            findings.extend(_unknown(value, supported, f"{executor} executor"))
    return findings


def _unknown(options: dict[str, Any], supported: tuple[str, ...], place: str) -> list[str]:
    unknown = sorted(key for key in options if key not in supported)
    if not unknown:
        return []
    return [
        f"Unsupported {quoted('image')} options [{' '.join(unknown)}] for {quoted(place)}; "
        f"supported options are [{' '.join(supported)}]"
    ]


def _run_error(job: Job) -> str | None:
    if not job.run:
        return None
    if any(step.script for step in job.steps):
        return "the `run` and `script` keywords cannot be used together"
    if any(one.key == "STEPS" and one.value for one in job.variables):
        return "the `run` keyword requires the exclusive use of the variable STEPS"
    return None
