"""Which pull policies apply to an image, and in which order (docker-executor.md 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pyrunner.config.docker import DEFAULT_PULL_POLICY, DockerConfig
from pyrunner.errors import BuildError, PyrunnerError
from pyrunner.protocol.states import FailureReason
from pyrunner.system.golang import quoted

ALWAYS: Final = "always"
IF_NOT_PRESENT: Final = "if-not-present"
NEVER: Final = "never"
_KNOWN: Final = (ALWAYS, IF_NOT_PRESENT, NEVER)


def effective_policies(config: DockerConfig, requested: Sequence[str], image: str) -> list[str]:
    """Return the policies to try: the requested ones that are allowed, in their order, duplicates kept.

    :param requested: from the payload; empty: what config says.
    :raises PyrunnerError: for a word in config that is no policy.
    :raises BuildError: when none is allowed.
    """
    wanted = list(requested) or _configured(config)
    if config.allowed_pull_policies:
        allowed = _checked(config.allowed_pull_policies, "allowed_pull_policies")
    else:
        allowed = _configured(config)
    effective = [one for one in wanted if one in allowed]
    if not effective:
        raise BuildError(
            f"invalid pull policy for image {quoted(image)}: pull_policy ({listed(wanted)}) defined in "
            f"{_source(config, requested)} is not one of the allowed_pull_policies ({listed(allowed)})",
            FailureReason.CONFIGURATION_ERROR,
        )
    return effective


def listed(policies: Sequence[str]) -> str:
    """Return policies as messages show them: ``[always if-not-present]``."""
    return f"[{' '.join(policies)}]"


def _configured(config: DockerConfig) -> list[str]:
    return _checked(config.pull_policy, "pull_policy") or [DEFAULT_PULL_POLICY]


def _checked(policies: Sequence[str], key: str) -> list[str]:
    for one in policies:
        if one not in _KNOWN:
            raise PyrunnerError(f"unsupported {key} config: {quoted(one)}")
    return list(policies)


def _source(config: DockerConfig, requested: Sequence[str]) -> str:
    if requested:
        return "GitLab pipeline config"
    return "Runner config" if config.pull_policy else "Runner config (default)"
