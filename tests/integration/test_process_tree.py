"""A job's processes: found and ended wherever they went, and nobody else (tristan-layout.md 6)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.cgroup_mounts import Hierarchy, own_hierarchies
from pyrunner.system.process import ProcessIdentity, await_exit, protect_from_oom, read_stat, reset_oom_score
from pyrunner.system.proctree import (
    MARKER,
    descendants,
    find_job_processes,
    kill_tree,
    set_child_subreaper,
    stop_tree,
)
from pyrunner.system.sampler import ProcessSampler

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

#: Says "ready" when all that it starts is started: a child, one in its own session, an orphan of both.
# Says that it is ready when the last of its five processes is born.
FAMILY = """
sleep 300 &
setsid sleep 300 &
(setsid sh -c 'trap "" TERM HUP; sleep 300 & echo ready; wait; while :; do sleep 300; done' &)
wait
"""
#: Each process starts two more, for ever; the tests limit how many there may be at a time.
FORK_BOMB = "bomb() { bomb & bomb & wait; }; echo ready; bomb 2>/dev/null"


class Job:
    """A script in a session of its own, with a marker, that has said that it is ready."""

    def __init__(self, script: str, prepare: Callable[[], None] | None = None, marked: bool = True) -> None:
        self.token = uuid.uuid4().hex
        environment = dict(os.environ) | ({MARKER: self.token} if marked else {})
        self.process = subprocess.Popen(
            ["bash", "-c", script],
            env=environment,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=prepare,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def find(self) -> list[ProcessIdentity]:
        """Return its living processes by the marker alone."""
        return find_job_processes(self.token)


@pytest.fixture
def start() -> Iterator[Callable[..., Job]]:
    """Starts jobs; ends what a failed test leaves behind."""
    jobs: list[Job] = []

    def make(script: str, prepare: Callable[[], None] | None = None) -> Job:
        jobs.append(Job(script, prepare))
        return jobs[-1]

    yield make
    for job in jobs:
        stop_tree(job.find, grace=0)
        job.process.wait()
        assert job.process.stdout is not None
        job.process.stdout.close()


def forked(act: Callable[[], bool]) -> bool:
    """Run ``act`` in a forked child and return its answer."""
    pid = os.fork()
    if not pid:
        os._exit(0 if act() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def limit_processes() -> None:
    """Become a user without rights who may have a few dozen processes: root has no limit."""
    import resource

    os.setgid(65534)
    # Its own: the limit counts all processes of a user.
    os.setuid(1_000_000 + os.getpid())
    resource.setrlimit(resource.RLIMIT_NPROC, (40, 40))


@pytest.fixture(params=["v2 with cgroup.kill", "v1 freezer", "no way to kill at once"])
def group(request: pytest.FixtureRequest) -> Iterator[JobCgroup]:
    """A cgroup of each kind that this machine offers."""
    kind = str(request.param)
    hierarchies = own_hierarchies()
    if kind.startswith("v2"):
        chosen = [one for one in hierarchies if one.version == 2]
    elif kind == "v1 freezer":
        chosen = [one for one in hierarchies if "freezer" in one.controllers]
    else:
        chosen = [one for one in hierarchies if "memory" in one.controllers]
    made = JobCgroup.create(f"test-{uuid.uuid4().hex}", chosen)
    if made is None:
        pytest.skip(f"no cgroup to be had here: {kind} (needs root or delegation)")
    if kind.startswith("v2") and not Path(made.to_dict()["parts"][0]["folder"], "cgroup.kill").exists():
        made.remove()
        pytest.skip("cgroup.kill needs Linux 5.14")
    yield made
    made.kill()
    made.remove()


def test_zombie_is_not_alive() -> None:
    """A process that has ended but was not waited for does not live."""
    process = subprocess.Popen(["true"])
    identity = ProcessIdentity.of(process.pid)
    assert identity is not None
    assert await_exit([identity], 30) == []
    stat = read_stat(process.pid)
    assert stat is not None
    assert stat.dead
    assert not identity.alive()
    assert identity.send(signal.SIGTERM) is False
    process.wait()


def test_hostile_process_name(tmp_path: Path) -> None:
    """A program called like the rest of a stat line does not change what is read."""
    program = tmp_path / "x) Z 1 1 (1"
    shutil.copy(shutil.which("sleep") or "", program)
    process = subprocess.Popen([program, "300"])
    stat = read_stat(process.pid)
    assert stat is not None
    assert (stat.parent, stat.dead) == (os.getpid(), False)
    process.kill()
    process.wait()


def test_wait_sees_the_end_of_a_process_that_is_not_ours(start: Callable[..., Job]) -> None:
    """pidfd tells of the end of any process, child or not."""
    job = start("(setsid sh -c 'echo ready; exec sleep 300' &)")
    job.process.wait()
    (orphan,) = job.find()
    assert orphan.wait(0) is False
    assert orphan.send(signal.SIGTERM)
    assert orphan.wait(30) is True
    assert not orphan.alive()


def test_oom_protection_ends_in_the_stage() -> None:
    """A stage's process takes back the protection that it inherited; an unprotected one stays as it is."""

    def protected_then_reset() -> bool:
        score = Path("/proc/self/oom_score_adj")
        before = score.read_text()
        if not protect_from_oom():
            return reset_oom_score() and score.read_text() == before
        return score.read_text() == "-500\n" and reset_oom_score() and score.read_text() == "0\n"

    assert forked(protected_then_reset)


