"""Job inputs in the payload (job-execution.md 1.1 step 3)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.errors import BuildError
from tests.support.contexts import build_context, payload

INPUTS: list[dict[str, Any]] = [
    {"key": "name", "value": {"type": "string", "content": "fred"}},
    {"key": "age", "value": {"type": "number", "content": 1}},
    {"key": "ratio", "value": {"type": "number", "content": 1.5}},
    {"key": "whole", "value": {"type": "number", "content": 2.0}},
    {"key": "flag", "value": {"type": "boolean", "content": True}},
    {"key": "list", "value": {"type": "array", "content": ["one", "two"]}},
    {"key": "map", "value": {"type": "struct", "content": {"line1": "street", "a b": [7]}}},
    {"key": "hidden", "value": {"type": "string", "content": "s3cret", "sensitive": True}},
]


def script(text: str, **changes: Any) -> str:
    """Return the only line of the script step after interpolation."""
    job = payload(inputs=INPUTS, steps=[{"name": "script", "script": [text]}], **changes)
    return build_context(job=job).job.steps[0].script[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hi ${{ job.inputs.name }}, ${{job.inputs.name}}!", "hi fred, fred!"),
        ("${{ str(job.inputs.age) }}", "1"),
        ("${{ job.inputs.ratio }} ${{ job.inputs.whole }}", "1.5 2"),
        ("${{ job.inputs.flag }}", "true"),
        ("${{ job.inputs.list[1] }}", "two"),
        ("${{ job.inputs.list }}", '["one","two"]'),
        ("${{ job.inputs.map.line1 }}", "street"),
        ('${{ job.inputs["map"]["a b"][0] }}', "7"),
        ("$name ${name} $[[ inputs.x ]]", "$name ${name} $[[ inputs.x ]]"),
    ],
)
def test_values_by_type(text: str, expected: str) -> None:
    """Strings as they are, the rest as JSON; shell and compile-time syntax is left alone."""
    assert script(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "${{ job.inputs.missing }}",
        "${{ 1 + 2 }}",
        "${{ job.inputs.list[2] }}",
        "${{ job.inputs.map.nothing }}",
        "${{ job.inputs.name.x }}",
        "${{ str(job.inputs.name }}",
        "${{ job.inputs }}",
        "${{ job.inputs[0] }}",
        "${{ job.inputs.name",
        "${{ job.inputs.hidden }}",
    ],
)
def test_what_cannot_be_evaluated_fails_the_job(text: str) -> None:
    """As a configuration error that shows no secret value."""
    with pytest.raises(BuildError) as caught:
        script(text)
    assert caught.value.failure_reason == "runner_configuration_error"
    assert "s3cret" not in str(caught.value)


def test_a_replaced_value_is_not_interpolated_again() -> None:
    """One pass: an input cannot smuggle in an expression."""
    evil = [{"key": "a", "value": {"type": "string", "content": "${{ job.inputs.a }}"}}]
    job = payload(inputs=evil, steps=[{"name": "script", "script": ["${{ job.inputs.a }}"]}])
    assert build_context(job=job).job.steps[0].script == ["${{ job.inputs.a }}"]


def test_without_inputs_or_with_the_flag_off_text_stays() -> None:
    """Users' text that merely looks like an expression is theirs."""
    job = payload(steps=[{"name": "script", "script": ["${{ foo }}"]}])
    assert build_context(job=job).job.steps[0].script == ["${{ foo }}"]
    off = [{"key": "FF_ENABLE_JOB_INPUTS_INTERPOLATION", "value": "false"}]
    assert script("${{ foo }}", variables=off) == "${{ foo }}"


def test_everywhere_the_payload_may_use_them() -> None:
    """Image, services, artifacts, cache and after_script; not release, not variables."""
    text = "${{ job.inputs.name }}"
    job = payload(
        inputs=INPUTS,
        image={
            "name": text,
            "entrypoint": [text],
            "executor_opts": {"docker": {"user": text, "platform": text}},
        },
        services=[{"name": text, "command": [text], "alias": text}],
        artifacts=[{"name": text, "paths": [text], "exclude": [text], "expire_in": text}],
        cache=[{"key": text, "paths": [text], "fallback_keys": [text], "policy": text}],
        steps=[{"name": "release", "script": [text]}, {"name": "after_script", "script": [text]}],
        variables=[{"key": "V", "value": text}],
    )
    found = build_context(job=job).job
    assert (found.image.name, found.image.entrypoint) == ("fred", ["fred"])
    assert found.image.executor_opts == {"docker": {"user": "fred", "platform": "fred"}}
    assert (found.services[0].name, found.services[0].command, found.services[0].alias) == (
        "fred",
        ["fred"],
        text,
    )
    artifact = found.artifacts[0]
    assert (artifact.name, artifact.paths, artifact.exclude, artifact.expire_in) == (
        "fred",
        ["fred"],
        ["fred"],
        "fred",
    )
    cache = found.cache[0]
    assert (cache.key, cache.paths, cache.fallback_keys, cache.policy) == ("fred", ["fred"], ["fred"], "fred")
    assert [step.script for step in found.steps] == [[text], ["fred"]]
    assert found.variables[-1].value == text
