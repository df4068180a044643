"""What is wrong with a configuration, and where."""

from __future__ import annotations

from dataclasses import dataclass

from pyrunner.ci.tree import NOWHERE, Position
from pyrunner.errors import PipelineError


@dataclass(frozen=True, slots=True)
class Finding:
    """One complaint: GitLab's message, its place, and what to do about it (may be empty)."""

    message: str
    position: Position = NOWHERE
    hint: str = ""

    @classmethod
    def of(cls, error: PipelineError) -> Finding:
        """Return the finding that an error tells."""
        return cls(error.message, Position(error.file, error.line, error.column), error.hint)


class Findings(list[Finding]):
    """Collects findings."""

    def add(self, message: str, position: Position, hint: str = "") -> None:
        """Add one finding."""
        self.append(Finding(message, position, hint))

    def entry(self, where: str, message: str, position: Position, hint: str = "") -> None:
        """Add one about a configuration entry: GitLab shows its whole line in lower case (1.9)."""
        self.add(f"{where} {message}".lower(), position, hint)
