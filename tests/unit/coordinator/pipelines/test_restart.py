"""A restart in the middle of pipelines: nothing is lost, nothing runs twice (design R3, R4)."""

from __future__ import annotations

import stat
from pathlib import Path

from pyrunner.coordinator.pipelines.creation import Choices
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.records import Artifact, JobStatus
from tests.support.pipeline_service import Lab

TEXT = """
a: {stage: build, script: s, artifacts: {paths: [x]}}
b: {stage: build, script: s}
c: {script: s}
d: {script: s, when: delayed, start_in: 1 hour}
"""


def test_everything_goes_on(tmp_path: Path) -> None:
    """Running jobs keep id, token and trace; pending ones are queued again; artifacts are still had."""
    lab = Lab(tmp_path)
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"PK")
    pipeline = lab.begin(TEXT)
    lab.end(pipeline, "a", artifacts={"archive": archive})
    lab.run(pipeline, "b")
    before = lab.store.jobs[lab.latest(pipeline)["b"].id]
    before.trace.append(b"half a trace\n")
    lab.restart()
    after = lab.store.jobs[before.id]
    assert (after.token, after.state, after.trace.size) == (before.token, JobStatus.RUNNING, 13)
    assert after.trace.checksum == before.trace.checksum
    assert after.payload["git_info"] == before.payload["git_info"]
    lab.end(pipeline, "b")
    assert lab.states(pipeline) == {"a": "success", "b": "success", "c": "pending", "d": "scheduled"}
    lab.restart()
    assert lab.store.queue == [lab.latest(pipeline)["c"].id]
    source = lab.payload(pipeline, "c")["dependencies"][0]
    assert lab.store.jobs[source["id"]].artifacts["archive"].path == archive
    lab.end(pipeline, "c")
    lab.now = lab.latest(pipeline)["d"].scheduled_at
    lab.step()
    lab.end(pipeline, "d")
    assert lab.state(pipeline) is Status.SUCCESS
    lab.service.close()


def test_ids_do_not_repeat(tmp_path: Path) -> None:
    """A new job after a restart has an id that none had before."""
    lab = Lab(tmp_path)
    first = lab.begin("a: {script: s}")
    lab.restart()
    second = lab.begin("a: {script: s}", ref="other")
    assert second > first
    assert lab.latest(second)["a"].id > lab.latest(first)["a"].id
    lab.service.close()


def test_imported_artifacts(tmp_path: Path) -> None:
    """What passed in an earlier pipeline gives its artifacts after a restart, too."""
    lab = Lab(tmp_path)
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"PK")
    done = {"a": [Artifact("archive", "zip", "x.zip", archive, 2, "0" * 64)]}
    pipeline = lab.begin("{a: {stage: build, script: s}, b: {script: s}}", Choices(done=done))
    lab.restart()
    assert lab.store.jobs[lab.latest(pipeline)["a"].id].artifacts["archive"].path == archive
    lab.service.close()


def test_the_database_is_private(tmp_path: Path) -> None:
    """It holds tokens and variables: nobody else reads it."""
    lab = Lab(tmp_path)
    lab.begin("a: {script: s}")
    modes = {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob("pipelines.sqlite*")}
    assert modes == {0o600}
    lab.service.close()
