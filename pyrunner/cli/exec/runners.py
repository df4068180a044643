"""Which executor a job gets, and the runners that a local run has for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.cli.exec.folders import Lane
from pyrunner.cli.exec.options import Options
from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.errors import EngineError, UsageError

#: Seconds that an interrupted job may clean up.
_GRACE: Final = 10.0
_HINT: Final = "start docker, or run everything on this machine with --executor shell"


@dataclass
class Executors:
    """Decides about jobs.

    :param choice: ``auto``, ``shell`` or ``docker``.
    :param image: for docker jobs that name none.
    """

    choice: str
    image: str
    environ: Mapping[str, str]
    #: Why docker cannot be had; None: nobody has asked yet, empty: it can.
    _missing: str | None = None
    _gateway: str = ""

    def of(self, job: PlannedJob) -> str:
        """Return the executor of a job.

        :raises UsageError: when it cannot be had.
        """
        named = job.options.get("image") or job.options.get("services")
        if self.choice == "shell" or (self.choice == "auto" and not named):
            return "shell"
        if not job.options.get("image") and not self.image:
            raise UsageError(f"{job.name} names no image to run in: give one with --docker-image")
        if reason := self.why_no_docker():
            raise UsageError(f"{job.name} runs in a container, but {reason}; {_HINT}")
        return "docker"

    def all_of(self, pipeline: Pipeline) -> list[str]:
        """Return the executors of a pipeline's jobs; which ones a child pipeline takes is not known yet.

        :raises UsageError: when one cannot be had.
        """
        found = {self.of(job) for job in pipeline.jobs if job.trigger is None}
        if any(job.trigger is not None for job in pipeline.jobs):
            found |= {"shell"} if self.choice != "docker" else set()
            found |= {"docker"} if self.choice != "shell" and not self.why_no_docker() else set()
        return sorted(found, reverse=True)

    def why_no_docker(self) -> str:
        """Return why there is no docker to use; empty when there is."""
        if self._missing is None:
            self._missing = self._ask_docker()
        return self._missing

    def bridge(self, used: Iterable[str]) -> str:
        """Return the address of this machine that containers reach; empty when there will be none."""
        return self._gateway if "docker" in used else ""

    def _ask_docker(self) -> str:
        from pyrunner.executors.docker.engine.connection import Endpoint, Engine  # half the start-up time

        engine = Engine(Endpoint.of(DockerConfig(), self.environ), timeout=10)
        if not engine.endpoint.local:
            return f"the docker engine at {engine.endpoint.host} is not this machine's"
        try:
            network = engine.api.inspect_network("bridge")
        except EngineError as error:
            return f"docker does not answer: {error}"
        except Exception as error:  # noqa: BLE001 - the SDK's own errors have no common type worth the import
            return f"docker has no bridge network: {error}"
        settings = (network.get("IPAM") or {}).get("Config") or []
        self._gateway = next((one["Gateway"] for one in settings if one.get("Gateway")), "")
        return "" if self._gateway else "docker's bridge network has no gateway on this machine"


@dataclass(frozen=True)
class Runners:
    """The runners of a run, by executor.

    :param lent: settings from the user's config.toml, by executor.
    """

    options: Options
    lane: Lane
    url: str
    tokens: Mapping[str, str]
    lent: Mapping[str, RunnerConfig] = field(default_factory=dict)

    def configs(self) -> list[RunnerConfig]:
        """Return the entries of the configuration that the manager gets."""
        return [self._config(executor, token) for executor, token in self.tokens.items()]

    def _config(self, executor: str, token: str) -> RunnerConfig:
        lent = self.lent.get(executor, RunnerConfig())
        tristan = replace(
            lent.tristan,
            root=str(self.lane.root),
            business_id=executor,
            on_stop="abort",
            kill_grace=_GRACE,
        )
        docker = None
        if executor == "docker":
            docker = lent.docker or DockerConfig(pull_policy=["if-not-present"], volumes=["/cache"])
            if self.options.text("docker-image"):
                docker = replace(docker, image=self.options.text("docker-image"))
        return replace(
            lent,
            name="exec",
            url=self.url,
            id=1,
            token=token,
            executor=executor,
            limit=0,
            clone_url="",
            request_concurrency=self.options.concurrency,
            tristan=tristan,
            docker=docker,
        )


def lent_settings(path: str, environ: Mapping[str, str]) -> dict[str, RunnerConfig]:
    """Return the first entry of each executor in a config.toml; none without a path.

    :raises PyrunnerError: when the file cannot be used.
    """
    if not path:
        return {}
    from pyrunner.config.load import load_config

    try:
        config = load_config(Path(path), environ)
    except FileNotFoundError:
        raise UsageError(f"--config {path}: there is no such file") from None
    found: dict[str, RunnerConfig] = {}
    for runner in config.runners:
        found.setdefault(runner.executor, runner)
    return found
