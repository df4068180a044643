"""Where ``exec`` keeps things."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pyrunner.cli.exec.folders import KEPT_RUNS, LOOPBACK, RUN_LOCK, ProjectFolder
from pyrunner.cli.exec.lastrun import LastRun
from pyrunner.errors import PyrunnerError
from pyrunner.system.lock import OpenFileLock


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """The folder of a working copy."""
    return ProjectFolder.of(Path("/src/my project"), {"XDG_DATA_HOME": str(tmp_path)})


def test_each_working_copy_has_its_own(tmp_path: Path) -> None:
    """Two copies of one name do not share; the same one does."""
    environ = {"XDG_DATA_HOME": str(tmp_path)}
    one, other = ProjectFolder.of(Path("/a/p"), environ), ProjectFolder.of(Path("/b/p"), environ)
    assert one != other
    assert one == ProjectFolder.of(Path("/a/p"), environ)
    assert one.path.is_relative_to(tmp_path / "pyrunner" / "exec")
    home = ProjectFolder.of(Path("/a/p"), {"HOME": "/home/ada", "XDG_DATA_HOME": "relative"})
    assert home.path.is_relative_to("/home/ada/.local/share")


def test_runs_are_numbered_and_old_ones_go(project: ProjectFolder) -> None:
    """The last runs stay, those to be kept, and those that go on; ``latest`` leads to the last."""
    kept = project.new_run()
    project.finish_run(kept, {"heads": {"main": "1"}}, keep=True)
    under_way = project.new_run()
    lock = OpenFileLock.take(under_way / RUN_LOCK)
    assert lock is not None
    runs = []
    for _ in range(KEPT_RUNS + 3):
        runs.append(project.new_run())
        project.finish_run(runs[-1], {"heads": {"main": runs[-1].name}}, keep=False)
    lock.close()
    assert kept.exists()
    assert under_way.exists()
    assert [one for one in runs if one.exists()] == runs[-KEPT_RUNS:]
    last = LastRun.of(project)
    assert last is not None
    assert last.head("main") == runs[-1].name
    assert last.head("other") == ""


def test_what_a_killed_run_has_left_goes(project: ProjectFolder) -> None:
    """Its database and repository hold secrets; its number is not given again. One that goes on, or has only
    just begun, keeps everything, and so does one that has ended."""
    killed, begun, under_way, ended = (project.new_run() for _ in range(4))
    lock = OpenFileLock.take(under_way / RUN_LOCK)
    assert lock is not None
    project.finish_run(ended, {}, keep=False)
    for one in (killed, begun, under_way, ended):
        (one / "pipelines.sqlite").write_text("secret")
        (one / "coordinator").mkdir()
    for one in (killed, under_way, ended):
        os.utime(one, (1, 1))
    assert project.new_run().name == "5"
    assert list(killed.iterdir()) == []
    for one in (begun, under_way, ended):
        assert (one / "pipelines.sqlite").exists()
    lock.close()


def test_no_last_run(project: ProjectFolder) -> None:
    """Before the first run, and with a result that cannot be read, there is none."""
    assert LastRun.of(project) is None
    run = project.new_run()
    project.finish_run(run, {}, keep=False)
    (run / "result.json").write_text("{")
    assert LastRun.of(project) is None


def test_lanes(project: ProjectFolder) -> None:
    """Runs at the same time have a lane each; a lane keeps its port."""
    first, second = project.take_lane(), project.take_lane()
    assert first.path != second.path
    port = first.port
    first.close()
    again = project.take_lane()
    assert (again.path, again.host, again.port) == (first.path, LOOPBACK, port)
    again.close()
    second.close()


def test_a_lane_whose_port_is_taken(project: ProjectFolder) -> None:
    """A lane is not used while something else has its port: jobs left behind would report to that."""
    lane = project.take_lane()
    lane.close()
    with socket.socket() as squatter:
        squatter.bind((LOOPBACK, lane.port))
        squatter.listen()
        other = project.take_lane()
        assert other.path != lane.path
        other.close()


def test_the_bridge(project: ProjectFolder) -> None:
    """Containers need the bridge's address; once a lane has it, it stays, so that caches are found again."""
    bridge = "127.0.0.2"  # any address of this machine will do
    lane = project.take_lane(bridge)
    lane.close()
    again = project.take_lane()
    again.close()
    assert (again.host, again.port) == (bridge, lane.port)
    (lane.path / "address.json").write_text('{"host": "192.0.2.1", "port": 12345}')
    gone = project.take_lane()
    gone.close()
    assert (gone.path, gone.host) == (lane.path, LOOPBACK)


def test_no_home() -> None:
    """Without a home there is a message, not a folder in /."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.getuid", lambda: 123456)
        with pytest.raises(PyrunnerError, match="HOME"):
            ProjectFolder.of(Path("/a"), {})
