"""What a runner did against the protocol: recorded, so that a test can demand that there is nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of a rule of runner-api.md 8.1; never holds a token."""

    #: Number of the rule, 1 to 18.
    rule: int
    text: str
    #: ``METHOD path`` of the call.
    call: str = ""
    job_id: int | None = None

    def __str__(self) -> str:
        job = f" (job {self.job_id})" if self.job_id is not None else ""
        return f"rule {self.rule}: {self.text}{job} [{self.call}]"


class ViolationLog:
    """Collects violations; rules that a test breaks on purpose can be tolerated."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._violations: list[Violation] = []
        self._tolerated: set[int] = set()

    def record(self, rule: int, text: str, call: str = "", job_id: int | None = None) -> None:
        """Record a breach, unless its rule is tolerated."""
        with self._lock:
            if rule not in self._tolerated:
                self._violations.append(Violation(rule, text, call, job_id))

    def tolerate(self, *rules: int) -> None:
        """Do not record these rules from now on, e.g. 17 where a manager is killed after an answer."""
        with self._lock:
            self._tolerated.update(rules)

    def all(self) -> list[Violation]:
        """Return what was recorded, oldest first."""
        with self._lock:
            return list(self._violations)

    def clear(self) -> None:
        """Forget what was recorded."""
        with self._lock:
            self._violations.clear()
