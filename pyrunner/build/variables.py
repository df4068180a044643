"""The list of a job's variables in gitlab-runner's order (job-execution.md 3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pyrunner import COMPATIBLE_VERSION
from pyrunner.build.features import Features, default_variables
from pyrunner.config.model import RunnerConfig
from pyrunner.executors.traits import ExecutorTraits
from pyrunner.jobdir.record import TLSData
from pyrunner.protocol.feature_flags import FLAGS
from pyrunner.protocol.job import Job
from pyrunner.protocol.runner import REVISION, go_architecture, go_platform
from pyrunner.protocol.variables import TEMPORARY_DIR_KEY, Variable, VariableSet

#: ``CI_JOB_STATUS`` in every stage before after_script.
RUNNING: Final = "running"


@dataclass(frozen=True, slots=True)
class JobPlaces:
    """Folders as the job's environment sees them; all empty until they are known."""

    builds_dir: str = ""
    project_dir: str = ""
    cache_dir: str = ""

    @property
    def temporary_dir(self) -> str:
        """Where file variables and the runner's own files of this job live (2.4)."""
        return f"{self.project_dir}.tmp"


@dataclass(frozen=True, slots=True)
class VariableSources:
    """Everything the list is made from."""

    job: Job
    runner: RunnerConfig
    traits: ExecutorTraits
    concurrent_id: int
    concurrent_project_id: int
    tls: TLSData

    def for_resolution(self, places: JobPlaces) -> VariableSet:
        """Return the list that settings and feature flags are read from, expanded.

        Flags of the job are in it, over the defaults; config has not spoken yet.
        """
        return VariableSet(
            (
                *default_variables(),
                *self._before_job(places),
                *(Variable.from_payload(one) for one in self.job.variables),
                *self._after_job(places, network=False),
            )
        ).expanded()

    def all_variables(self, places: JobPlaces, features: Features) -> VariableSet:
        """Return the job's variables, expanded."""
        return VariableSet(
            (
                *features.variables(),
                *self._before_job(places),
                *(Variable.from_payload(one) for one in self.job.variables if one.key not in FLAGS),
                *self._after_job(places, features.on("FF_NETWORK_PER_BUILD")),
            )
        ).expanded()

    def tls_variables(self) -> list[Variable]:
        """Return the file variables of the connection to the coordinator; certificate and key as a pair."""
        variables = []
        if self.tls.ca_chain:
            variables.append(_file("CI_SERVER_TLS_CA_FILE", self.tls.ca_chain, public=True))
        if self.tls.certificate and self.tls.key:
            variables.append(_file("CI_SERVER_TLS_CERT_FILE", self.tls.certificate, public=True))
            variables.append(_file("CI_SERVER_TLS_KEY_FILE", self.tls.key, public=False))
        return variables

    def _before_job(self, places: JobPlaces) -> Iterable[Variable]:
        if self.job.image.name:
            yield _public("CI_JOB_IMAGE", self.job.image.name)
        yield _public("CI_RUNNER_SHORT_TOKEN", self.runner.short_token)
        for entry in self.runner.environment:
            key, separator, value = entry.partition("=")
            if separator:
                yield Variable(key, value, internal=True)
        yield _public("CI_BUILDS_DIR", places.builds_dir)
        yield _public("CI_PROJECT_DIR", places.project_dir)
        yield _public("CI_CONCURRENT_ID", str(self.concurrent_id))
        yield _public("CI_CONCURRENT_PROJECT_ID", str(self.concurrent_project_id))
        yield _public("CI_SERVER", "yes")
        yield _public("CI_JOB_STATUS", RUNNING)
        yield _public("CI_JOB_TIMEOUT", str(self.job.timeout))
        yield from self.tls_variables()

    def _after_job(self, places: JobPlaces, network: bool) -> Iterable[Variable]:
        kind = "SHARED" if self.traits.shared else "DISPOSABLE"
        yield _public(f"CI_{kind}_ENVIRONMENT", "true")
        yield _public("CI_RUNNER_VERSION", COMPATIBLE_VERSION)
        yield _public("CI_RUNNER_REVISION", REVISION)
        yield _public("CI_RUNNER_EXECUTABLE_ARCH", f"{go_platform()}/{go_architecture()}")
        yield _public(TEMPORARY_DIR_KEY, places.temporary_dir)
        if network:
            yield _public("CI_BUILD_NETWORK_NAME", self.network_name())

    def network_name(self) -> str:
        """Return the name of the job's own network (docker-executor.md 3)."""
        name = (
            f"runner-{self.runner.short_token}-{self.job.job_info.project_id}"
            f"-{self.concurrent_project_id}-{self.job.id}"
        )
        return _rfc1123(name)


def _public(key: str, value: str) -> Variable:
    return Variable(key, value, public=True, internal=True)


def _file(key: str, value: str, public: bool) -> Variable:
    return Variable(key, value, public=public, internal=True, file=True)


def _rfc1123(name: str) -> str:
    """Return ``name`` as a DNS label: what does not belong there is left out."""
    kept = re.sub(r"[^-a-z0-9]", "", name.lower())
    return kept.lstrip("-")[:63]
