"""Where a job lives (tristan-layout.md 1 and 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyrunner.jobdir.layout import Business, place_job, project_segments, ref_kind
from pyrunner.protocol.job import Job, decode_job
from tests.support.contexts import payload, variable

BUSINESS = Business(Path("/data/tristan"), "7")
PROJECT = BUSINESS.path / "run" / "2" / "gitlab.example.com" / "group" / "app"


def job(ref_type: str = "branch", ref: str = "main", name: str = "", **variables: str) -> Job:
    """Return a job of a ref."""
    sent: dict[str, Any] = {"CI_COMMIT_REF_NAME": name, **variables}
    return decode_job(
        payload(
            git_info={"ref": ref, "ref_type": ref_type},
            variables=[variable(key, value) for key, value in sent.items() if value],
        )
    )


def job_of(path: str) -> Job:
    """Return a job of a project."""
    return decode_job(payload(job_info={"project_id": 7, "project_full_path": path}))


def test_paths_of_a_business() -> None:
    """Each runner entry has one folder for all that is its own."""
    assert BUSINESS.path == Path("/data/tristan/7")
    assert BUSINESS.slot(2) == Path("/data/tristan/7/run/2")
    assert BUSINESS.start_parameters(2) == Path("/data/tristan/7/run/2/data_data.json")
    assert BUSINESS.lock.parent == BUSINESS.path
    assert BUSINESS.pending.parent == BUSINESS.done.parent == Path("/data/tristan/7/jobs")


def test_a_branch_keeps_its_sources() -> None:
    """Cloned once, fetched afterwards; the control directory is the job's own."""
    place = place_job(BUSINESS, 2, job())
    assert place.project == PROJECT
    assert place.ref == PROJECT / "branches" / "main"
    assert place.source == place.ref / "source"
    assert place.control == place.ref / "build" / "4711"
    assert place.keep_source


def test_a_tag_does_not() -> None:
    """ "Tag code is not cached"."""
    place = place_job(BUSINESS, 2, job("tag", "v1"))
    assert place.ref == PROJECT / "tags" / "v1"
    assert not place.keep_source


@pytest.mark.parametrize("kind", ["head", "merge", "train"])
def test_a_merge_request_is_kept_by_its_number(kind: str) -> None:
    """Its refs are many, its folder is one; it is kept like a branch."""
    place = place_job(BUSINESS, 2, job("", f"refs/merge-requests/12/{kind}"))
    assert place.ref == PROJECT / "merge_requests" / "12"
    assert place.keep_source


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (job("branch", "main"), ("branches", "main")),
        (job("branch", "main", "other"), ("branches", "other")),
        (job("tag", "v1", "v1"), ("tags", "v1")),
        (job("branch", "main", "refs/merge-requests/3/head"), ("merge_requests", "3")),
        (job("", "feature", CI_MERGE_REQUEST_IID="5"), ("merge_requests", "5")),
        (job("branch", "feature", CI_MERGE_REQUEST_IID="5"), ("branches", "feature")),
        (job("branch", "refs/merge-requests/x/head"), ("branches", "refs/merge-requests/x/head")),
    ],
)
def test_kind_of_a_ref(sent: Job, found: tuple[str, str]) -> None:
    """The payload's ref and type say what it is; CI_COMMIT_REF_NAME is its name."""
    assert ref_kind(sent) == found


def test_one_tree_a_slot() -> None:
    """``source_path = "slot"``: the same path for every ref, kept also for tags; control stays apart."""
    branch = place_job(BUSINESS, 2, job(), "slot")
    tag = place_job(BUSINESS, 2, job("tag", "v1"), "slot")
    assert branch.source == tag.source == PROJECT / "source"
    assert tag.keep_source
    assert branch.control != tag.control


@pytest.mark.parametrize("ref", ["../../../etc", "/etc", "..", ".", "a/../../b", "x\0y", "-rf"])
def test_no_ref_leaves_the_project(ref: str) -> None:
    """Names come from whoever may push."""
    place = place_job(BUSINESS, 2, job(ref=ref))
    assert place.ref.parent == PROJECT / "branches"
    assert ".." not in place.control.parts


def test_feature_and_its_source_do_not_collide() -> None:
    """No slash is kept: ``feature`` and ``feature/source`` have folders side by side."""
    one, other = place_job(BUSINESS, 2, job(ref="feature")), place_job(BUSINESS, 2, job(ref="feature/source"))
    assert one.ref.parent == other.ref.parent
    assert one.ref != other.ref


@pytest.mark.parametrize(
    ("path", "segments"),
    [("group/sub/app", ["group", "sub", "app"]), ("//a//", ["a"]), ("/", ["project-7"])],
)
def test_segments_of_a_project(path: str, segments: list[str]) -> None:
    """One folder a segment; a project without a path is called by its id."""
    assert project_segments(job_of(path)) == segments


@pytest.mark.parametrize("name", ["branches", "Branches", "tags", "merge_requests", "source", "cache"])
def test_a_path_does_not_lead_into_another_projects_folders(name: str) -> None:
    """A group that takes a removed project's path may have projects of any name."""
    project = BUSINESS.project(2, job_of(f"group/app/{name}/main/source"))
    inside = project.relative_to(PROJECT).parts
    assert inside[0].startswith(f"{name}-")
    assert project_segments(job_of(f"tags/{name}")) == ["tags", name]


@pytest.mark.parametrize("full_path", ["group/app", ""])
def test_a_pipeline_does_not_choose_its_folders(full_path: str) -> None:
    """What .gitlab-ci.yml makes of GitLab's variables comes later in the payload, and counts for nothing."""
    own = {"CI_PROJECT_PATH": "victim/app", "CI_COMMIT_REF_NAME": "main", "CI_MERGE_REQUEST_IID": "1"}
    sent = decode_job(
        payload(
            git_info={"ref": "attack", "ref_type": "branch"},
            job_info={"project_id": 7, "project_full_path": full_path},
            variables=[
                variable("CI_COMMIT_REF_NAME", "attack"),
                *(variable(key, value) for key, value in own.items()),
            ],
        )
    )
    assert place_job(BUSINESS, 2, sent).source == PROJECT / "branches" / "attack" / "source"


def test_no_project_leaves_its_host() -> None:
    """A path with dots goes one level down a segment, never up."""
    project = BUSINESS.project(1, job_of("../../etc"))
    assert project.parent.parent == BUSINESS.slot(1) / "gitlab.example.com" / project.parts[-3]
    assert ".." not in project.parts


def test_caches_go_by_id_and_protection() -> None:
    """No project's name reaches another's cache, nor a branch the protected one."""
    protected = BUSINESS.project_cache(job(), True)
    assert protected == BUSINESS.cache / "projects" / "gitlab.example.com" / "7" / "protected"
    assert BUSINESS.project_cache(job(), False).name == "unprotected"
