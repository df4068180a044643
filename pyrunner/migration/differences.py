"""What of a configuration behaves otherwise than with gitlab-runner: what applies of docs/differences.md.

``docs/configuration.md`` names the keys without effect; a test compares the two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.config.model import Config, RunnerConfig

#: Global keys that are read and do nothing, with what to say about them.
GLOBAL_WITHOUT_EFFECT: Final = {
    "sentry_dsn": "errors are not sent to Sentry; the log has them",
    "user": "use --user of run or install, as with gitlab-runner",
    "experimental": "there is no usage log",
    "machine": "no docker machines are made",
}
#: The same for keys of an entry.
RUNNER_WITHOUT_EFFECT: Final = {
    "cache_dir": "caches are below the root, see the paths",
    "job_status_final_update_retry_limit": "results are kept until GitLab has them",
    "proxy_exec": "scripts run without a wrapper of that kind",
    "step_runner_image": "run: steps are not offered",
    "use_slot_cgroups": "each stage has a control group of its own",
    "slot_cgroup_template": "each stage has a control group of its own",
}
_SHELLS: Final = ("", "bash", "sh")


@dataclass(frozen=True)
class Difference:
    """One thing that will be otherwise.

    :param runner: name of the entry; empty: the whole host.
    :param advice: the switch, or what to do; may be empty.
    :param blocks: the entry gets no jobs that could run.
    """

    text: str
    runner: str = ""
    advice: str = ""
    blocks: bool = False


def differences(
    config: Config, executors: frozenset[str], root_of: Callable[[RunnerConfig], Path]
) -> Iterator[Difference]:
    """Yield what applies to ``config``: the whole host first, then each entry.

    :param executors: those that jobs can run on here.
    :param root_of: where an entry's jobs live.
    """
    yield Difference(
        "SIGTERM, a restart and an upgrade leave jobs running; the next start takes them up",
        advice='on_stop = "abort" in [runners.tristan] aborts them, as gitlab-runner does',
    )
    yield Difference(
        "job logs begin with 'Running with pyrunner' and end with a table of resource use",
        advice="usage_report = false in [runners.tristan] leaves the table out",
    )
    for key, meaning in GLOBAL_WITHOUT_EFFECT.items():
        if _is_set(config, key):
            yield Difference(f"{key} has no effect: {meaning}")
    for runner in config.runners:
        for text, advice, blocks in _of_runner(runner, executors, root_of):
            yield Difference(text, runner.name or runner.short_token, advice, blocks)


def _of_runner(
    runner: RunnerConfig, executors: frozenset[str], root_of: Callable[[RunnerConfig], Path]
) -> Iterator[tuple[str, str, bool]]:
    if runner.executor not in executors:
        names = ", ".join(sorted(executors))
        text = f'executor "{runner.executor}" cannot run jobs here: the runner is not polled'
        yield text, f"use one of {names}, or keep gitlab-runner for it on another host", True
        return
    if runner.executor == "shell" and runner.shell not in _SHELLS:
        yield f'shell "{runner.shell}" cannot run jobs here', 'shell = "bash" or "sh"', True
        return
    yield from ((text, advice, False) for text, advice in _paths(runner, root_of(runner)))
    for key, meaning in RUNNER_WITHOUT_EFFECT.items():
        if _is_set(runner, key):
            yield f"{key} has no effect: {meaning}", "", False


def _paths(runner: RunnerConfig, root: Path) -> Iterator[tuple[str, str]]:
    before = runner.builds_dir or "builds of the working directory"
    if runner.executor == "docker":
        yield (
            f"on a local engine, sources and /cache are folders below {root} instead of docker volumes; "
            "caches begin empty",
            "docker volume ls --filter label=com.gitlab.gitlab-runner.managed shows what can go later",
        )
        return
    yield (
        f"jobs run below {root} (until now: {before}); the first job of each project clones, "
        "caches begin empty, old folders stay",
        "root in [runners.tristan] chooses another place",
    )
    if runner.tristan.source_path == "branch":
        yield (
            "each branch has a folder of its own, so CI_PROJECT_DIR differs from branch to branch",
            'source_path = "slot" in [runners.tristan] gives all branches one path',
        )


def _is_set(table: Config | RunnerConfig, key: str) -> bool:
    """Tell whether a key has another value than the default."""
    field = next(one for one in dataclasses.fields(table) if one.name == key)
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    return bool(getattr(table, key) != default)
