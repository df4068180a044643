"""Hostile jobs on a real engine: what they write, plant or name reaches nothing of others (design R8)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.integration.test_docker_manager import manager, needs_sandbox, reachable
from tests.support.coordinator import GitRepository
from tests.support.docker import LABEL, DockerLab, busybox_tar
from tests.support.docker_jobs import containers_of, output_of, place_docker_job
from tests.support.fanotify import CanaryWatch

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.usefixtures("needs_sandbox")]
__all__ = ["needs_sandbox", "reachable"]

PROJECT = "/builds/group/app"
NONE = {"GIT_STRATEGY": "none"}
CACHE = {"key": "k", "paths": ["store"], "policy": "pull-push", "when": "always", "untracked": True}
ARTIFACTS = {"name": "out", "paths": ["out"], "artifact_type": "archive", "artifact_format": "zip"}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A folder of the host that no job may touch."""
    folder = tmp_path / "canary"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture
def watch(canary: Path) -> Iterator[CanaryWatch]:
    """The kernel's word on every use of the canary."""
    try:
        watch = CanaryWatch(canary)
    except OSError as error:
        pytest.skip(f"fanotify: {error}")
    yield watch
    watch.close()


class Project:
    """Jobs of projects at one manager, one after another."""

    def __init__(self, coordinator: EmbeddedCoordinator) -> None:
        self.coordinator = coordinator

    def run(self, state: str | None = "success", /, **job: Any) -> str:
        """Run a job to its end; returns its trace.

        :param state: that it comes to; None: whatever it is.
        """
        job = {"repository": "group/app", "script": ["true"], **job}
        number = self.coordinator.enqueue(**{key: value for key, value in job.items() if value is not None})
        ended = self.coordinator.wait_for(number, state) if state else self.coordinator.wait_for(number)
        return ended.trace.read().decode()


@pytest.fixture
def project(
    tmp_path: Path, reachable: EmbeddedCoordinator, docker_lab: DockerLab, git_repository: GitRepository
) -> Iterator[Project]:
    """A project whose jobs share one slot."""
    reachable.add_repository("group/app", git_repository.path)
    with manager(tmp_path, reachable, docker_lab.image(), limit=1):
        yield Project(reachable)


def lines(trace: str) -> list[str]:
    """Return what a job's script printed."""
    return [line[32:] for line in trace.splitlines() if line[28:31] == "01O"]


def test_no_mount_is_led_elsewhere_by_a_workspace_stage(
    tmp_path: Path, docker_lab: DockerLab, canary: Path
) -> None:
    """A variable has bash run a command in restore_cache; ``/cache`` of the next start is the slot's."""
    swap = f"cd /.pyrunner/cache && rm -rf slot1 ../slot1; ln -s {canary} slot1; echo >> ../cache/ran"
    job = place_docker_job(
        tmp_path,
        docker_lab,
        script=["echo mine > /cache/mine"],
        after_script=["ls /cache"],
        variables={"CI_DEBUG_TRACE": "true", "PS4": f"+$({swap})"},
        cache=[CACHE],
    )
    assert job.finish().state == "success"
    assert "mine" in output_of(job, "after_script")
    assert "secret" not in output_of(job, "after_script")
    assert list(tmp_path.glob("root/1/cache/projects/*/*/unprotected/ran")), "the trap works"
    assert [one.name for one in canary.iterdir()] == ["secret"]


def test_a_pipeline_does_not_choose_its_folders(project: Project) -> None:
    """GitLab's variables overwritten in .gitlab-ci.yml: neither another project's tree nor its caches."""
    victim: dict[str, Any] = {
        "project_id": 1,
        "project_path": "group/victim",
        "variables": NONE,
        "repository": None,
    }
    project.run(**victim, script=["echo theirs > /builds/theirs; echo theirs > /cache/theirs"])
    forged = {
        **NONE,
        "CI_PROJECT_PATH": "group/victim",
        "CI_PROJECT_ID": "1",
        "CI_COMMIT_REF_PROTECTED": "true",
        "CI_COMMIT_REF_NAME": "main",
    }
    show = ["find /builds /cache -name theirs", "touch /builds/mine /cache/mine"]
    attack: dict[str, Any] = {"project_id": 2, "project_path": "group/attacker", "repository": None}
    assert not {"/builds/theirs", "/cache/theirs"} & {
        *lines(project.run(**attack, variables=forged, script=show))
    }
    back = lines(project.run(**victim | {"script": ["find /builds /cache -name mine; ls /cache"]}))
    assert "theirs" in back
    assert not {"/builds/mine", "/cache/mine", "mine"} & {*back}