def test_raised_oom_score_stays() -> None:
    """A score that an administrator has raised is not lowered."""

    def raised_then_reset() -> bool:
        return (
            protect_from_oom(300)
            and reset_oom_score()
            and Path("/proc/self/oom_score_adj").read_text() == "300\n"
        )

    assert forked(raised_then_reset)


def test_marker_finds_what_left_session_and_parent(start: Callable[..., Job]) -> None:
    """Child, own session and orphan are found by the marker; other jobs' processes are not."""
    job, other = start(FAMILY), start(FAMILY)
    commands = sorted(Path(f"/proc/{one.pid}/comm").read_text().strip() for one in job.find())
    assert commands == ["bash", "sh", "sleep", "sleep", "sleep"]
    assert not {one.pid for one in job.find()} & {one.pid for one in other.find()}


def test_longer_token_is_another_job(start: Callable[..., Job]) -> None:
    """The marker is compared whole: job 1 does not stop job 11."""
    job = start("echo ready; exec sleep 300")
    assert find_job_processes(job.token[:-1]) == []
    assert len(job.find()) == 1


def test_subreaper_keeps_orphans_without_a_marker() -> None:
    """What drops environment, session and parent still descends from the wrapper."""

    def orphan_is_found() -> bool:
        if not set_child_subreaper():
            return False
        script = "(env -i setsid sh -c 'echo ready; exec sleep 300' &)"
        job = Job(script, marked=False)
        job.process.wait()
        me = ProcessIdentity.current()
        found = find_job_processes(job.token, me)
        left = stop_tree(lambda: find_job_processes(job.token, me), grace=30)
        return len(found) == 1 and descendants(me) == [] and left == []

    assert forked(orphan_is_found)


def test_stop_asks_first(start: Callable[..., Job]) -> None:
    """A script that tidies up on SIGTERM is left to do so, with the commands it starts then."""
    job = start("trap 'sleep 0.2; echo tidied; exit' TERM; sleep 300 & echo ready; while :; do wait; done")
    assert stop_tree(job.find, grace=30) == []
    assert job.process.stdout is not None
    assert job.process.stdout.read() == b"tidied\n"
    assert job.process.wait() == 0


def test_stop_ends_what_ignores_the_request(start: Callable[..., Job]) -> None:
    """After the grace time nothing of the tree lives; another job does."""
    job, other = start(FAMILY), start(FAMILY)
    assert stop_tree(job.find, grace=0.3) == []
    assert job.find() == []
    assert len(other.find()) == 5


def test_stop_ends_a_fork_bomb(start: Callable[..., Job]) -> None:
    """Without a cgroup, stopping before killing ends what multiplies."""
    if os.geteuid() != 0:
        pytest.skip("limits the bomb by a user of its own: needs root")
    job = start(FORK_BOMB, limit_processes)
    assert kill_tree(job.find, force=30) == []
    assert job.find() == []


