"""The variables that GitLab predefines for every job, as a payload carries them (runner-api.md 3.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

NO_COMMIT: Final = "0" * 40
_NOT_SLUG = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class Commit:
    """The commit a pipeline runs for; the defaults are those of a pipeline without a repository."""

    sha: str = NO_COMMIT
    before_sha: str = NO_COMMIT
    message: str = ""
    author: str = "pyrunner <pyrunner@localhost>"
    #: ISO 8601.
    timestamp: str = "1970-01-01T00:00:00+00:00"

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    @property
    def description(self) -> str:
        """The message without its title, as GitLab defines it for titles below 100 characters."""
        return self.message.partition("\n")[2].lstrip("\n")


@dataclass(frozen=True)
class JobFacts:
    """All that the predefined variables are computed from."""

    job_id: int
    token: str
    name: str = "test"
    stage: str = "test"
    server_url: str = "http://127.0.0.1"
    project_path: str = "group/project"
    project_id: int = 1
    pipeline_id: int = 1
    ref: str = "main"
    tag: bool = False
    default_branch: str = "main"
    protected: bool = False
    commit: Commit = field(default_factory=Commit)
    timeout: int = 3600
    image: str = ""
    user: str = "root"
    source: str = "push"
    runner_tags: tuple[str, ...] = ()


def slug(text: str) -> str:
    """Return ``CI_COMMIT_REF_SLUG`` of a ref name: lower case, 63 characters, no dash at either end."""
    return _NOT_SLUG.sub("-", text.lower())[:63].strip("-")


def predefined_variables(facts: JobFacts) -> list[dict[str, Any]]:
    """Return the variables in GitLab's order: pipeline, job, project, server, commit."""
    public = [
        *_job(facts),
        *_project(facts),
        *_server(facts),
        *_pipeline(facts),
        *_commit(facts),
    ]
    variables = [_variable(key, value) for key, value in public]
    secret = [
        ("CI_JOB_TOKEN", facts.token),
        ("CI_REGISTRY_PASSWORD", facts.token),
        ("CI_DEPENDENCY_PROXY_PASSWORD", facts.token),
    ]
    variables += [_variable(key, value, public=False, masked=True) for key, value in secret]
    names = [("CI_REGISTRY_USER", "gitlab-ci-token"), ("CI_DEPENDENCY_PROXY_USER", "gitlab-ci-token")]
    variables += [_variable(key, value) for key, value in names]
    return variables


def _variable(key: str, value: str, public: bool = True, masked: bool = False) -> dict[str, Any]:
    return {"key": key, "value": value, "public": public, "masked": masked}


def _job(facts: JobFacts) -> Iterator[tuple[str, str]]:
    url = f"{facts.server_url}/{facts.project_path}/-/jobs/{facts.job_id}"
    yield "CI_JOB_ID", str(facts.job_id)
    yield "CI_JOB_URL", url
    yield "CI_JOB_NAME", facts.name
    yield "CI_JOB_NAME_SLUG", slug(facts.name)
    yield "CI_JOB_STAGE", facts.stage
    yield "CI_JOB_GROUP_NAME", facts.name
    yield "CI_JOB_TIMEOUT", str(facts.timeout)
    yield "CI_JOB_STARTED_AT", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if facts.image:
        yield "CI_JOB_IMAGE", facts.image
    yield "CI_NODE_TOTAL", "1"
    yield "CI", "true"
    yield "GITLAB_CI", "true"


