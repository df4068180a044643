"""Why a pipeline is made: the event, its commit, project and people, and the settings around it.

All that GitLab knows from its database, a local run has to say here (gitlab-ci-yml.md 5.4). Nothing is
read from git or the environment.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from pyrunner.protocol.variables import Variable

NO_COMMIT: Final = "0" * 40
_SKIP: Final = re.compile(r"\[(ci[ _-]skip|skip[ _-]ci)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit; ``message`` is the whole one, ``timestamp`` ISO 8601, ``author`` ``Name <email>``."""

    sha: str = NO_COMMIT
    before_sha: str = NO_COMMIT
    message: str = ""
    author: str = ""
    timestamp: str = ""
    #: Login of the author when the coordinator knows it.
    login: str = ""
    object_format: str = "sha1"

    @property
    def title(self) -> str:
        """The text up to the first line break."""
        return self.message.partition("\n")[0]

    @property
    def description(self) -> str:
        """What follows the title when that is short, else the whole message."""
        return self.message.partition("\n")[2] if len(self.title) < 100 else self.message

    @property
    def skips_ci(self) -> bool:
        """Tell whether the message asks for no pipeline (6.4)."""
        return _SKIP.search(self.message) is not None


@dataclass(frozen=True, slots=True)
class Project:
    """The project. ``id`` 0: derived from the path. An empty ``registry`` or ``pages_url``: not enabled."""

    path: str = "local/project"
    id: int = 0
    namespace_id: int = 0
    url: str = ""
    server_url: str = "http://localhost"
    server_version: str = "19.4.0"
    default_branch: str = "main"
    visibility: str = "private"
    title: str = ""
    description: str = ""
    config_path: str = ".gitlab-ci.yml"
    registry: str = ""
    pages_domain: str = ""
    pages_url: str = ""
    ssh_host: str = ""
    ssh_port: int = 22
    #: Seconds a job may take that does not say.
    timeout: int = 3600
    #: Whether caches of protected and other refs are kept apart.
    separate_caches: bool = True
    #: Raised by *clear runner caches*.
    cache_counter: int = 0
    allow_git_fetch: bool = True

    @property
    def number(self) -> int:
        """The id: a stable positive number made from the path when none is given."""
        return self.id or zlib.crc32(self.path.encode()) % 2_000_000_000 + 1

    @property
    def namespace_number(self) -> int:
        """The id of the namespace, likewise."""
        return self.namespace_id or zlib.crc32(self.namespace.encode()) % 2_000_000_000 + 1

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def namespace(self) -> str:
        """The path without the name."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class User:
    """Who started the pipeline."""

    login: str = "root"
    name: str = ""
    email: str = ""
    id: int = 1


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """The merge request of a ``merge_request_event``."""

    target_branch: str
    source_branch: str
    iid: int = 1
    id: int = 1
    title: str = ""
    description: str = ""
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    milestone: str = ""
    diff_base_sha: str = ""
    diff_id: str = ""
    draft: bool = False
    approved: bool | None = None
    squash_on_merge: bool | None = None
    source_protected: bool | None = None
    target_protected: bool | None = None

    @property
    def ref_path(self) -> str:
        """The ref that holds its head."""
        return f"refs/merge-requests/{self.iid}/head"


@dataclass(frozen=True, slots=True)
class Upstream:
    """The pipeline that triggered this one."""

    pipeline_id: int = 0
    project_id: int = 0
    job_id: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable of an instance, group or project, with what limits it (5.1 layer 10)."""

    variable: Variable
    protected: bool = False
    #: ``*`` stands for any text.
    environment_scope: str = "*"

    def applies_to(self, environment: str | None) -> bool:
        """Tell whether the scope covers an environment; None is a job without one."""
        if environment is None:
            return self.environment_scope == "*"
        parts = map(re.escape, self.environment_scope.split("*"))
        return re.fullmatch(".*".join(parts), environment) is not None


@dataclass(frozen=True, slots=True)
class Event:
    """What a pipeline is made for.

    A branch unless ``tag`` is set or there is a merge request; ``source`` is ``CI_PIPELINE_SOURCE``.

    :param protected: None: the default branch is protected, nothing else.
    :param created_at: ISO 8601.
    :param settings: layers of variables, each over the one before: instance, groups, project.
    :param pipeline_variables: manual, trigger token, API, upstream (5.1 layer 11).
    :param schedule_variables: those of a schedule (layer 12).
    :param depth: how many pipelines are above this one.
    """

    source: str = "push"
    ref: str = "main"
    tag: bool = False
    tag_message: str = ""
    protected: bool | None = None
    merge_request: MergeRequest | None = None
    commit: Commit = field(default_factory=Commit)
    project: Project = field(default_factory=Project)
    user: User = field(default_factory=User)
    pipeline_iid: int = 1
    created_at: str = ""
    settings: tuple[tuple[Setting, ...], ...] = ()
    pipeline_variables: tuple[Variable, ...] = ()
    schedule_variables: tuple[Variable, ...] = ()
    upstream: Upstream | None = None
    kubernetes_active: bool = False
    open_merge_requests: tuple[str, ...] = ()
    depth: int = 0

    @classmethod
    def for_merge_request(cls, request: MergeRequest, commit: Commit, project: Project, user: User) -> Event:
        """Return the event of a merge request; its previous commit is never known."""
        return cls(
            "merge_request_event",
            request.source_branch,
            merge_request=request,
            commit=replace(commit, before_sha=NO_COMMIT),
            project=project,
            user=user,
        )

    @property
    def kind(self) -> str:
        """``branch``, ``tag`` or ``merge request``."""
        return "merge request" if self.merge_request else "tag" if self.tag else "branch"

    @property
    def is_protected(self) -> bool:
        """Tell whether the ref is protected."""
        if self.protected is not None:
            return self.protected
        return self.kind == "branch" and self.ref == self.project.default_branch

    @property
    def git_ref(self) -> str:
        """``git_info.ref`` of the payload: a branch, a tag, or the ref of a merge request (7.1)."""
        return self.merge_request.ref_path if self.merge_request else self.ref

    def secrets(self, environment: str | None = None) -> list[Variable]:
        """Return the variables of layer 10 that a job sees; the more specific scope comes later."""
        found: list[Variable] = []
        for layer in self.settings:
            visible = [
                one
                for one in layer
                if (self.is_protected or not one.protected) and one.applies_to(environment)
            ]
            visible.sort(key=lambda one: len(one.environment_scope.replace("*", "")))
            found += [one.variable for one in visible]
        return found

    def child(self, upstream: Upstream, variables: Iterable[Variable]) -> Event:
        """Return the event of a child pipeline: same ref and commit, other variables (3.14)."""
        return replace(
            self,
            source="parent_pipeline",
            upstream=upstream,
            pipeline_variables=tuple(variables),
            schedule_variables=(),
            depth=self.depth + 1,
        )