FIFOS = "gitlab_runner_env .glr.gconf .gitlab-runner.ext.conf masking.db git-template"
PLACES: dict[str, str] = {
    "project a link": f"rm -rf {PROJECT}; mkdir /builds/evil; ln -s /builds/evil {PROJECT}",
    "namespace a link": "mv /builds/group /builds/other; ln -s other /builds/group",
    "namespace a file": "rm -rf /builds/group; touch /builds/group",
    "temporary folder a link": f"rm -rf {PROJECT}.tmp; ln -s /nowhere {PROJECT}.tmp",
    "temporary files are FIFOs": f"cd {PROJECT}.tmp; rm -rf * .glr*; mkfifo {FIFOS} || true",
}


@pytest.mark.parametrize("place", list(PLACES))
def test_no_job_breaks_its_branch(project: Project, place: str) -> None:
    """Whatever a job leaves in place of its folders, the next one of the branch has its sources."""
    # The attacker's own clean-up reads a FIFO: that is ended by its own timeout.
    project.run(None, script=["cd /", *PLACES[place].split("; ")], timeout=5)
    assert "README.md" in lines(project.run(script=["ls"]))


def _plant(canary: Path) -> list[str]:
    return [
        f"ln -s {canary} out",
        f"ln -s {canary} store",
        f"ln -s {canary}/secret untracked",
        f"rm -rf .git/objects; ln -s {canary} .git/objects",
        f"rm -rf .git/modules; ln -s {canary} .git/modules",
        f"rm -f .git/HEAD; ln -s {canary}/secret .git/HEAD",
        f"rm -f .git/config; ln -s {canary}/secret .git/config",
        f"rm -rf {PROJECT}.tmp; ln -s {canary} {PROJECT}.tmp",
        f"rm -rf /cache/*; ln -s {canary} /cache/dependency_lib",
        f"ln -s {canary} /builds/group/other; mknod /builds/disk b 8 0; mkfifo /builds/fifo .git/fifo",
        "cp /bin/busybox /builds/setuid; chmod 6755 /builds/setuid",
    ]


def test_real_stages_touch_nothing_that_is_planted(
    project: Project, canary: Path, watch: CanaryWatch
) -> None:
    """Sources, caches, artifacts and clean-up of whole jobs over links: the canary is not even opened."""
    stages: dict[str, Any] = {"cache": [CACHE], "artifacts": [{**ARTIFACTS, "when": "always"}]}
    stages["variables"] = {
        "FF_ENABLE_JOB_CLEANUP": "true",
        "GIT_SUBMODULE_STRATEGY": "recursive",
        "CI_DEBUG_TRACE": "false",
    }
    project.run(None, script=_plant(canary), **stages)
    trace = project.run(script=["ls -a", "mkdir out && touch out/file"], **stages)
    assert "README.md" in lines(trace)
    assert watch.uses() == []
    assert [one.name for one in canary.iterdir()] == ["secret"]


def test_a_service_that_attacks_the_workspace(
    project: Project, docker_lab: DockerLab, canary: Path, watch: CanaryWatch
) -> None:
    """It has ``/builds``, and changes what our own are looking at: they follow it nowhere."""
    loop = (
        f"nc -l -p 80 & mkdir -p {PROJECT}/.git; cd /builds/group; while :; do"
        f" ln -s {canary} evil; mv app was; mv evil app; rm -f app; mv was app;"
        f" mv app/.git app/was; ln -s {canary} app/.git; rm -f app/.git; mv app/was app/.git;"
        f" ln -s {canary} app/.git/hooks; echo '[core]' > app/.git/config; ln -s {canary} app.tmp; done"
    )
    services = [
        {
            "name": docker_lab.image("EXPOSE 80"),
            "alias": "evil",
            "entrypoint": ["sh", "-c"],
            "command": [loop],
        }
    ]
    for _ in range(2):
        project.run(None, script=["ls"], services=services, cache=[CACHE], artifacts=[ARTIFACTS])
    assert watch.uses() == []
    assert [one.name for one in canary.iterdir()] == ["secret"]
    assert "README.md" in lines(project.run(script=["ls"]))


