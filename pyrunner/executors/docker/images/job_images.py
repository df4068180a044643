"""The images of one job: chosen, allowed, on the engine before containers need them (docker-executor.md 3).

Everything that may come out differently another time - what is there, who has credentials, what a pull came
to - goes through the report's journal. A supervisor that is started again walks the same lines, and neither
pulls nor prints twice.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import BuildError, EngineError, PyrunnerError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.images.allowlist import check_allowed
from pyrunner.executors.docker.images.image import Image, inspect_image
from pyrunner.executors.docker.images.platforms import Platform, parse_platform
from pyrunner.executors.docker.images.pull_failures import pull_failure_reason, worth_another_try
from pyrunner.executors.docker.images.pull_policy import IF_NOT_PRESENT, NEVER, effective_policies, listed
from pyrunner.executors.docker.images.pulls import PullRequest, Pulls
from pyrunner.executors.docker.images.references import InvalidReference, parse_reference
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.registry.credential_stores import PathTraversal
from pyrunner.executors.docker.registry.credentials import CredentialSearch, FoundCredentials
from pyrunner.jobdir.engine_records import EngineRecords, Thing
from pyrunner.system.golang import quoted

#: Tries of one pull that fails for a reason outside, and seconds between them.
_TRIES: Final = 3
_PAUSE: Final = (2.0, 10.0)


class _Failed(Exception):
    """One policy did not get the image; ``reason`` is empty for what is a failure of the system."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One request for an image."""

    name: str
    #: As it was asked for; empty: the engine's own.
    platform_text: str
    #: What journal keys begin with.
    key: str


