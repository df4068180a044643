"""What the manager hands to the process that tidies up: a business, its rules, and whose engine it uses."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pyrunner.config.model import RunnerConfig
from pyrunner.jobdir.layout import Business
from pyrunner.manager.retention import RetentionRules


@dataclass(frozen=True)
class CleanUpOrder:
    """One business to tidy up; JSON in and out."""

    root: str = ""
    business_id: str = ""
    rules: RetentionRules = field(default_factory=RetentionRules)
    #: ``[runners.docker]`` of a runner with the docker executor; None: there is no engine to ask.
    docker: dict[str, Any] | None = None

    @classmethod
    def of(cls, business: Business, runner: RunnerConfig | None) -> CleanUpOrder:
        """Return the order for a business.

        :param runner: its entry; None: nobody uses it any more, and the usual rules hold.
        """
        if runner is None:
            return cls(str(business.root), business.business_id)
        tristan = runner.tristan
        rules = RetentionRules(
            tristan.keep_branches, tristan.keep_days, tristan.disk_budget, tristan.min_free
        )
        docker = asdict(runner.docker) if runner.executor == "docker" and runner.docker is not None else None
        return cls(str(business.root), business.business_id, rules, docker)

    @property
    def business(self) -> Business:
        """The business."""
        return Business(Path(self.root), self.business_id)

    def to_dict(self) -> dict[str, Any]:
        """Return the order as JSON values."""
        return asdict(self)