def test_group_holds_whatever_its_members_start(group: JobCgroup, start: Callable[..., Job]) -> None:
    """Members in their own session and orphans are in the group, are signalled, and keep it from removal."""
    job = start(FAMILY, group.enter)
    assert group.pids() == sorted(one.pid for one in job.find())
    assert group.populated()
    assert not group.remove()
    # Harmless: whom a deadly one reaches first may take another along before it is counted.
    assert group.signal(signal.SIGCONT) == 5
    assert group.kill()
    assert not group.populated()
    assert job.find() == []
    assert group.remove()


def test_group_ends_a_fork_bomb(group: JobCgroup, start: Callable[..., Job]) -> None:
    """A bomb is over when kill returns."""
    if os.geteuid() != 0:
        pytest.skip("limits the bomb by a user of its own: needs root")

    def prepare() -> None:
        group.enter()
        limit_processes()

    job = start(FORK_BOMB, prepare)
    if not group.kill() and len(group.to_dict()["parts"]) == 1:
        # One by one a bomb may win; the search that stops before it kills does not.
        stop_tree(job.find, grace=0, force=30)
    assert job.find() == []
    assert not group.populated()


def test_group_is_taken_up_by_another_process(group: JobCgroup, start: Callable[..., Job]) -> None:
    """What a journal holds is enough to end the job after a restart of everything."""
    job = start(FAMILY, group.enter)
    record = group.to_dict()
    assert forked(lambda: JobCgroup.from_dict(record).kill() and JobCgroup.from_dict(record).remove())
    assert job.find() == []


def test_groups_made_by_the_job_go_with_it(group: JobCgroup, start: Callable[..., Job]) -> None:
    """A job may make groups below its own (a container engine does): members and folders are its, too."""
    folder = group.to_dict()["parts"][0]["folder"]
    job = start(
        f"mkdir {folder}/below; sleep 300 & echo $! > {folder}/below/cgroup.procs; echo ready; wait",
        group.enter,
    )
    assert len(group.pids()) == len(job.find()) == 2
    assert group.kill()
    assert group.remove()
    assert not Path(folder).exists()


def test_kill_spares_ourselves(group: JobCgroup) -> None:
    """A hostile job that is root can put us into its group; we do not end ourselves."""

    def survives() -> bool:
        group.enter(os.getpid())
        child = subprocess.Popen(["sleep", "300"])
        group.kill()
        return child.wait() == -signal.SIGKILL

    assert forked(survives)


def test_usage_of_a_group(start: Callable[..., Job]) -> None:
    """Processor time of members that have ended is counted."""
    group = JobCgroup.create(f"test-{uuid.uuid4().hex}")
    if group is None:
        pytest.skip("no cgroup to be had here (needs root or delegation)")
    job = start(
        "echo ready; for i in $(seq 20000); do :; done; (for i in $(seq 100000); do :; done)", group.enter
    )
    assert job.process.wait() == 0
    usage = group.usage()
    assert usage.source == "cgroup"
    assert (usage.cpu_user or 0.0) > 0.0
    assert group.remove()


def test_group_that_left_one_hierarchy_is_still_found(start: Callable[..., Job]) -> None:
    """A job that is root can leave one cgroup; it is a member, and ended, as long as it is in another."""
    hierarchies = [
        one for one in own_hierarchies() if one.version == 2 or one.controllers & {"freezer", "memory"}
    ]
    group = JobCgroup.create(f"test-{uuid.uuid4().hex}", hierarchies)
    if group is None or len(group.to_dict()["parts"]) < 2:
        pytest.skip("needs two hierarchies (hybrid or v1) and the right to make groups")
    root: Hierarchy = hierarchies[0]
    job = start(f"echo $$ > {root.own}/cgroup.procs; echo ready; exec sleep 300", group.enter)
    assert [one.pid for one in job.find()] == group.pids()
    assert group.kill()
    assert job.process.wait() == -signal.SIGKILL
    assert group.remove()


def test_sampler_counts_children_that_have_ended() -> None:
    """Time of children that were waited for is not lost between two looks."""
    sampler = ProcessSampler(lambda: [ProcessIdentity.current()])
    subprocess.run(["bash", "-c", "for i in $(seq 200000); do :; done"], check=True)
    sampler.sample()
    assert (sampler.usage().cpu_user or 0.0) > 0.0
