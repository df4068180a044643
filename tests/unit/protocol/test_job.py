"""The job payload (runner-api.md 3)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.coordinator.jobs import make_payload
from pyrunner.errors import PayloadError
from pyrunner.protocol.job import DEFAULT_JOB_TIMEOUT, Job, decode_job


def where(payload: object) -> str:
    """Return the place that decoding complains about."""
    with pytest.raises(PayloadError) as caught:
        decode_job(payload)
    return caught.value.where


def test_a_payload_as_gitlab_sends_it() -> None:
    """Every part arrives where it is looked for."""
    job = decode_job(
        make_payload(
            7,
            ["make"],
            after_script=["bye"],
            variables={"A": "1", "F": {"value": "x", "file": True, "masked": True, "raw": True}},
            image={"name": "alpine", "entrypoint": [""], "pull_policy": ["always"]},
            services=["redis"],
            artifacts={"paths": ["out/"], "when": "always"},
            cache=[{"key": "k", "paths": [".c"], "fallback_keys": ["j"]}],
            dependencies=[{"id": 6, "name": "build", "artifacts_file": {"filename": "a.zip", "size": 3}}],
            hooks={"pre_get_sources_script": ["pre"]},
            timeout=90,
            repo_url="https://gitlab.example.com/a/b.git",
        )
    )
    assert (job.id, job.timeout, job.allow_git_fetch) == (7, 90, True)
    assert [(step.name, step.script) for step in job.steps] == [
        ("script", ["make"]),
        ("after_script", ["bye"]),
    ]
    last = job.variables[-1]
    assert (last.key, last.value, last.file, last.masked, last.raw, last.internal) == (
        *("F", "x", True, True, True),
        False,
    )
    assert (job.image.name, job.image.entrypoint, job.image.pull_policy) == ("alpine", [""], ["always"])
    assert job.image.command is None
    assert [one.name for one in job.services] == ["redis"]
    assert (job.artifacts[0].paths, job.artifacts[0].when) == (["out/"], "always")
    assert (job.cache[0].key, job.cache[0].fallback_keys) == ("k", ["j"])
    assert (job.dependencies[0].id, job.dependencies[0].artifacts_file.filename) == (6, "a.zip")
    assert [(hook.name, hook.script) for hook in job.hooks] == [("pre_get_sources_script", ["pre"])]
    assert job.credentials[0].type == "registry"
    assert job.features.trace_sections


def test_null_parts() -> None:
    """Rails sends null for what a job has not."""
    parts = ("image", "services", "artifacts", "cache", "steps", "variables", "hooks", "policy_options")
    assert decode_job({"id": 1, **dict.fromkeys(parts)}) == Job(id=1)


@pytest.mark.parametrize(("sent", "seconds"), [(60, 60), (0, 7200), (-5, DEFAULT_JOB_TIMEOUT)])
def test_timeout(sent: int, seconds: int) -> None:
    """No timeout means two hours (3.1)."""
    assert decode_job({"id": 1, "runner_info": {"timeout": sent}}).timeout == seconds


def test_internal_is_never_sent() -> None:
    """A variable from outside cannot pass for one of the runner's own, which services may see."""
    job = decode_job({"id": 1, "variables": [{"key": "A", "internal": True}]})
    assert not job.variables[0].internal


@pytest.mark.parametrize("payload", [{}, {"id": 0}, {"id": -1}, {"id": "7"}, {"id": True}])
def test_a_job_has_an_id(payload: dict[str, Any]) -> None:
    """All later calls need it."""
    assert where(payload) == "id"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("string", "x"),
        ("string", ""),
        ("number", 1),
        ("number", 1.5),
        ("boolean", False),
        ("array", []),
        ("struct", {}),
    ],
)
def test_inputs(kind: str, content: object) -> None:
    """Content of the stated type is taken as it is (3.4)."""
    sent = {"key": "k", "value": {"type": kind, "content": content, "sensitive": True}}
    value = decode_job({"id": 1, "inputs": [sent]}).inputs[0].value
    assert (value.type, value.content, value.sensitive) == (kind, content, True)


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"value": {"type": "string", "content": "x"}}, "inputs[0].key"),
        ({"key": "k", "value": {"type": "colour", "content": "x"}}, "inputs[0].value.type"),
        ({"key": "k"}, "inputs[0].value.type"),
        ({"key": "k", "value": {"type": "string"}}, "inputs[0].value.content"),
        ({"key": "k", "value": {"type": "string", "content": 1}}, "inputs[0].value.content"),
        ({"key": "k", "value": {"type": "number", "content": True}}, "inputs[0].value.content"),
        ({"key": "k", "value": {"type": "boolean", "content": 1}}, "inputs[0].value.content"),
        ({"key": "k", "value": {"type": "array", "content": {}}}, "inputs[0].value.content"),
        ({"key": "k", "value": {"type": "struct", "content": []}}, "inputs[0].value.content"),
    ],
)
def test_inputs_that_do_not_fit(sent: dict[str, Any], place: str) -> None:
    """A job whose inputs are not what they say is not run (3.4)."""
    assert where({"id": 1, "inputs": [sent]}) == place


@pytest.mark.parametrize("run", ["", None, "{", "{}", "1", 5])
def test_run_that_is_no_list_of_steps(run: object) -> None:
    """The key is left out or holds a JSON array in a string (3.1)."""
    assert where({"id": 1, "run": run}) == "run"


def test_run() -> None:
    """A job of native steps decodes; what becomes of it the executor says."""
    assert decode_job({"id": 1, "run": '[{"name": "a"}]'}).run == '[{"name": "a"}]'


def test_the_place_of_a_wrong_type_is_named() -> None:
    """Users and coordinators find it."""
    assert where({"id": 1, "steps": [{"script": ["a", 2]}]}) == "steps[0].script[1]"
