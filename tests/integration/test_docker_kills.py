"""A docker job whose supervisor is killed at any call to the engine ends as if undisturbed (design R3, R5).

A few of the calls are tried each time; all of them with ``PYRUNNER_KILL_MATRIX=all`` (some ten minutes).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.docker import DockerLab
from tests.support.docker_kills import Outcome, Scenario
from tests.support.second_engine import second_engine, why_no_second_engine

pytestmark = [pytest.mark.integration, pytest.mark.docker]

_ALL = os.environ.get("PYRUNNER_KILL_MATRIX") == "all"
#: Of the calls of a job, in parts of their number; with and without the engine's having done the work.
_SAMPLES = ((0.1, True), (0.45, False), (0.7, True), (0.95, False))

_PREPARING = b'#!/bin/sh\necho preparing\nexec "$@"\n'
_SERVICE = b"#!/bin/sh\nexec httpd -f -p 80 -h /www\n"


def _scenario(lab: DockerLab, kind: str) -> Scenario:
    docker: dict[str, object] = {}
    arguments: dict[str, object] = {}
    image = lab.image()
    if kind == "entrypoint":
        image = lab.image('ENTRYPOINT ["/prepare"]', files={"prepare": _PREPARING})
    if kind == "service":
        service = lab.image('ENTRYPOINT ["/serve"]', "EXPOSE 80", files={"serve": _SERVICE})
        arguments["services"] = [{"name": service, "alias": "web"}]
    if kind == "container":
        docker["helper_image"] = lab.image()
    return Scenario(lab, docker, image, arguments)


def _same(reference: Outcome, outcome: Outcome) -> bool:
    return (
        outcome.result.state == "success"
        and outcome.runs == 1
        and not outcome.containers
        and outcome.trace == reference.trace
    )


@pytest.mark.timeout(3600 if _ALL else 120)
@pytest.mark.parametrize("kind", ["plain", "entrypoint", "service", "container"])
def test_killed_at_a_call(tmp_path: Path, docker_lab: DockerLab, kind: str) -> None:
    """The script runs once, every line is in the trace once, and nothing is left."""
    _try_calls(tmp_path, _scenario(docker_lab, kind))


@pytest.mark.timeout(3600 if _ALL else 120)
def test_killed_at_a_call_to_a_remote_engine(tmp_path: Path) -> None:
    """The same where output and script come and go by the container's own streams."""
    if reason := why_no_second_engine():
        pytest.skip(reason)
    with second_engine(tls=True) as engine:
        lab = engine.lab()
        docker = {**engine.settings, "helper_image": engine.helper(lab), "disable_cache": True}
        _try_calls(tmp_path, Scenario(lab, docker, lab.image(), {}), _SAMPLES[1:3])
        assert engine.things(lab.api) == []


def _try_calls(tmp_path: Path, scenario: Scenario, samples: Sequence[tuple[float, bool]] = _SAMPLES) -> None:
    reference = scenario.run(tmp_path / "reference")
    assert (reference.result.state, reference.runs, reference.containers) == ("success", 1, [])
    every = [(number, before) for number in range(1, reference.calls + 1) for before in (True, False)]
    some = [(max(1, round(part * reference.calls)), before) for part, before in samples]
    failures = []
    for number, before in every if _ALL else some:
        outcome = scenario.run(tmp_path / f"{number}{before}", number, before=before)
        # One call more or less is a matter of luck: the last may not come.
        missed = not outcome.died and number < reference.calls - 1
        if missed or not _same(reference, outcome):
            missing = sorted(set(reference.trace) ^ set(outcome.trace))[:5]
            failures.append((number, before, outcome.result, outcome.runs, outcome.containers, missing))
    assert not failures, "\n".join(map(str, failures))
