"""The jobs of a run as JUnit XML, for whatever shows test results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from pyrunner.cli.exec.joblog import plain
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.views import JobView
from pyrunner.errors import UsageError


def write_junit(path: Path, name: str, jobs: Sequence[JobView], tails: Mapping[int, Sequence[str]]) -> None:
    """Write one test case for each job; its class is the stage.

    :raises UsageError: when the file cannot be written.
    """
    shown = [one for one in jobs if not one.retried]
    suite = ElementTree.Element("testsuite", name=name, tests=str(len(shown)), time=_time(shown))
    failed = errors = skipped = 0
    for job in shown:
        case = ElementTree.SubElement(
            suite, "testcase", classname=job.stage, name=job.name, time=f"{job.duration:.3f}"
        )
        text = "\n".join(plain(line) for line in tails.get(job.id, ()))
        if job.status is Status.SUCCESS:
            continue
        if job.failed and job.failure_reason == "script_failure":
            failed += 1
            ElementTree.SubElement(case, "failure", message=f"exit code {job.exit_code}").text = text
        elif job.failed:
            errors += 1
            ElementTree.SubElement(case, "error", message=job.failure_reason or "failed").text = text
        else:
            skipped += 1
            allowed = "failed, which is allowed" if job.status is Status.FAILED else str(job.status)
            ElementTree.SubElement(case, "skipped", message=allowed)
    suite.set("failures", str(failed))
    suite.set("errors", str(errors))
    suite.set("skipped", str(skipped))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    try:
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"--junit {path}: {error.strerror}") from None


def _time(jobs: Sequence[JobView]) -> str:
    return f"{sum(one.duration for one in jobs):.3f}"