class Images:
    """Gets the images of one job.

    :param locks: a folder that all jobs of this machine share (:mod:`.pull_turns`).
    :param home: where the runner's user, or that of ``--user``, has its docker config; None: nowhere.
    :param environment: for credential helpers; None: this process's.
    """

    def __init__(
        self,
        engine: Engine,
        job: DockerJob,
        report: Report,
        locks: Path,
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._engine = engine
        self._job = job
        self._report = report
        self._pulls = Pulls(engine, report, locks)
        self._home = home
        self._environment = os.environ if environment is None else environment
        self._records = _records(engine, job, report)
        #: Name to id of what the job has used: it is not pulled again.
        self._used: dict[str, str] = {}
        self._requests: dict[str, int] = {}

    def allow(self, name: str, kind: str) -> None:
        """Check a name, expanded, that the pipeline gave.

        :param kind: ``images`` or ``services``.
        :raises PyrunnerError: ``disallowed image``; the trace tells the rest.
        """
        config, expand = self._job.config, self._job.variables.expand_value
        if kind == "services":
            internal = [expand(one.name) for one in config.services]
            check_allowed(name, kind, config.allowed_services, internal, self._report)
        else:
            check_allowed(name, kind, config.allowed_images, [expand(config.image)], self._report)

    def job_image(self) -> str:
        """Return the name of the build container's image, expanded and allowed.

        :raises PyrunnerError: when there is none, or it is not allowed.
        """
        expand = self._job.variables.expand_value
        if name := expand(self._job.job.image.name):
            self.allow(name, "images")
            return name
        default = expand(self._job.config.image)
        if not default:
            raise PyrunnerError("no Docker image specified to run the build in")
        self._report.info("Using default image")
        return default

    def use(self, name: str, platform: str = "", requested: Sequence[str] = (), key: str = "") -> Image:
        """Return an image, pulled where the policies say so; each call writes its lines of the trace.

        :param name: expanded.
        :param platform: ``executor_opts.docker.platform``, expanded; empty: the engine's own.
        :param requested: ``pull_policy`` of the payload.
        :param key: names this call in the journal. Needed where a supervisor that is started again may not
            make all calls for this name again that were made before; else they are counted.
        :raises BuildError: when policies contradict, or no pull succeeds.
        :raises PyrunnerError: for what preparation is tried again for: a bad policy in config.toml, no local
            image, a helper named by a path.
        """
        count = self._requests[name] = self._requests.get(name, 0) + 1
        wanted = _Wanted(name, platform, f"image.{key or count}.{name}")
        policies = effective_policies(self._job.config, requested, name)
        self._report.plain(f"Using effective pull policy of {listed(policies)} for container {name}")
        failure = _Failed("")
        for number, policy in enumerate(policies, 1):
            if number > 1:
                self._report.info(f"Attempt #{number}: Trying {quoted(policy)} pull policy")
            try:
                image = self._by_policy(wanted, policy, number)
            except _Failed as error:
                self._report.warning(f"Failed to pull image with policy {quoted(policy)}: {error}")
                failure = error
                continue
            self._use(name, image)
            return image
        text = f"failed to pull image {quoted(name)} with specified policies {listed(policies)}: {failure}"
        raise BuildError(text, failure.reason) if failure.reason else PyrunnerError(text)

    def _use(self, name: str, image: Image) -> None:
        self._used[name] = image.id
        if name != image.id:
            digest = f" with digest {image.digest}" if image.digest else ""
            self._report.plain(f"Using docker image {image.id} for {name}{digest} ...")

    def _by_policy(self, wanted: _Wanted, policy: str, number: int) -> Image:
        """Return the image as one policy gets it.

        :raises _Failed: when it does not.
        """
        key = f"{wanted.key}.{number}"
        platform = self._platform(wanted)
        found = self._recorded(f"{key}.local", lambda: self._look(wanted.name, platform))
        image = Image.from_dict(found["image"]) if found["image"] else None
        if image is not None and found["used"]:
            return image
        if policy == NEVER:
            if image is None:
                raise _Failed(found["error"])
            return image
        if image is not None and image.id == wanted.name:
            return image
        if image is not None and policy == IF_NOT_PRESENT:
            self._report.plain(f"Using locally found image version due to {quoted(policy)} pull policy")
            return image
        self._pull(wanted, platform, key)
        pulled = self._recorded(f"{key}.pulled", lambda: self._inspect(wanted.name, platform))
        if not pulled["image"]:
            raise _Failed(
                f"inspecting image {quoted(wanted.name)} after pull: {pulled['error']}",
                pull_failure_reason(pulled["error"]),
            )
        image = Image.from_dict(pulled["image"])
        if self._records is not None:
            self._records.made(
                Thing.IMAGE,
                wanted.name,
                self._job.record.business,
                image.id,
                was_there=found["image"] is not None,
            )
        return image

    def _platform(self, wanted: _Wanted) -> Platform | None:
        if not wanted.platform_text:
            return None
        try:
            asked = parse_platform(wanted.platform_text)
        except BuildError as error:
            raise _Failed(str(error), error.failure_reason) from None
        if asked.warning:
            self._report.warning(asked.warning)
        return asked.platform

    def _pull(self, wanted: _Wanted, platform: Platform | None, key: str) -> None:
        """Pull, again where a registry may answer a moment later.

        :raises _Failed: with the last failure.
        """
        credentials = self._credentials(wanted.name, key)
        described = wanted.name + (f" for platform {wanted.platform_text}" if wanted.platform_text else "")
        self._report.plain(f"Pulling docker image {described} ...")
        for attempt in range(1, _TRIES + 1):
            failure = self._recorded(
                f"{key}.pull.{attempt}", lambda: self._try(wanted.name, platform, credentials)
            )
            if not failure["error"]:
                return
            if attempt == _TRIES or not worth_another_try(failure["reason"]):
                raise _Failed(failure["error"], failure["reason"])
            text = f"Failed to pull image {quoted(wanted.name)} (attempt #{attempt}), retrying"
            self._report.warning(f"{text}: {failure['error']}")
            self._report.pause(random.uniform(*_PAUSE))  # noqa: S311 - spreads load, keeps no secret

    def _try(
        self, name: str, platform: Platform | None, credentials: Callable[[], FoundCredentials]
    ) -> dict[str, str]:
        try:
            reference = parse_reference(name)
            self._pulls.pull(PullRequest(name, reference, platform, credentials().auth))
        except (EngineError, InvalidReference) as error:
            return {"error": str(error), "reason": str(pull_failure_reason(str(error)))}
        return {"error": "", "reason": ""}

    def _credentials(self, name: str, key: str) -> Callable[[], FoundCredentials]:
        """Say where the credentials come from; the returned call has them, looked for again if need be.

        The journal holds where they came from and no secret.

        :raises _Failed: when a source names a helper by a path.
        """
        search = CredentialSearch(
            self._job.auth_config, self._home, self._job.job.credentials, self._environment
        )
        found: list[FoundCredentials] = []

        def look() -> FoundCredentials:
            if not found:
                found.append(in_background(lambda: search.find(name), self._report, search.stop))
            return found[0]

        def announce() -> dict[str, Any]:
            try:
                one = look()
            except PathTraversal as error:
                return {"error": str(error), "source": "", "warnings": []}
            return {"error": "", "source": one.source, "warnings": list(one.warnings)}

        told = self._recorded(f"{key}.credentials", announce)
        for warning in told["warnings"]:
            self._report.warning(warning)
        if told["error"]:
            raise _Failed(told["error"])
        if told["source"]:
            self._report.plain(f"Authenticating with credentials from {told['source']}")
        return look

    def _look(self, name: str, platform: Platform | None) -> dict[str, Any]:
        """Return what is there; from now on nobody who makes room removes it."""
        if self._records is not None:
            self._records.using(Thing.IMAGE, name)
        return self._inspect(name, platform)

    def _inspect(self, name: str, platform: Platform | None) -> dict[str, Any]:
        try:
            image = in_background(lambda: inspect_image(self._engine, name, platform), self._report)
        except EngineError as error:
            return {"image": None, "error": str(error), "used": False}
        return {"image": image.to_dict(), "error": "", "used": self._used.get(name) == image.id}

    def _recorded(self, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        value: dict[str, Any] = self._report.once(key, compute)
        return value


def _records(engine: Engine, job: DockerJob, report: Report) -> EngineRecords | None:
    """Return where it is noted what pulls bring; what is on another machine is no affair of this disk."""
    business = job.record.business
    if not (business and engine.endpoint.local):
        return None
    return EngineRecords(Path(business).parent, engine.endpoint.host, report.pause)
