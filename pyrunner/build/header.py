"""The first lines of a job's trace, and the lines of a policy job, as plain texts (job-execution.md 6.2)."""

from __future__ import annotations

from pyrunner import COMPATIBLE_VERSION, __version__
from pyrunner.build.context import BuildContext


def header_lines(context: BuildContext) -> list[str]:
    """Return who runs the job, for whom, and with which flags off their default."""
    lines = [f"Running with pyrunner {__version__} (compatible with gitlab-runner {COMPATIBLE_VERSION})"]
    runner = context.runner
    if runner.short_token:
        lines.append(f"  on {runner.name} {runner.short_token}, system ID: {context.record.system_id}")
    flags = context.features.changed()
    changed = ", ".join(f"{name}:{'true' if value else 'false'}" for name, value in flags)
    if changed:
        lines.append(f"  feature flags: {changed}")
    return lines


def policy_lines(context: BuildContext) -> list[str]:
    """Return what a job that a policy made says before its first user step; none for other jobs."""
    options = context.job.policy_options
    if not options.execution_policy_job:
        return []
    lines = [f'Job triggered by policy "{options.policy_name}".']
    allowed = options.policy_variables_override_allowed
    if allowed is None:
        lines.append(
            "Variables defined in the policy take precedence over matching user-defined CI/CD variables "
            "for this job."
        )
        return lines
    exceptions = options.policy_variables_override_exceptions
    listed = f" (except for {', '.join(exceptions)})" if exceptions else ""
    word = "allowed" if allowed else "ignored"
    lines.append(f"User-defined CI/CD variables are {word} in this job{listed} according to the policy.")
    return lines