def test_services_do_not_see_the_script(tmp_path: Path, docker_lab: DockerLab) -> None:
    """The box, with the job's variables in its script, is the build container's alone."""
    look = "nc -l -p 80 & ls /.pyrunner > /builds/seen 2>&1; touch /builds/looked; sleep 100"
    job = place_docker_job(
        tmp_path,
        docker_lab,
        services=[{"name": docker_lab.image("EXPOSE 80"), "entrypoint": ["sh", "-c"], "command": [look]}],
        script=["until [ -e /builds/looked ]; do sleep 0.1; done", "cat /builds/seen", "ls /.pyrunner"],
    )
    assert job.finish().state == "success"
    assert "ls: /.pyrunner: No such file or directory" in output_of(job)
    assert output_of(job)[-4:] == ["err", "go", "out", "script"]


def test_the_box_of_a_job_is_not_its_own(tmp_path: Path, docker_lab: DockerLab) -> None:
    """A job can neither change what runs next nor, by its FIFOs, keep its end from being seen."""
    attacks = [
        "rm -rf /.pyrunner/* 2>/dev/null || echo kept",
        "(echo exit 0 > /.pyrunner/script) 2>/dev/null || echo kept",
        "mount -o remount,rw /.pyrunner 2>/dev/null || echo kept",
        "echo x > /.pyrunner/go & cat /.pyrunner/go > /dev/null & exec 7<>/.pyrunner/out 8<>/.pyrunner/err",
        "exit 3",
    ]
    job = place_docker_job(tmp_path, docker_lab, script=attacks, after_script=["echo after"])
    assert job.finish().exit_code == 3
    assert output_of(job) == ["kept"] * 3
    assert output_of(job, "after_script")[-1] == "after"
    assert containers_of(job, docker_lab) == []


def _image(docker_lab: DockerLab, change: Callable[[tarfile.TarFile], None]) -> str:
    """Import an image of user ``joe`` whose ``/etc/passwd`` is what ``change`` adds."""
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(busybox_tar())) as old,
        tarfile.open(fileobj=buffer, mode="w") as new,
    ):
        for entry in old:
            if entry.name != "etc/passwd":
                new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
        change(new)
    name = docker_lab.image()  # a name that goes with the lab
    docker_lab.api.remove_image(name, force=True)
    repository, _, tag = name.rpartition(":")
    settings = ["ENV PATH=/bin", "USER joe", f"LABEL {LABEL}={docker_lab.mark}"]
    docker_lab.api.import_image_from_data(buffer.getvalue(), repository=repository, tag=tag, changes=settings)
    return name


def _entry(
    new: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, to: str = ""
) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.type, entry.linkname = len(data), 0o755, kind, to
    new.addfile(entry, io.BytesIO(data))


def _link_and_file(new: tarfile.TarFile) -> None:
    _entry(new, "etc/passwd", kind=tarfile.SYMTYPE, to="../p")
    _entry(new, "p", ROW)


ROW = b"joe:x:4711:4712::/:/bin/sh\n"
ACCOUNTS: dict[str, tuple[Callable[[tarfile.TarFile], None], str]] = {
    "a link": (
        _link_and_file,
        "",
    ),
    "no number": (lambda tar: _entry(tar, "etc/passwd", ROW.replace(b"4711", b"x")), "has no user joe"),
    "a giant": (lambda tar: _entry(tar, "etc/passwd", ROW * 200_000), "is larger than"),
    "a folder": (lambda tar: _entry(tar, "etc/passwd", kind=tarfile.DIRTYPE), "is not a file"),
}


@pytest.mark.parametrize("kind", list(ACCOUNTS))
def test_accounts_of_an_image(tmp_path: Path, docker_lab: DockerLab, kind: str) -> None:
    """An image's list of users is read with care: whatever it is, the job ends with the reason."""
    change, reason = ACCOUNTS[kind]
    job = place_docker_job(
        tmp_path,
        docker_lab,
        image=_image(docker_lab, change),
        script=["id -u"],
        variables={"FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR": "true"},
    )
    result = job.finish()
    assert (result.state == "success") is (not reason)
    assert reason in result.message
    assert output_of(job) == ([] if reason else ["4711"])
    assert containers_of(job, docker_lab) == []


@pytest.mark.parametrize("image", ["../../etc", "-v", "a b", "x\ny", "$(touch /x)", "localhost/x:y@z"])
def test_names_of_images(tmp_path: Path, docker_lab: DockerLab, image: str) -> None:
    """What is no name of an image is told so; the engine is not asked."""
    job = place_docker_job(tmp_path, docker_lab, image=image)
    assert "invalid reference format" in job.finish().message
    assert containers_of(job, docker_lab) == []
