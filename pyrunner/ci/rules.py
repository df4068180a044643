"""``rules``: which one decides, and what it says (gitlab-ci-yml.md 3.3, 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyrunner.ci.conditions import FileConditions
from pyrunner.ci.expression import parse
from pyrunner.ci.layers import View
from pyrunner.ci.tree import Map, flatten


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``rules`` say about a job or a pipeline.

    :param rule: the rule that matched; None when none did.
    :param reason: in words, with the line of the rule.
    """

    rule: Map | None
    reason: str

    @property
    def when(self) -> str | None:
        """The ``when`` of the rule; None when it has none."""
        return self.rule.get("when") if self.rule is not None else None

    @property
    def included(self) -> bool:
        """Tell whether the job or pipeline is made."""
        return self.rule is not None and self.when != "never"


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What the rules of one job are tried with: its name, the files, the variables it sees."""

    name: str
    files: FileConditions
    view: View


def decide(rules: Any, context: RuleContext) -> Verdict:
    """Return the verdict of the first rule that matches.

    :raises PipelineError: for a ``compare_to`` that is no ref, and files of projects that are not there.
    """
    flat: list[Map] = flatten(rules, 10) or []
    missed: list[str] = []
    for rule in flat:
        held, words = _matches(rule, context)
        if held:
            outcome = f", when: {rule['when']}" if rule.get("when") else ""
            line = f"line {rule.position.line}: " if rule.position.line else ""
            return Verdict(rule, f"rules, {line}{words or 'no condition'}{outcome}")
        missed.append(words)
    if len(missed) == 1:
        return Verdict(None, f"rules: the only rule does not match ({missed[0]})")
    return Verdict(None, f"rules: none of {len(missed)} rules matches ({'; '.join(missed)})")


def _matches(rule: Map, context: RuleContext) -> tuple[bool, str]:
    words: list[str] = []
    condition = rule.get("if")
    if condition is not None:
        if not parse(condition).is_true(context.view.written):
            return False, f"if {condition}"
        words.append(f"if {condition}")
    if rule.get("changes") is not None:
        place = rule.place("changes")
        held, why = context.files.changes(context.name, rule["changes"], place, context.view)
        if not held:
            return False, why
        words.append(why)
    if rule.get("exists") is not None:
        held, why = context.files.exists(rule["exists"], rule.place("exists"), context.view)
        if not held:
            return False, why
        words.append(why)
    return True, " and ".join(words)
