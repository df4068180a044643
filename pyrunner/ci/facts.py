"""What is only known when a job is given to a runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.protocol.variables import Variable

#: What a coordinator of today understands (runner-api.md 5.9).
FAILURE_REASONS: Final = (
    "unknown_failure",
    "script_failure",
    "api_failure",
    "runner_system_failure",
    "runner_unsupported",
    "job_execution_timeout",
    "trace_size_exceeded",
    "runner_configuration_error",
    "runner_external_dependency_failure",
    "runner_interrupted",
)


@dataclass(frozen=True, slots=True)
class RunnerFacts:
    """The runner that takes the job."""

    id: int = 0
    description: str = ""
    tags: tuple[str, ...] = ()
    short_token: str = ""
    uuid: str = ""
    #: Seconds; 0: no limit of its own.
    maximum_timeout: int = 0


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What is only known when a job is given to a runner.

    :param git_info: the whole ``git_info`` of the payload; None: made from ``repo_url``.
    :param dependencies: the entries of the payload's ``dependencies``, in order.
    :param dotenv: variables from the reports of the jobs whose artifacts are fetched.
    :param manual_variables: given when a manual job was played.
    :param id_tokens: values by name; those not here are left out.
    :param release: add the step that makes the release.
    """

    job_id: int
    token: str
    pipeline_id: int
    repo_url: str = ""
    started_at: str = ""
    runner: RunnerFacts = RunnerFacts()
    git_info: Mapping[str, Any] | None = None
    dependencies: Sequence[Mapping[str, Any]] = ()
    credentials: Sequence[Mapping[str, Any]] = ()
    dotenv: Sequence[Variable] = ()
    manual_variables: Sequence[Variable] = ()
    id_tokens: Mapping[str, str] = field(default_factory=dict)
    release: bool = False
    failure_reasons: Sequence[str] = FAILURE_REASONS
    time_in_queue: float = 0.0
