"""Repositories over smart HTTP: fetched by real git, guarded by tokens."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import requests

from pyrunner.coordinator.faults import Endpoint
from pyrunner.coordinator.repositories import RepositoryError
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.coordinator import GitRepository
from tests.support.plain_runner import PlainRunner

pytestmark = pytest.mark.integration

NAME = "fruit/orchard"


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, git_repository: GitRepository) -> PlainRunner:
    """A runner; the coordinator serves the sample repository."""
    coordinator.add_repository(NAME, git_repository.path)
    return PlainRunner(coordinator.url, coordinator.add_runner())


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git without any settings of the user."""
    environment = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**environment, "HOME": str(folder)},
        capture_output=True,
        check=False,
    )


def fetch_job(folder: Path, job: dict[str, object]) -> Path:
    """Fetch and check out as a runner does, and return the tree."""
    info = job["git_info"]
    assert isinstance(info, dict)
    tree = folder / "tree"
    for arguments in (
        ("init", "--quiet", str(tree)),
        ("-C", str(tree), "fetch", "--quiet", "--depth", "20", info["repo_url"], *info["refspecs"]),
        ("-C", str(tree), "checkout", "--quiet", "--detach", info["sha"]),
    ):
        done = git(folder, *arguments)
        assert done.returncode == 0, done.stderr
    return tree


@pytest.mark.parametrize(
    ("ref", "content"), [("main", "hello again\n"), ("feature", "hello again\n"), ("v1", "hello\n")]
)
def test_a_job_fetches_its_refspecs(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, tmp_path: Path, ref: str, content: str
) -> None:
    """Branch, other branch, tag: with the pipeline's ref and the job's token."""
    coordinator.enqueue(repository=NAME, ref=ref)
    tree = fetch_job(tmp_path, runner.take())
    assert (tree / "src/hello.txt").read_text() == content


def test_the_payload_describes_the_commit(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, git_repository: GitRepository
) -> None:
    """Ref type, sha and message are those of the repository; the default branch is taken by default."""
    coordinator.enqueue(repository=NAME)
    job = runner.take()
    variables = {one["key"]: one["value"] for one in job["variables"]}
    assert job["git_info"]["sha"] == git_repository.git("rev-parse", "main")
    assert job["git_info"]["before_sha"] == git_repository.git("rev-parse", "v1")
    assert variables["CI_COMMIT_TITLE"] == "Second commit"
    assert variables["CI_COMMIT_AUTHOR"] == "Ada <ada@example.com>"
    assert variables["CI_PROJECT_PATH"] == NAME
    coordinator.enqueue(repository=NAME, ref="v1")
    assert runner.take()["git_info"]["ref_type"] == "tag"


def test_new_commits_are_served(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, git_repository: GitRepository, tmp_path: Path
) -> None:
    """The original is read anew for every job, and never written to."""
    refs = git_repository.git("for-each-ref")
    sha = git_repository.commit({"new.txt": "new\n"}, "Another")
    coordinator.enqueue(repository=NAME)
    job = runner.take()
    assert job["git_info"]["sha"] == sha
    assert (fetch_job(tmp_path, job) / "new.txt").exists()
    assert len(git_repository.git("for-each-ref").splitlines()) == len(refs.splitlines())


def test_a_large_negotiation_is_sent_compressed(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, git_repository: GitRepository, tmp_path: Path
) -> None:
    """Git compresses request bodies beyond 1 KiB; fetching on top of much history still works."""
    for number in range(40):
        git_repository.commit({"count.txt": f"{number}\n"}, f"Commit {number}")
    coordinator.enqueue(repository=NAME, depth=0)
    job = runner.take()
    url = job["git_info"]["repo_url"]
    assert git(tmp_path, "clone", "--quiet", url, "copy").returncode == 0
    git_repository.commit({"count.txt": "last\n"}, "Last")
    coordinator.enqueue(repository=NAME)
    assert git(tmp_path, "-C", "copy", "fetch", "--quiet", url).returncode == 0
    assert git(tmp_path, "-C", "copy", "show", "FETCH_HEAD:count.txt").stdout == b"last\n"


