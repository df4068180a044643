"""Which event a local run plays: from the working copy, and from what the user says instead (5.4)."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyrunner.ci.event import NO_COMMIT, Commit, Event, MergeRequest, Project, Setting, User
from pyrunner.errors import UsageError
from pyrunner.protocol.variables import Variable
from pyrunner.snapshot.files import changed_files
from pyrunner.snapshot.working_copy import WorkingCopy

#: Pipelines of these are for no change (3.3).
_NO_CHANGES = ("schedule", "web", "trigger", "api")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user says about the event.

    :param ref: a branch, or a commit; empty: what is checked out.
    :param tag: a tag; played for the working copy when there is none of that name.
    :param target: target branch of a merge request.
    :param source: ``CI_PIPELINE_SOURCE``.
    :param since: commit before the change.
    :param variables: those of the pipeline (5.1 layer 11).
    :param settings: those of the project (layer 10).
    """

    ref: str = ""
    tag: str = ""
    target: str = ""
    source: str = ""
    since: str = ""
    config_path: str = ".gitlab-ci.yml"
    iid: int = 1
    variables: Sequence[Variable] = ()
    settings: Sequence[Setting] = ()


@dataclass(frozen=True, slots=True)
class Played:
    """An event that can be played.

    :param revision: the commit whose files are used; empty: the working copy, uncommitted work included.
    :param changed: files that the event changed; None: unknown.
    :param basis: what they were found by, for people.
    """

    event: Event
    revision: str
    changed: Collection[str] | None
    basis: str


def play(copy: WorkingCopy, wanted: Wanted, previous: str = "") -> Played:
    """Return the event.

    :param previous: commit of the previous run of the same ref, if known.
    :raises UsageError: when the options contradict one another, or the branch cannot be told.
    """
    if sum(map(bool, (wanted.ref, wanted.tag, wanted.target))) > 1:
        raise UsageError("--ref, --tag and --mr name different events; give one of them")
    revision = _revision(copy, wanted)
    commit = copy.commit(revision or "HEAD") or Commit(object_format=copy.object_format)
    branch = wanted.tag or wanted.ref or copy.branch
    if not branch:
        raise UsageError("no branch is checked out, and several have this commit: say which with --ref")
    event = Event(
        source=wanted.source or "push",
        ref=branch,
        tag=bool(wanted.tag),
        tag_message=_tag_message(copy, wanted.tag),
        commit=commit,
        project=_project(copy, wanted.config_path),
        user=_user(copy),
        pipeline_iid=wanted.iid,
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        settings=(tuple(wanted.settings),),
        pipeline_variables=tuple(wanted.variables),
    )
    if wanted.target:
        return _merge_request(copy, wanted, event)
    return _with_changes(copy, wanted, event, revision, previous)


def _revision(copy: WorkingCopy, wanted: Wanted) -> str:
    if wanted.tag:
        return copy.resolve(f"refs/tags/{wanted.tag}")
    if wanted.ref and wanted.ref != copy.branch:
        return copy.resolve(f"refs/heads/{wanted.ref}", f"refs/remotes/origin/{wanted.ref}", wanted.ref)
    return ""


def _with_changes(copy: WorkingCopy, wanted: Wanted, event: Event, revision: str, previous: str) -> Played:
    before = copy.resolve(wanted.since) if wanted.since else ""
    if wanted.since and not before:
        raise UsageError(f"--since {wanted.since}: there is no such commit")
    sha = before or (previous if copy.resolve(previous) else "") or NO_COMMIT
    if not event.tag:
        event = replace(event, commit=replace(event.commit, before_sha=sha))
    if not before and (event.tag or event.source in _NO_CHANGES):
        return Played(event, revision, None, f"unknown for a {'tag' if event.tag else event.source}")
    base, basis = before, f"since {wanted.since}"
    if not base:
        base, basis = _upstream(copy, revision)
    if not base:
        return Played(event, revision, None, "unknown: no upstream branch; --since COMMIT tells it")
    return Played(event, revision, _changed(copy, base, revision), basis)


def _upstream(copy: WorkingCopy, revision: str) -> tuple[str, str]:
    """Return the merge base with the upstream branch, and how to call it; empty without one."""
    if not copy.head or revision:
        return "", ""
    name = copy.git.find("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")
    base = copy.git.find("merge-base", "HEAD", "@{upstream}") if name else None
    return (base, f"since {name}") if base else ("", "")


def _changed(copy: WorkingCopy, base: str, revision: str) -> list[str]:
    if revision:
        return copy.git.names("diff", "--name-only", "-z", "--no-renames", base, revision, "--")
    return changed_files(copy, base)


def _merge_request(copy: WorkingCopy, wanted: Wanted, event: Event) -> Played:
    target = copy.resolve(f"refs/heads/{wanted.target}", f"refs/remotes/origin/{wanted.target}")
    if not target:
        raise UsageError(f"--mr {wanted.target}: there is no such branch")
    base = copy.git.find("merge-base", target, "HEAD") or ""
    request = MergeRequest(wanted.target, event.ref, diff_base_sha=base)
    made = Event.for_merge_request(request, event.commit, event.project, event.user)
    made = replace(
        made,
        source=wanted.source or made.source,
        pipeline_iid=event.pipeline_iid,
        created_at=event.created_at,
        settings=event.settings,
        pipeline_variables=event.pipeline_variables,
    )
    return Played(made, "", changed_files(copy, base) if base else None, f"since {wanted.target}")


def _project(copy: WorkingCopy, config_path: str) -> Project:
    origin = copy.origin
    return Project(
        path=origin.path,
        server_url=origin.server_url or "http://localhost",
        default_branch=copy.default_branch,
        config_path=config_path,
    )


def _user(copy: WorkingCopy) -> User:
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # no entry in the user database
        login = "root"
    return User(login, copy.setting("user.name"), copy.setting("user.email"))


def _tag_message(copy: WorkingCopy, tag: str) -> str:
    if not tag:
        return ""
    template = "--format=%(if:equals=tag)%(objecttype)%(then)%(contents:subject)%0a%0a%(contents:body)%(end)"
    return (copy.git.find("for-each-ref", template, f"refs/tags/{tag}") or "").strip("\n")
