"""Job inputs: ``${{ job.inputs.NAME }}`` in the payload (job-execution.md 1.1 step 3, runner-api.md 3.4).

Supported in an expression: ``job.inputs.NAME``, followed by any number of ``.field``, ``[index]`` and
``["key"]``, alone or inside ``str(...)``. Anything else is an error rather than a guess. Without
inputs nothing is touched, so that text which merely looks like an expression stays as it is.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any, Final

from pyrunner.errors import BuildError
from pyrunner.protocol.job import ArtifactSpec, CacheSpec, Image, Job, JobInput, Step
from pyrunner.protocol.states import FailureReason
from pyrunner.system.golang import quoted

_OPENING: Final = "${{"
_ACCESS: Final = re.compile(r"(str\(\s*)?job\.inputs((?:\.[A-Za-z_][A-Za-z0-9_-]*|\[[^\]]*\])+)\s*(\))?\Z")
_SELECTOR: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[([^\]]*)\]")

#: Steps whose scripts are interpolated; a release step is not.
_STEPS: Final = ("script", "after_script")


def interpolate_inputs(job: Job) -> Job:
    """Return ``job`` with the expressions in scripts, image, services, artifacts and cache replaced.

    :raises BuildError: for an expression that cannot be evaluated.
    """
    if not job.inputs:
        return job
    expand = Interpolation(job.inputs).expand
    return dataclasses.replace(
        job,
        steps=[_step(one, expand) for one in job.steps],
        image=_image(job.image, expand),
        services=[_image(one, expand) for one in job.services],
        artifacts=[_artifact(one, expand) for one in job.artifacts],
        cache=[_cache(one, expand) for one in job.cache],
    )


class Interpolation:
    """Evaluates expressions against the inputs of one job."""

    def __init__(self, inputs: list[JobInput]) -> None:
        self._values: dict[str, Any] = {}
        self._sensitive: set[str] = set()
        for one in inputs:
            if one.key not in self._values:
                self._values[one.key] = one.value.content
                if one.value.sensitive:
                    self._sensitive.add(one.key)

    def expand(self, text: str) -> str:
        """Return ``text`` with each ``${{ … }}`` replaced.

        :raises BuildError: for an expression that cannot be evaluated.
        """
        if _OPENING not in text:
            return text
        parts: list[str] = []
        rest = text
        while True:
            before, opening, rest = rest.partition(_OPENING)
            parts.append(before)
            if not opening:
                return "".join(parts)
            expression, closing, rest = rest.partition("}}")
            if not closing:
                raise _failed(f"`{_OPENING}` without `}}}}`")
            parts.append(self._evaluate(expression.strip()))

    def _evaluate(self, expression: str) -> str:
        match = _ACCESS.match(expression)
        if match is None or (match[1] is None) != (match[3] is None):
            raise _failed(
                f"expression {quoted(expression)} is not supported: write job.inputs.NAME, "
                "with .field or [index] after it, or str(job.inputs.NAME)"
            )
        selectors = [_selector(one, expression) for one in _SELECTOR.finditer(match[2])]
        name = selectors[0]
        if not isinstance(name, str) or name not in self._values:
            raise _failed(f"{expression}: the job has no input {quoted(str(name))}")
        if name in self._sensitive:
            raise BuildError(
                "sensitive inputs are unsupported in interpolations yet", FailureReason.CONFIGURATION_ERROR
            )
        value = self._values[name]
        for selector in selectors[1:]:
            value = _select(value, selector, expression)
        return render(value)


def render(value: Any) -> str:
    """Return an input's value as text: strings as they are, whole numbers without fraction, else JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _selector(match: re.Match[str], expression: str) -> str | int:
    if match[1] is not None:
        return match[1]
    inside = match[2].strip()
    if re.fullmatch(r"[0-9]{1,9}", inside):
        return int(inside)
    try:
        key = json.loads(inside)
    except ValueError:
        key = None
    if not isinstance(key, str):
        raise _failed(f"{expression}: {quoted(inside)} is neither an index nor a quoted key")
    return key


def _select(value: Any, selector: str | int, expression: str) -> Any:
    if isinstance(value, dict) and isinstance(selector, str) and selector in value:
        return value[selector]
    if isinstance(value, list) and isinstance(selector, int) and selector < len(value):
        return value[selector]
    raise _failed(f"{expression}: there is no {quoted(str(selector))}")


def _failed(text: str) -> BuildError:
    return BuildError(f"failed to interpolate job inputs: {text}", FailureReason.CONFIGURATION_ERROR)


_Expand = Callable[[str], str]


def _list(items: list[str], expand: _Expand) -> list[str]:
    return [expand(one) for one in items]


def _optional(items: list[str] | None, expand: _Expand) -> list[str] | None:
    return None if items is None else _list(items, expand)


def _step(step: Step, expand: _Expand) -> Step:
    if step.name not in _STEPS:
        return step
    return dataclasses.replace(step, script=_list(step.script, expand))


def _image(image: Image, expand: _Expand) -> Image:
    return dataclasses.replace(
        image,
        name=expand(image.name),
        command=_optional(image.command, expand),
        entrypoint=_optional(image.entrypoint, expand),
        pull_policy=_list(image.pull_policy, expand),
        executor_opts=_options(image.executor_opts, expand),
    )


def _options(value: Any, expand: _Expand) -> Any:
    if isinstance(value, str):
        return expand(value)
    if isinstance(value, dict):
        return {key: _options(one, expand) for key, one in value.items()}
    return value


def _artifact(artifact: ArtifactSpec, expand: _Expand) -> ArtifactSpec:
    return dataclasses.replace(
        artifact,
        name=None if artifact.name is None else expand(artifact.name),
        paths=_list(artifact.paths, expand),
        exclude=_list(artifact.exclude, expand),
        when=expand(artifact.when),
        expire_in=expand(artifact.expire_in),
    )


def _cache(cache: CacheSpec, expand: _Expand) -> CacheSpec:
    return dataclasses.replace(
        cache,
        key=expand(cache.key),
        paths=_list(cache.paths, expand),
        policy=expand(cache.policy),
        when=expand(cache.when),
        fallback_keys=_list(cache.fallback_keys, expand),
    )