@pytest.mark.parametrize("path", [f"/{NAME}.git/info/refs?service=git-upload-pack", "/no/such.git/info/refs"])
def test_without_credentials_nothing_is_told(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, path: str
) -> None:
    """401 with a challenge, also for repositories that do not exist."""
    answer = requests.get(coordinator.url + path, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_token_is_good_while_its_job_runs(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """200 during the job, 401 afterwards and before."""
    coordinator.enqueue(repository=NAME)
    runner.request()
    url = f"{coordinator.url}/{NAME}.git/info/refs?service=git-upload-pack"
    credentials = ("gitlab-ci-token", runner.job["token"])
    assert requests.get(url, auth=credentials, timeout=10).status_code == 200
    runner.put("running")
    runner.put("success")
    assert requests.get(url, auth=credentials, timeout=10).status_code == 401


def test_configured_credentials_read_everything(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """A deploy user, with exactly its password."""
    coordinator.state.git.credentials["deploy"] = "secret"
    url = f"{coordinator.url}/{NAME}.git/info/refs?service=git-upload-pack"
    assert requests.get(url, auth=("deploy", "secret"), timeout=10).status_code == 200
    assert requests.get(url, auth=("deploy", "secret "), timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fruit/orchard.git/info/refs?service=git-receive-pack", 403),
        ("/fruit/orchard.git/info/refs", 403),
        ("/fruit/orchard.git/HEAD", 404),
        ("/fruit/orchard.git/config", 404),
        ("/fruit/orchard.git/../../gitconfig", 404),
        ("/fruit/%2e%2e/fruit/orchard.git/info/refs?service=git-upload-pack", 404),
        ("/fruit/orchard.git/..%2f..%2f/info/refs?service=git-upload-pack", 404),
        ("/%00/info/refs?service=git-upload-pack", 404),
    ],
)
def test_only_fetches_of_known_names_reach_git(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, path: str, status: int
) -> None:
    """No push, no dumb protocol, no way out of the name."""
    coordinator.enqueue(repository=NAME)
    job = runner.take()
    session = requests.Session()
    request = requests.Request("GET", coordinator.url, auth=("gitlab-ci-token", job["token"])).prepare()
    request.url = coordinator.url + path  # as it is: requests would tidy it up
    assert session.send(request, timeout=10).status_code == status
    session.close()


def test_a_push_is_refused(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, git_repository: GitRepository
) -> None:
    """Repositories are read only."""
    coordinator.enqueue(repository=NAME)
    url = runner.take()["git_info"]["repo_url"]
    done = git(git_repository.path, "push", "--quiet", url, "main:refs/heads/stolen")
    assert done.returncode != 0
    assert b"403" in done.stderr


def test_git_faults(coordinator: EmbeddedCoordinator, runner: PlainRunner, tmp_path: Path) -> None:
    """A failing fetch, and one whose connection is lost, then one that works."""
    coordinator.enqueue(repository=NAME)
    url = runner.take()["git_info"]["repo_url"]
    coordinator.faults.fail(Endpoint.GIT, 503)
    assert git(tmp_path, "ls-remote", url).returncode != 0
    coordinator.faults.drop_connection(Endpoint.GIT)
    assert git(tmp_path, "ls-remote", url).returncode != 0
    assert git(tmp_path, "ls-remote", url).returncode == 0
    assert [one.endpoint for one in coordinator.requests].count(Endpoint.GIT) >= 3


@pytest.mark.parametrize("name", ["orchard", "../x/y", "a/../b", "a//b", "a/b.git", "a/-b", "/a/b", "a/b\n"])
def test_names_that_are_no_project_paths_are_refused(
    coordinator: EmbeddedCoordinator, git_repository: GitRepository, name: str
) -> None:
    """A name becomes a path."""
    with pytest.raises(RepositoryError, match="group/project"):
        coordinator.add_repository(name, git_repository.path)


def test_a_folder_that_is_no_repository_is_refused(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """With what git says."""
    with pytest.raises(RepositoryError, match="git clone failed"):
        coordinator.add_repository(NAME, tmp_path)
