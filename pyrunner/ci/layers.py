"""Who sees which layers of variables while a pipeline is made (gitlab-ci-yml.md 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from pyrunner.ci.event import Event
from pyrunner.ci.predefined import pipeline_variables, project_variables, user_variables
from pyrunner.ci.variables import expanded, values_of
from pyrunner.protocol.variables import Variable


class Layers:
    """The layers of one event; those of a job are put between them."""

    def __init__(self, event: Event, pipeline_name: str = "") -> None:
        self.event = event
        self._below = [*project_variables(event), *pipeline_variables(event, pipeline_name)]
        #: Layer 8.
        self.user = user_variables(event)

    def pipeline_layers(self) -> list[Variable]:
        """Return layers 4 and 5."""
        return list(self._below)

    def early(self) -> list[Variable]:
        """Return what includes see: no YAML, nothing of a pipeline (2.2)."""
        event = self.event
        return [
            *project_variables(event),
            *pipeline_variables(event, early=True),
            *event.secrets(),
            *event.pipeline_variables,
            *event.schedule_variables,
        ]

    def workflow(self, root: Mapping[str, Variable]) -> View:
        """Return what ``workflow:rules`` see."""
        return View([*self._below, *root.values(), *self.user, *self._above(None)])

    def job(
        self, predefined: Sequence[Variable], yaml: Mapping[str, Variable], environment: str | None = None
    ) -> View:
        """Return what the rules of a job see.

        :param predefined: layer 3.
        :param environment: its name, for variables that are scoped.
        """
        return View([*predefined, *self._below, *yaml.values(), *self.user, *self._above(environment)])

    def _above(self, environment: str | None) -> list[Variable]:
        event = self.event
        return [*event.secrets(environment), *event.pipeline_variables, *event.schedule_variables]


class View:
    """A list of variables, low to high, and its values."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self.variables = variables

    @cached_property
    def written(self) -> dict[str, str]:
        """Values as written: what ``if`` compares."""
        return values_of(self.variables)

    @cached_property
    def expanded(self) -> dict[str, str]:
        """Values with references followed: what names and paths are expanded with."""
        return values_of(expanded(self.variables))
