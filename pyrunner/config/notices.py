"""What the owner of a config.toml should know although it can be used (config-and-commands.md 1.14)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pyrunner.config.model import Config, Notice, RunnerConfig

SHELLS: Final = ("bash", "sh", "cmd", "pwsh", "powershell", "")

_BLANK_TOKEN: Final = (
    "Runner token is empty or whitespace; this runner will be skipped during job polling. "  # noqa: S105
    "Check the 'token' field in your config.toml for this runner."
)
_LEGACY_URL: Final = (
    "The runner URL contains a legacy '/ci' suffix.\n"
    "  This suffix is deprecated and should be removed from the configuration.\n"
    "  Git submodules may fail to clone with authentication errors if this suffix is present.\n"
    "  Please update the 'url' field in your config.toml to remove the '/ci' suffix.\n"
    "  See https://docs.gitlab.com/runner/configuration/advanced-configuration.html#legacy-ci-url-suffix"
)
_SLOT: Final = (
    "Slot cgroup template does not contain ${slot} placeholder. "
    "All jobs will use the same cgroup, defeating the purpose of slot-based isolation. "
    "Consider using a template like 'gitlab-runner/slot-${slot}'"
)


def notices(config: Config) -> Iterator[Notice]:
    """Yield what to log after a load, in order; commands other than ``run`` skip the ``run_only`` ones."""
    schema = schema_findings(config)
    if schema:
        lines = "\n".join(schema)
        yield Notice(
            "info",
            "There might be a problem with your config based on jsonschema annotations in common/config.go "
            f"(experimental feature):\n{lines}\n",
        )
    for runner in config.runners:
        yield from _runner(runner)
    polling = long_polling_issues(config)
    if polling:
        yield Notice("warning", polling, run_only=True)


def schema_findings(config: Config) -> list[str]:
    """Return a line for each value that the schema of gitlab-runner refuses; ``lint`` fails on them."""
    found: list[str] = []
    for index, runner in enumerate(config.runners):
        at = f"/runners/{index}"
        found.extend(
            f"{at}/{key}: minLength: got 0, want 1" for key in ("url", "token") if not getattr(runner, key)
        )
        if runner.shell not in SHELLS:
            found.append(f"{at}/shell: value must be one of 'bash', 'sh', 'cmd', 'pwsh', 'powershell', ''")
    return found


def _runner(runner: RunnerConfig) -> Iterator[Notice]:
    fields = {"runner": runner.short_token, "runner_name": runner.name}
    if runner.url.rstrip("/").endswith("/ci"):
        yield Notice("warning", _LEGACY_URL, runner, fields, run_only=True)
    if not runner.has_token:
        yield Notice("warning", _BLANK_TOKEN, runner, fields, run_only=True)
    if not runner.use_slot_cgroups:
        return
    templates = {"slot_cgroup_template": runner.slot_cgroup_template}
    if runner.docker:
        templates["service_slot_cgroup_template"] = runner.docker.service_slot_cgroup_template
    for name, template in templates.items():
        if template and "${slot}" not in template and "$slot" not in template:
            yield Notice("warning", _SLOT, runner, {"config_name": name, "template": template})


def long_polling_issues(config: Config) -> str:
    """Return gitlab-runner's warning on settings under which a long poll delays jobs; empty without any."""
    issues: list[str] = []
    solutions: list[str] = []
    count = len(config.runners)
    if config.concurrent < count:
        issues.append(
            f"Worker starvation bottleneck: 'concurrent' setting ({config.concurrent}) "
            f"is less than number of runners ({count})"
        )
        solutions.append(f"Increase 'concurrent' to at least {count + 1} (current: {config.concurrent})")
    single = [runner for runner in config.runners if runner.effective_request_concurrency == 1]
    if single:
        issues.append(
            f"Request bottleneck: {len(single)} runners have request_concurrency=1, "
            "causing job delays during long polling"
        )
        solutions.append(
            f"Increase 'request_concurrency' to 2-4 for {len(single)} runners "
            "currently using request_concurrency=1"
        )
    tight = sum(0 < runner.limit <= 2 for runner in single)
    if tight:
        issues.append(
            f"Build limit bottleneck: {tight} runners have low 'limit' settings (≤2) "
            "with request_concurrency=1"
        )
        solutions.append(
            f"For {tight} runners with low limits: "
            "either increase 'limit' to 5+ or increase 'request_concurrency' to 2+"
        )
    if not issues:
        return ""
    return "\n".join(
        [
            "CONFIGURATION: Long polling issues detected.",
            "Issues found:",
            *(f"  - {issue}" for issue in issues),
            "This can cause job delays matching your GitLab instance's long polling timeout.",
            "Recommended solutions:",
            *(f"  {number}. {solution}" for number, solution in enumerate(solutions, 1)),
            "Note: The 'FF_USE_ADAPTIVE_REQUEST_CONCURRENCY' feature flag can help automatically adjust "
            "request_concurrency based on workload.",
            "This message will be printed each time the configuration is reloaded if the issues persist.",
            "See documentation: "
            "https://docs.gitlab.com/runner/configuration/advanced-configuration.html#long-polling-issues",
        ]
    )
