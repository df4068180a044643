"""The exception tree.

::

    PyrunnerError                 an expected failure: one line for the user, no traceback
    ├── UsageError                wrong command line
    ├── ConfigError               config.toml: carries path, line, column
    ├── PipelineError             a .gitlab-ci.yml is refused: carries file, line, column
    ├── PayloadError              a job payload that does not decode: carries the JSON path
    ├── JobDirError               a run directory that cannot be made or read
    │   └── DiskFull              a job's output cannot be stored: no room left
    ├── SandboxNetworkError       no network for a workspace sandbox could be made
    ├── ArchiveError              a cache or artifact archive that cannot be made or is not trusted
    ├── ServiceError              the service system cannot do what a service command asks for
    ├── RemoteCacheError          a remote cache cannot be used: settings, credentials, a library
    ├── ListenAddressError        nothing can listen there: a malformed, foreign or taken address
    ├── CoordinatorError          a call to the coordinator failed: carries status and correlation id
    │   ├── ClientBuildError      no client can be built for this URL (result code -100)
    │   └── RequestCanceled       the call was given up because this process is stopping
    └── BuildError                a stage failed for a reason the coordinator knows
        ├── ScriptFailed          a stage script exited non-zero
        ├── JobTimeout            a deadline passed
        ├── JobCanceled           cancel or abort
        └── JobInterrupted        the runner itself was told to stop

Exit codes of scripts are values; an exception means that something on our side, or in the job's
configuration, is wrong. Every error that is not a BuildError ends a job as ``runner_system_failure``.
No message may ever hold a secret.
"""

from __future__ import annotations


class PyrunnerError(Exception):
    """An expected failure; its text is complete, tells what to do next and holds no secret."""


class UsageError(PyrunnerError):
    """The command line cannot be carried out as given."""


class ConfigError(PyrunnerError):
    """config.toml cannot be used.

    :param message: what is wrong.
    :param path: the file.
    :param line: 1-based line, 0 when unknown.
    :param column: 1-based column, 0 when unknown.
    """

    def __init__(self, message: str, path: str = "", line: int = 0, column: int = 0) -> None:
        place = path + (f":{line}" if line else "") + (f":{column}" if line and column else "")
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.path = path
        self.line = line
        self.column = column


class PipelineError(PyrunnerError):
    """A .gitlab-ci.yml is refused, or no pipeline comes of it.

    :param message: GitLab's own words.
    :param file: as the user names it; empty when unknown.
    :param line: 1-based line, 0 when unknown.
    :param column: 1-based column, 0 when unknown.
    :param hint: what to do about it; may be empty.
    """

    def __init__(self, message: str, file: str = "", line: int = 0, column: int = 0, hint: str = "") -> None:
        place = file + (f":{line}" if line else "") + (f":{column}" if line and column else "")
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.hint = hint


class PayloadError(PyrunnerError):
    """A job payload does not decode.

    :param where: JSON path of the offending value, e.g. ``steps[0].script``.
    """

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where


class JobDirError(PyrunnerError):
    """A run directory or control directory cannot be made, read or trusted."""


class DiskFull(JobDirError):
    """A job's output cannot be stored: the disk, a quota or a file size limit is full."""


class ArchiveError(PyrunnerError):
    """An archive cannot be made, read or trusted; the text names the entry."""


class RemoteCacheError(PyrunnerError):
    """A remote cache cannot be used; the job goes on with the local one."""


class SandboxNetworkError(PyrunnerError):
    """No network for a workspace sandbox could be made; the text names program and reason."""


class ServiceError(PyrunnerError):
    """The machine's service system has none of this, or refuses; the text holds its words."""


class ListenAddressError(PyrunnerError):
    """An address is malformed, or nothing can listen there."""


class CoordinatorError(PyrunnerError):
    """A call to the coordinator did not succeed.

    :param status: HTTP status, -1 when no usable answer came (runner-api.md 0.4).
    """

    def __init__(self, message: str, status: int = -1, correlation_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.correlation_id = correlation_id


class ClientBuildError(CoordinatorError):
    """No client can be built for this URL (runner-api.md 0.4, code -100)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=-100)


class RequestCanceled(CoordinatorError):
    """The caller's stop came before an answer did; nothing is known about the call's effect."""


class EngineError(PyrunnerError):
    """The container engine refused a request, or did not answer.

    :param status: HTTP status, 0 when no answer came.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def not_found(self) -> bool:
        """What the request was about is not there."""
        return self.status == 404


class ContainerGone(EngineError):
    """A container is not there any more when a stage is about to begin in it.

    :param container: its id.
    """

    def __init__(self, message: str, container: str) -> None:
        super().__init__(message, 404)
        self.container = container


class BuildError(PyrunnerError):
    """A stage failed in a way the coordinator has a word for (job-execution.md 1.6).

    :param failure_reason: one of :class:`pyrunner.protocol.states.FailureReason`.
    :param exit_code: reported to the coordinator unless 0.
    """

    def __init__(self, message: str, failure_reason: str = "script_failure", exit_code: int = 0) -> None:
        super().__init__(message)
        self.failure_reason = failure_reason
        self.exit_code = exit_code


class ScriptFailed(BuildError):
    """A stage script exited non-zero or was killed by a signal (then ``exit_code`` is -1)."""


class JobTimeout(BuildError):
    """A deadline of the job passed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, failure_reason="job_execution_timeout")


class JobCanceled(BuildError):
    """The coordinator cancelled or aborted the job."""

    def __init__(self, message: str = "canceled") -> None:
        super().__init__(message, failure_reason="job_canceled")


class JobInterrupted(BuildError):
    """The runner was told to stop forcefully while the job ran."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"aborted: {signal_name}", failure_reason="runner_interrupted")
