"""One job against one event: in or out, and everything about it that the event decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyrunner.ci.conditions import FileConditions
from pyrunner.ci.configuration import Configuration
from pyrunner.ci.defaults import inherited_variables
from pyrunner.ci.duration import seconds
from pyrunner.ci.expansion import expand
from pyrunner.ci.layers import Layers, View
from pyrunner.ci.matrix import Instance
from pyrunner.ci.nodes import needs_of
from pyrunner.ci.plan import (
    LeftOut,
    PipelineNeed,
    PlannedEnvironment,
    PlannedJob,
    PlannedNeed,
    PlannedTrigger,
    RetryPolicy,
)
from pyrunner.ci.policy import admits
from pyrunner.ci.predefined import job_variables
from pyrunner.ci.rules import RuleContext, Verdict, decide
from pyrunner.ci.slugs import environment_slug, tier_of
from pyrunner.ci.tree import Map, Seq, as_text, flatten
from pyrunner.ci.variables import circular_references, plain, read_variables
from pyrunner.errors import PipelineError
from pyrunner.protocol.variables import Variable

#: What of an include names a place.
_PATHS: Final = ("local", "project", "file", "ref", "remote", "template", "component", "artifact")


class JobPlanner:
    """Plans the jobs of one configuration for one event.

    :param root: root variables with those of ``workflow:rules`` over them.
    """

    def __init__(
        self,
        configuration: Configuration,
        layers: Layers,
        files: FileConditions,
        root: Mapping[str, Variable],
        pipeline_name: str,
    ) -> None:
        self._configuration = configuration
        self._layers = layers
        self._files = files
        self._root = root
        self._pipeline_name = pipeline_name
        self._policy_defaults = configuration.workflow.get("rules") is None

    def plan(self, job: Map, instance: Instance) -> PlannedJob | LeftOut:
        """Return the job as it is in the pipeline, or why it is not.

        :raises PipelineError: for rules that cannot be decided, and circles of variables.
        """
        stage = job.get("stage") or "test"
        yaml = inherited_variables(job, self._root) | read_variables(job.get("variables"))
        yaml |= plain(instance.variables)
        view = self._view(job, instance, stage, yaml, job.get("when") or "")
        verdict = self._verdict(job, instance, view)
        if not verdict.included:
            return LeftOut(instance.name, stage, verdict.reason, job.position)
        rule = verdict.rule or Map()
        own = read_variables(rule.get("variables"))
        when = rule.get("when") or job.get("when") or "on_success"
        if own or when != (job.get("when") or ""):
            yaml |= own
            view = self._view(job, instance, stage, yaml, when)
        if circle := circular_references(view.variables):
            shown = ", ".join(f'"{one}"' for one in circle)
            message = f"{instance.name}: circular variable reference detected: [{shown}]"
            raise PipelineError(message, *job.place("variables"))
        return self._planned(job, instance, stage, yaml, view, verdict, when)

    def _view(
        self, job: Map, instance: Instance, stage: str, yaml: Mapping[str, Variable], when: str
    ) -> View:
        predefined = job_variables(instance, stage, when)
        if job.get("environment") is None:
            return self._layers.job(predefined, yaml)
        view = self._layers.job(predefined, yaml)
        name = expand(_environment(job, "name"), view.expanded)
        predefined += environment_variables(_planned_environment(job, name, view))[:3]
        return self._layers.job(predefined, yaml, name)

    def _verdict(self, job: Map, instance: Instance, view: View) -> Verdict:
        context = RuleContext(instance.name, self._files, view)
        if job.get("rules") is not None:
            return decide(job["rules"], context)
        admitted, reason = admits(job, self._layers.event, context, defaults=self._policy_defaults)
        return Verdict(Map() if admitted else None, reason)

    def _planned(
        self,
        job: Map,
        instance: Instance,
        stage: str,
        yaml: Mapping[str, Variable],
        view: View,
        verdict: Verdict,
        when: str,
    ) -> PlannedJob:
        rule = verdict.rule or Map()
        allow_failure, exit_codes = _allowed_failure(job, rule)
        start_in = (seconds(rule.get("start_in") or job.get("start_in")) or 0) if when == "delayed" else 0
        environment = None
        if job.get("environment") is not None:
            name = expand(_environment(job, "name"), view.expanded)
            environment = _planned_environment(job, name, view)
        interruptible = rule.get("interruptible")
        return PlannedJob(
            instance=instance,
            stage=stage,
            options=job,
            reason=verdict.reason,
            event=self._layers.event,
            pipeline_name=self._pipeline_name,
            when=when,
            start_in=start_in,
            allow_failure=allow_failure,
            exit_codes=exit_codes,
            needs=self._needs(job, rule, instance),
            pipeline_needs=_pipeline_needs(job, view),
            retry=_retry(job.get("retry")),
            timeout=seconds(job.get("timeout")),
            tags=_expanded(job.get("tags") or [], view),
            variables=dict(yaml),
            environment=environment,
            resource_group=_text(job.get("resource_group"), view),
            interruptible=job.get("interruptible") is True if interruptible is None else interruptible,
            coverage=as_text(job.get("coverage")),
            manual_confirmation=_text(job.get("manual_confirmation"), view),
            trigger=_trigger(job, view),
        )

    def _needs(self, job: Map, rule: Map, instance: Instance) -> tuple[PlannedNeed, ...] | None:
        instances = self._configuration.instances
        chosen = needs_of(rule, instance, instances)
        if not chosen:
            if job.get("needs") is None or _mirrored(job):
                return None
            chosen = needs_of(job, instance, instances)
        return tuple(PlannedNeed(one.name, one.artifacts, one.optional) for one in chosen)


def _text(written: Any, view: View) -> str:
    text = as_text(written)
    return expand(text, view.expanded) if "$" in text or "%" in text else text


def _expanded(texts: list[str], view: View) -> tuple[str, ...]:
    if not any("$" in one or "%" in one for one in texts):
        return tuple(texts)
    return tuple(expand(one, view.expanded, keep_unknown=True) for one in texts)


def _allowed_failure(job: Map, rule: Map) -> tuple[bool, tuple[int, ...]]:
    """Return ``allow_failure`` and its exit codes; its default follows the job's ``when``, not the rule's."""
    if rule.get("allow_failure") is not None:
        return rule["allow_failure"], ()
    own = job.get("allow_failure")
    if own is None:
        return job.get("when") == "manual", ()
    if isinstance(own, Map):
        return False, _numbers(own.get("exit_codes"))
    return own, ()


def _numbers(written: Any) -> tuple[int, ...]:
    if written is None:
        return ()
    return tuple(written) if isinstance(written, list) else (written,)


def _retry(written: Any) -> RetryPolicy:
    if isinstance(written, int):
        return RetryPolicy(written)
    if not isinstance(written, Map):
        return RetryPolicy()
    exit_codes = _numbers(written.get("exit_codes"))
    when = written.get("when")
    if when is None:
        reasons: tuple[str, ...] = () if exit_codes else ("always",)
    else:
        reasons = tuple(when) if isinstance(when, list) else (when,)
    return RetryPolicy(written.get("max") or 0, reasons, exit_codes)


def _environment(job: Map, key: str) -> str:
    written = job["environment"]
    if isinstance(written, Map):
        return as_text(written.get(key))
    return written if key == "name" else ""


def _planned_environment(job: Map, name: str, view: View) -> PlannedEnvironment:
    slug = environment_slug(name)
    known = {**view.expanded, "CI_ENVIRONMENT_NAME": name, "CI_ENVIRONMENT_SLUG": slug}
    return PlannedEnvironment(
        name,
        slug,
        expand(_environment(job, "url"), known),
        _environment(job, "action") or "start",
        _environment(job, "deployment_tier") or tier_of(name),
        _environment(job, "on_stop"),
        expand(_environment(job, "auto_stop_in"), known),
    )


def environment_variables(environment: PlannedEnvironment) -> list[Variable]:
    """Return name, action and tier (layer 3), then slug and URL (layer 13)."""
    pairs = [
        ("CI_ENVIRONMENT_NAME", environment.name),
        ("CI_ENVIRONMENT_ACTION", environment.action),
        ("CI_ENVIRONMENT_TIER", environment.tier),
        ("CI_ENVIRONMENT_SLUG", environment.slug),
    ]
    if environment.url:
        pairs.append(("CI_ENVIRONMENT_URL", environment.url))
    return [Variable(key, value, public=True) for key, value in pairs]


def _need_maps(job: Map) -> list[Map]:
    written = job.get("needs")
    items = flatten(written, 10) if isinstance(written, list) else [written]
    return [one for one in items or [] if isinstance(one, Map) and "pipeline" in one]


def _mirrored(job: Map) -> str:
    return next((as_text(one["pipeline"]) for one in _need_maps(job) if "job" not in one), "")


def _pipeline_needs(job: Map, view: View) -> tuple[PipelineNeed, ...]:
    return tuple(
        PipelineNeed(
            expand(as_text(one["pipeline"]), view.expanded),
            as_text(one["job"]),
            one.get("artifacts") is not False,
        )
        for one in _need_maps(job)
        if "job" in one
    )


def _trigger(job: Map, view: View) -> PlannedTrigger | None:
    written, place = job.get("trigger"), job.place("trigger")
    if written is None:
        mirrored = _mirrored(job)
        return PlannedTrigger(mirrors=mirrored, position=job.place("needs")) if mirrored else None
    if not isinstance(written, Map):
        return PlannedTrigger(expand(written, view.expanded), position=place)
    include = written.get("include")
    includes = [include] if isinstance(include, str) else include or []
    forward = written.get("forward") or {}
    return PlannedTrigger(
        expand(as_text(written.get("project")), view.expanded),
        expand(as_text(written.get("branch")), view.expanded),
        tuple(_expanded_include(one, view) for one in includes),
        written.get("strategy") or "",
        forward.get("yaml_variables") is not False,
        forward.get("pipeline_variables") is True,
        written.get("inputs") or {},
        position=place,
    )


def _expanded_include(entry: Any, view: View) -> Any:
    """Return an include of a child pipeline, its paths expanded with what the trigger job sees (5.2)."""
    if isinstance(entry, str):
        return expand(entry, view.expanded)
    made: Map = entry.clone()
    for key in _PATHS:
        value = made.get(key)
        if isinstance(value, str):
            made[key] = expand(value, view.expanded)
        elif isinstance(value, Seq):
            made[key] = Seq(value.position)
            for index, one in enumerate(value):
                made[key].put(expand(as_text(one), view.expanded), value.place(index))
    return made
