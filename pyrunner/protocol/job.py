"""The job payload: what the coordinator answers to a job request (runner-api.md 3)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.errors import PayloadError
from pyrunner.protocol.decode import decode

#: Job timeout when the payload gives none, in seconds (runner-api.md 3.1).
DEFAULT_JOB_TIMEOUT: Final = 7200


@dataclass(frozen=True, slots=True)
class JobVariable:
    """One variable as it is sent; duplicates are allowed and the last wins (runner-api.md 3.5)."""

    key: str = ""
    value: str = ""
    public: bool = False
    masked: bool = False
    file: bool = False
    raw: bool = False
    #: Set by the runner only; the coordinator cannot send it.
    internal: bool = field(default=False, init=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One step; its ``timeout``, ``when`` and ``allow_failure`` are not acted on (3.6)."""

    name: str = ""
    script: list[str] = field(default_factory=list)
    timeout: int = 0
    when: str = ""
    allow_failure: bool = False


@dataclass(frozen=True, slots=True)
class JobInfo:
    """Who and what the job belongs to (3.2)."""

    name: str = ""
    stage: str = ""
    pipeline_id: int = 0
    project_id: int = 0
    project_name: str = ""
    project_full_path: str = ""
    namespace_id: int = 0
    root_namespace_id: int = 0
    organization_id: int = 0
    instance_id: str = ""
    instance_uuid: str = ""
    user_id: int = 0
    scoped_user_id: int | None = None
    time_in_queue_seconds: float = 0.0
    project_jobs_running_on_instance_runners_count: str = ""
    queue_size: int = 0
    queue_depth: int = 0


@dataclass(frozen=True, slots=True)
class GitInfo:
    """Where the sources are (3.3)."""

    repo_url: str = ""
    repo_object_format: str = ""
    ref: str = ""
    sha: str = ""
    before_sha: str = ""
    ref_type: str = ""
    refspecs: list[str] = field(default_factory=list)
    depth: int = 0
    protected: bool | None = None


@dataclass(frozen=True, slots=True)
class RunnerInfo:
    """``timeout`` in seconds; see :attr:`Job.timeout`."""

    uuid: str = ""
    timeout: int = 0


@dataclass(frozen=True, slots=True)
class Port:
    """A port of an image."""

    number: int = 0
    protocol: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """``image`` and each of ``services`` (3.8); ``executor_opts`` stays raw for its own check."""

    name: str = ""
    alias: str = ""
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    ports: list[Port] = field(default_factory=list)
    pull_policy: list[str] = field(default_factory=list)
    variables: list[JobVariable] = field(default_factory=list)
    executor_opts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArtifactSpec:
    """One entry of ``artifacts`` (3.9)."""

    name: str | None = None
    untracked: bool = False
    paths: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    when: str = ""
    expire_in: str = ""
    artifact_type: str = ""
    artifact_format: str = ""


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """One entry of ``cache`` (3.10)."""

    key: str = ""
    untracked: bool = False
    paths: list[str] = field(default_factory=list)
    policy: str = ""
    when: str = ""
    fallback_keys: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Registry credentials sent with the job."""

    type: str = ""
    url: str = ""
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactsFile:
    """The archive of a dependency; an empty ``filename`` means there is none."""

    filename: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Dependency:
    """A job whose artifacts are wanted (3.11); ``token`` is the running job's own."""

    id: int = 0
    name: str = ""
    token: str = ""
    artifacts_file: ArtifactsFile = field(default_factory=ArtifactsFile)


@dataclass(frozen=True, slots=True)
class PayloadFeatures:
    """What this coordinator can do (3.12)."""

    trace_sections: bool = False
    token_mask_prefixes: list[str] = field(default_factory=list)
    failure_reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hook:
    """``pre_get_sources_script`` or ``post_get_sources_script``."""

    name: str = ""
    script: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """Printed in the trace only (3.14)."""

    execution_policy_job: bool = False
    policy_name: str = ""
    policy_variables_override_allowed: bool | None = None
    policy_variables_override_exceptions: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class InputValue:
    """The typed value of a job input."""

    type: str = ""
    content: Any = None
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class JobInput:
    """One job input (3.4)."""

    key: str = ""
    value: InputValue = field(default_factory=InputValue)


@dataclass(frozen=True, slots=True)
class Job:
    """The payload, decoded. ``raw`` is the JSON object it came from."""

    id: int = 0
    token: str = ""
    allow_git_fetch: bool = False
    job_info: JobInfo = field(default_factory=JobInfo)
    git_info: GitInfo = field(default_factory=GitInfo)
    runner_info: RunnerInfo = field(default_factory=RunnerInfo)
    inputs: list[JobInput] = field(default_factory=list)
    variables: list[JobVariable] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    run: str = ""
    image: Image = field(default_factory=Image)
    services: list[Image] = field(default_factory=list)
    artifacts: list[ArtifactSpec] = field(default_factory=list)
    cache: list[CacheSpec] = field(default_factory=list)
    credentials: list[Credentials] = field(default_factory=list)
    dependencies: list[Dependency] = field(default_factory=list)
    features: PayloadFeatures = field(default_factory=PayloadFeatures)
    hooks: list[Hook] = field(default_factory=list)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    policy_options: PolicyOptions = field(default_factory=PolicyOptions)

    @property
    def timeout(self) -> int:
        """The job timeout in seconds (3.1)."""
        return self.runner_info.timeout if self.runner_info.timeout > 0 else DEFAULT_JOB_TIMEOUT


_INPUT_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "struct": (dict,),
}


def decode_job(payload: object) -> Job:
    """Decode a job payload.

    :raises PayloadError: with the JSON path of what is wrong (runner-api.md 3, 3.4, 3.7).
    """
    job = decode(Job, payload)
    if job.id <= 0:
        raise PayloadError("id", "expected a positive job id")
    for index, one in enumerate(job.inputs):
        _check_input(one, f"inputs[{index}]")
    if isinstance(payload, dict) and payload.get("run", "absent") in (None, ""):
        raise PayloadError("run", "expected a JSON array in a string")
    if job.run:
        try:
            steps = json.loads(job.run)
        except ValueError as error:
            raise PayloadError("run", f"not JSON: {error}") from None
        if not isinstance(steps, list):
            raise PayloadError("run", "expected a JSON array in a string")
    return job


def _check_input(one: JobInput, where: str) -> None:
    if not one.key:
        raise PayloadError(f"{where}.key", "missing")
    allowed = _INPUT_TYPES.get(one.value.type)
    if allowed is None:
        raise PayloadError(f"{where}.value.type", f"unknown input type {one.value.type!r}")
    content = one.value.content
    mismatch = not isinstance(content, allowed) or (isinstance(content, bool) and bool not in allowed)
    if content is None or mismatch:
        raise PayloadError(f"{where}.value.content", f"does not fit type {one.value.type!r}")
