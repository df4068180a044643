"""What is wrong with a configuration, and where."""

from __future__ import annotations

from dataclasses import dataclass

from pyrunner.ci.tree import NOWHERE, Position
from pyrunner.errors import PipelineError


@dataclass(frozen=True, slots=True)
class Finding:
    """One complaint: GitLab's message, its place, and what to do about it (may be empty).

    :param warning: GitLab accepts the file all the same.
    """

    message: str
    position: Position = NOWHERE
    hint: str = ""
    warning: bool = False

    @classmethod
    def of(cls, error: PipelineError) -> Finding:
        """Return the finding that an error tells."""
        return cls(error.message, Position(error.file, error.line, error.column), error.hint)

    def error(self) -> PipelineError:
        """Return the finding as an error to raise."""
        return PipelineError(self.message, *self.position, hint=self.hint)


class Findings(list[Finding]):
    """Collects findings."""

    def add(self, message: str, position: Position, hint: str = "") -> None:
        """Add one finding."""
        self.append(Finding(message, position, hint))

    def entry(self, where: str, message: str, position: Position, hint: str = "") -> None:
        """Add one about a configuration entry: GitLab shows its whole line in lower case (1.9)."""
        self.add(f"{where} {message}".lower(), position, hint)

    def warn(self, message: str, position: Position, hint: str = "") -> None:
        """Add one that does not refuse the file."""
        self.append(Finding(message, position, hint, warning=True))

    @property
    def errors(self) -> list[Finding]:
        """Those that refuse the file."""
        return [one for one in self if not one.warning]
