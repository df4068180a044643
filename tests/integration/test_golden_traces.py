"""The traces of typical jobs, line by line as gitlab-runner 19.4 prints them (job-execution.md 6.2).

``tests/cases/traces/<case>/expected.txt`` is what gitlab-runner 19.4.0 printed for the job in ``job.json``
beside it, with times, ids, paths and names replaced by words in capitals. Its lines ``Runtime platform``, of
each helper command, are left out: docs/differences.md.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.coordinator import GitRepository
from tests.support.runner import RunnerProcess

pytestmark = pytest.mark.integration

CASES: Final = Path(__file__).parents[1] / "cases" / "traces"

#: What differs from run to run and from host to host, on either side.
_REPLACED: Final = (
    (r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME"),
    (r"(section_(?:start|end)):\d{10}:", r"\1:SECONDS:"),
    (r"\b[rs]_[0-9A-Za-z]{12}\b", "SYSTEM_ID"),
    (r"http://(?:[^/@\s]*@)?127\.0\.0\.1:\d+", "URL"),
    (r"(Gitaly correlation ID: )[0-9a-zA-Z]+", r"\1ID"),
    (r"(  on )\S+ \S+(, system ID: )", r"\1NAME TOKEN\2"),
    (r"Running on \S+\.\.\.", "Running on HOSTNAME..."),
    (r"((?:correlation_id|token| id)\x1b\[0;m=)\S+", r"\1VALUE"),
)
#: Where pyrunner is meant to differ: docs/differences.md has the reasons.
_OWN: Final = (
    # Readers must know what ran their job.
    (r"Running with pyrunner \S+ \(compatible with gitlab-runner \S+\)", "Running with RUNNER VERSION"),
    # The layout of the run directory.
    (r"(Git repository in ).*/\.git/", r"\1PROJECT_DIR/.git/"),
    (r"(relative to the working directory \().*(\)\x1b)", r"\1PROJECT_DIR\2"),
)
#: Lines that depend on the host, left out on both sides.
_HOST_LINES: Final = (
    # Whether git-lfs is installed: an empty line before the submodules'.
    r"^TIME 01O \n(?=TIME 01O \S*Skipping Git submodules setup)",
    # Advice of some versions of git.
    r"^TIME 01E hint:.*\n",
    # A shell that is told to end may be gone before it says so of its child, and words it as it likes.
    r"^TIME 01E .*Terminated.*\n",
)
#: One setting takes away what pyrunner's traces have beyond: the section "Resource usage".
_SETTINGS: Final[dict[str, Any]] = {"tristan": {"usage_report": False}}


@dataclass(frozen=True)
class _Case:
    name: str
    #: ``sample``: the repository below; ``missing``: one that is not there; ``none``.
    sources: str
    #: What gitlab-runner reported.
    result: dict[str, Any]
    arguments: dict[str, Any]
    expected: str


def _cases() -> Iterator[_Case]:
    for folder in sorted(CASES.iterdir()):
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        expected = (folder / "expected.txt").read_text(encoding="utf-8")
        yield _Case(folder.name, job["sources"], job["result"], job["arguments"], expected)


@pytest.fixture
def sample(tmp_path: Path) -> GitRepository:
    """The repository that the expected traces are from: dates are fixed, so its SHAs never change."""
    (tmp_path / "sample").mkdir()
    repository = GitRepository(tmp_path / "sample")
    repository.git("init", "--quiet", "--initial-branch", "main", "--object-format", "sha1")
    repository.commit({"README.md": "A sample.\n", "src/hello.txt": "hello\n"}, "Commit 0")
    repository.git("tag", "v1")
    head = repository.commit({"src/hello.txt": "hello again\n"}, "Commit 1")
    assert head.startswith("c15b57e5")
    return repository


def test_traces_are_those_of_gitlab_runner(
    tmp_path: Path, coordinator: EmbeddedCoordinator, sample: GitRepository
) -> None:
    """Each line of each stream, their order, and what is reported, are gitlab-runner's."""
    cases = list(_cases())
    jobs = {case.name: _enqueue(coordinator, case, sample) for case in cases}
    differences = []
    with RunnerProcess(tmp_path / "runner", coordinator.url, coordinator.add_runner(), **_SETTINGS):
        for case in cases:
            update = coordinator.wait_for(jobs[case.name], timeout=90).final_update or {}
            reported = {key: update[key] for key in ("state", "failure_reason", "exit_code") if key in update}
            expected = _streams(_without_host_lines(case.expected))
            printed = _streams(_normalised(coordinator.trace(jobs[case.name])))
            differences += [*_diff(case.name, expected, printed)]
            if reported != case.result:
                differences.append(f"{case.name}: reported {reported}, gitlab-runner {case.result}")
    assert not differences, "\n".join(differences)
    assert coordinator.violations == []


def test_there_are_enough_cases() -> None:
    """No case has been lost: an empty folder would compare nothing."""
    assert len(list(_cases())) >= 15


def _enqueue(coordinator: EmbeddedCoordinator, case: _Case, sample: GitRepository) -> int:
    """Queue a job in a project of its own: its checkout is the first."""
    project = f"group/{case.name}"
    arguments = dict(case.arguments)
    if case.sources == "sample":
        coordinator.add_repository(project, sample.path)
        return coordinator.enqueue(repository=project, **arguments)
    if case.sources == "missing":
        arguments["repo_url"] = f"{coordinator.url}/missing.git"
    return coordinator.enqueue(project=project, **arguments)


def _normalised(trace: bytes) -> str:
    text = trace.decode("utf-8", "backslashreplace")
    for pattern, word in (*_REPLACED, *_OWN):
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return _without_host_lines(text.replace("\r", "\\r").replace("\x1b", "\\e"))


def _without_host_lines(text: str) -> str:
    for pattern in _HOST_LINES:
        text = re.sub(pattern, "", text, flags=re.MULTILINE)
    # What git says of a repository that is not there has changed, and may again.
    return re.sub(r"(TIME 01E fatal: ).*missing\.git.*", r"\1no such repository", text)


def _streams(text: str) -> dict[str, list[str]]:
    """Split a trace into standard error and all the rest: when they mix is a matter of timing."""
    streams: dict[str, list[str]] = {"stderr": [], "stdout": []}
    for line in text.split("\n"):
        streams["stderr" if line.startswith("TIME 01E") else "stdout"].append(line)
    return streams


def _diff(name: str, expected: dict[str, list[str]], printed: dict[str, list[str]]) -> Iterator[str]:
    for stream, lines in expected.items():
        yield from difflib.unified_diff(
            lines, printed[stream], f"{name}: gitlab-runner {stream}", f"{name}: pyrunner", n=1, lineterm=""
        )