def _project(facts: JobFacts) -> Iterator[tuple[str, str]]:
    namespace, _, name = facts.project_path.rpartition("/")
    host = urlsplit(facts.server_url)
    yield "CI_PROJECT_ID", str(facts.project_id)
    yield "CI_PROJECT_NAME", name
    yield "CI_PROJECT_TITLE", name
    yield "CI_PROJECT_DESCRIPTION", ""
    yield "CI_PROJECT_PATH", facts.project_path
    yield "CI_PROJECT_PATH_SLUG", slug(facts.project_path)
    yield "CI_PROJECT_NAMESPACE", namespace
    yield "CI_PROJECT_NAMESPACE_ID", "1"
    yield "CI_PROJECT_ROOT_NAMESPACE", namespace.partition("/")[0]
    yield "CI_PROJECT_URL", f"{facts.server_url}/{facts.project_path}"
    yield "CI_PROJECT_VISIBILITY", "private"
    yield "CI_PROJECT_REPOSITORY_LANGUAGES", ""
    yield "CI_PROJECT_CLASSIFICATION_LABEL", ""
    yield "CI_DEFAULT_BRANCH", facts.default_branch
    yield "CI_CONFIG_PATH", ".gitlab-ci.yml"
    yield "CI_PAGES_DOMAIN", f"pages.{host.hostname}"
    yield "CI_PAGES_URL", f"{host.scheme}://{namespace.partition('/')[0]}.pages.{host.hostname}/{name}"
    yield "CI_API_V4_URL", f"{facts.server_url}/api/v4"
    yield "CI_API_GRAPHQL_URL", f"{facts.server_url}/api/graphql"
    yield "CI_TEMPLATE_REGISTRY_HOST", "registry.gitlab.com"
    yield "CI_REGISTRY", host.netloc
    yield "CI_REGISTRY_IMAGE", f"{host.netloc}/{facts.project_path.lower()}"
    yield "CI_DEPENDENCY_PROXY_SERVER", host.netloc
    prefix = f"{host.netloc}/{namespace.partition('/')[0].lower()}/dependency_proxy/containers"
    yield "CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX", prefix


def _server(facts: JobFacts) -> Iterator[tuple[str, str]]:
    host = urlsplit(facts.server_url)
    yield "CI_SERVER", "yes"
    yield "CI_SERVER_URL", facts.server_url
    yield "CI_SERVER_HOST", host.hostname or ""
    yield "CI_SERVER_FQDN", host.netloc
    yield "CI_SERVER_PORT", str(host.port or (443 if host.scheme == "https" else 80))
    yield "CI_SERVER_PROTOCOL", host.scheme
    yield "CI_SERVER_SHELL_SSH_HOST", host.hostname or ""
    yield "CI_SERVER_SHELL_SSH_PORT", "22"
    yield "CI_SERVER_NAME", "GitLab"
    yield "CI_SERVER_VERSION", "19.4.0"
    yield "CI_SERVER_VERSION_MAJOR", "19"
    yield "CI_SERVER_VERSION_MINOR", "4"
    yield "CI_SERVER_VERSION_PATCH", "0"
    yield "CI_SERVER_REVISION", "HEAD"
    yield "GITLAB_FEATURES", ""


def _pipeline(facts: JobFacts) -> Iterator[tuple[str, str]]:
    yield "CI_PIPELINE_ID", str(facts.pipeline_id)
    yield "CI_PIPELINE_IID", str(facts.pipeline_id)
    yield (
        "CI_PIPELINE_URL",
        f"{facts.server_url}/{facts.project_path}/-/pipelines/{facts.pipeline_id}",
    )
    yield "CI_PIPELINE_SOURCE", facts.source
    yield "CI_PIPELINE_CREATED_AT", facts.commit.timestamp
    yield "CI_PIPELINE_NAME", ""
    yield "GITLAB_USER_ID", "1"
    yield "GITLAB_USER_LOGIN", facts.user
    yield "GITLAB_USER_NAME", facts.user
    yield "GITLAB_USER_EMAIL", f"{facts.user}@localhost"


def _commit(facts: JobFacts) -> Iterator[tuple[str, str]]:
    commit = facts.commit
    yield "CI_COMMIT_SHA", commit.sha
    yield "CI_COMMIT_SHORT_SHA", commit.sha[:8]
    yield "CI_COMMIT_BEFORE_SHA", commit.before_sha
    yield "CI_COMMIT_REF_NAME", facts.ref
    yield "CI_COMMIT_REF_SLUG", slug(facts.ref)
    if facts.tag:
        yield "CI_COMMIT_TAG", facts.ref
        yield "CI_COMMIT_TAG_MESSAGE", ""
    else:
        yield "CI_COMMIT_BRANCH", facts.ref
    yield "CI_COMMIT_REF_PROTECTED", "true" if facts.protected else "false"
    yield "CI_COMMIT_MESSAGE", commit.message
    yield "CI_COMMIT_TITLE", commit.title
    yield "CI_COMMIT_DESCRIPTION", commit.description
    yield "CI_COMMIT_AUTHOR", commit.author
    yield "CI_COMMIT_TIMESTAMP", commit.timestamp
    # GitLab still sends the names from before 9.0.
    yield "CI_BUILD_ID", str(facts.job_id)
    yield "CI_BUILD_REF", commit.sha
    yield "CI_BUILD_NAME", facts.name
