"""The predefined variables that do not depend on the runner (gitlab-ci-yml.md 5.4, layers 3 to 5 and 8)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from pyrunner.ci.event import NO_COMMIT, Event, MergeRequest
from pyrunner.ci.matrix import Instance
from pyrunner.ci.slugs import group_name, slug
from pyrunner.protocol.variables import Variable

_LONGEST_MESSAGE = 100_000
_LONGEST_DESCRIPTION = 2700


def _public(pairs: Iterator[tuple[str, str]]) -> list[Variable]:
    return [Variable(key, value, public=True) for key, value in pairs]


def _flag(value: bool) -> str:
    return "true" if value else "false"


def project_variables(event: Event) -> list[Variable]:
    """Return layer 4: server and project."""
    return _public(_project(event))


def pipeline_variables(event: Event, name: str = "", *, early: bool = False) -> list[Variable]:
    """Return layer 5: pipeline, commit, merge request.

    :param name: the expanded ``workflow:name``.
    :param early: leave out what is not known before there is a pipeline (column *a*).
    """
    return _public(_pipeline(event, name, early))


def user_variables(event: Event) -> list[Variable]:
    """Return layer 8: who started the pipeline."""
    user = event.user
    return _public(
        iter(
            [
                ("GITLAB_USER_ID", str(user.id)),
                ("GITLAB_USER_EMAIL", user.email),
                ("GITLAB_USER_LOGIN", user.login),
                ("GITLAB_USER_NAME", user.name or user.login),
            ]
        )
    )


def job_variables(instance: Instance, stage: str, when: str = "") -> list[Variable]:
    """Return the part of layer 3 that names the job.

    :param when: ``manual`` and ``delayed`` set ``CI_JOB_MANUAL``.
    """
    pairs = [
        ("CI_JOB_NAME", instance.name),
        ("CI_JOB_NAME_SLUG", slug(instance.name)),
        ("CI_JOB_STAGE", stage),
        ("CI_JOB_GROUP_NAME", group_name(instance.name)),
    ]
    if when in ("manual", "delayed"):
        pairs.append(("CI_JOB_MANUAL", "true"))
    if instance.index:
        pairs.append(("CI_NODE_INDEX", str(instance.index)))
    pairs.append(("CI_NODE_TOTAL", str(instance.total)))
    return _public(iter(pairs))


def _project(event: Event) -> Iterator[tuple[str, str]]:
    project = event.project
    server = urlsplit(project.server_url)
    port = server.port or (443 if server.scheme == "https" else 80)
    yield "CI", "true"
    yield "GITLAB_CI", "true"
    yield "CI_SERVER_FQDN", server.netloc.rpartition("@")[2]
    yield "CI_SERVER_URL", project.server_url
    yield "CI_SERVER_HOST", server.hostname or ""
    yield "CI_SERVER_PORT", str(port)
    yield "CI_SERVER_PROTOCOL", server.scheme
    yield "CI_SERVER_SHELL_SSH_HOST", project.ssh_host or server.hostname or ""
    yield "CI_SERVER_SHELL_SSH_PORT", str(project.ssh_port)
    yield "CI_SERVER_NAME", "GitLab"
    yield "CI_SERVER_VERSION", project.server_version
    for part, value in zip(("MAJOR", "MINOR", "PATCH"), project.server_version.split("."), strict=False):
        yield f"CI_SERVER_VERSION_{part}", value
    yield "CI_SERVER_REVISION", ""
    yield "CI_PROJECT_ID", str(project.number)
    yield "CI_PROJECT_NAME", project.name
    yield "CI_PROJECT_TITLE", project.title or project.name
    yield "CI_PROJECT_DESCRIPTION", project.description
    yield "CI_PROJECT_PATH", project.path
    yield "CI_PROJECT_PATH_SLUG", slug(project.path)
    yield "CI_PROJECT_NAMESPACE", project.namespace
    yield "CI_PROJECT_NAMESPACE_SLUG", slug(project.namespace)
    yield "CI_PROJECT_NAMESPACE_ID", str(project.namespace_number)
    yield "CI_PROJECT_ROOT_NAMESPACE", project.path.partition("/")[0]
    yield "CI_PROJECT_URL", project.url or f"{project.server_url}/{project.path}"
    yield "CI_PROJECT_VISIBILITY", project.visibility
    yield "CI_PROJECT_REPOSITORY_LANGUAGES", ""
    yield "CI_PROJECT_CLASSIFICATION_LABEL", ""
    yield "CI_DEFAULT_BRANCH", project.default_branch
    yield "CI_CONFIG_PATH", project.config_path
    if project.pages_domain:
        yield "CI_PAGES_DOMAIN", project.pages_domain
    if project.pages_url:
        yield "CI_PAGES_URL", project.pages_url
    yield "CI_API_V4_URL", f"{project.server_url}/api/v4"
    yield "CI_API_GRAPHQL_URL", f"{project.server_url}/api/graphql"
    yield "CI_TEMPLATE_REGISTRY_HOST", "registry.gitlab.com"
    if project.registry:
        yield "CI_REGISTRY", project.registry
        yield "CI_REGISTRY_IMAGE", f"{project.registry}/{project.path.lower()}"


def _pipeline(event: Event, name: str, early: bool) -> Iterator[tuple[str, str]]:
    if not early:
        yield "CI_PIPELINE_IID", str(event.pipeline_iid)
    yield "CI_PIPELINE_SOURCE", event.source
    yield "CI_PIPELINE_CREATED_AT", event.created_at
    if name:
        yield "CI_PIPELINE_NAME", name
    project = event.project
    host = urlsplit(project.server_url).netloc.rpartition("@")[2]
    yield "CI_CONFIG_REF_URI", f"{host}/{project.path}//{project.config_path}@{_full_ref(event)}"
    yield from _commit(event)
    if event.open_merge_requests:
        yield "CI_OPEN_MERGE_REQUESTS", ",".join(event.open_merge_requests[:4])
    if event.merge_request:
        yield from _merge_request(event, event.merge_request)
    if event.upstream and not early:
        yield "CI_UPSTREAM_PIPELINE_ID", str(event.upstream.pipeline_id)
        yield "CI_UPSTREAM_PROJECT_ID", str(event.upstream.project_id)
        yield "CI_UPSTREAM_JOB_ID", str(event.upstream.job_id)


def _full_ref(event: Event) -> str:
    if event.merge_request:
        return event.merge_request.ref_path
    return f"refs/{'tags' if event.tag else 'heads'}/{event.ref}"


def _commit(event: Event) -> Iterator[tuple[str, str]]:
    commit = event.commit
    merge_request = event.merge_request is not None
    yield "CI_COMMIT_SHA", commit.sha
    yield "CI_COMMIT_SHORT_SHA", commit.sha[:8]
    yield "CI_COMMIT_BEFORE_SHA", NO_COMMIT if merge_request else commit.before_sha
    yield "CI_COMMIT_REF_NAME", event.ref
    yield "CI_COMMIT_REF_SLUG", slug(event.ref)
    if event.kind == "branch":
        yield "CI_COMMIT_BRANCH", event.ref
    elif event.kind == "tag":
        yield "CI_COMMIT_TAG", event.ref
        yield "CI_COMMIT_TAG_MESSAGE", event.tag_message
    encoded = commit.message.encode()
    cut = encoded[:_LONGEST_MESSAGE].decode(errors="ignore")
    yield "CI_COMMIT_MESSAGE", cut
    yield "CI_COMMIT_MESSAGE_IS_TRUNCATED", _flag(len(encoded) > _LONGEST_MESSAGE)
    yield "CI_COMMIT_TITLE", commit.title
    yield "CI_COMMIT_DESCRIPTION", commit.description
    yield "CI_COMMIT_REF_PROTECTED", _flag(event.is_protected)
    yield "CI_COMMIT_TIMESTAMP", commit.timestamp
    yield "CI_COMMIT_AUTHOR", commit.author
    yield "CI_COMMIT_USER_LOGIN", commit.login


def _merge_request(event: Event, request: MergeRequest) -> Iterator[tuple[str, str]]:
    project = event.project
    url = project.url or f"{project.server_url}/{project.path}"
    yield "CI_MERGE_REQUEST_ID", str(request.id)
    yield "CI_MERGE_REQUEST_IID", str(request.iid)
    yield "CI_MERGE_REQUEST_REF_PATH", request.ref_path
    for prefix in ("CI_MERGE_REQUEST_PROJECT", "CI_MERGE_REQUEST_SOURCE_PROJECT"):
        yield f"{prefix}_ID", str(project.number)
        yield f"{prefix}_PATH", project.path
        yield f"{prefix}_URL", url
    yield "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", request.target_branch
    yield "CI_MERGE_REQUEST_TARGET_BRANCH_SHA", ""
    yield "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", request.source_branch
    yield "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", ""
    yield "CI_MERGE_REQUEST_TITLE", request.title or event.commit.title
    yield "CI_MERGE_REQUEST_DESCRIPTION", request.description[:_LONGEST_DESCRIPTION]
    truncated = len(request.description) > _LONGEST_DESCRIPTION
    yield "CI_MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED", _flag(truncated)
    yield "CI_MERGE_REQUEST_EVENT_TYPE", "detached"
    yield "CI_MERGE_REQUEST_DIFF_BASE_SHA", request.diff_base_sha
    optional: dict[str, object] = {
        "DIFF_ID": request.diff_id,
        "LABELS": ",".join(request.labels),
        "MILESTONE": request.milestone,
        "ASSIGNEES": " and ".join(request.assignees),
        "DRAFT": _flag(request.draft),
        "APPROVED": None if request.approved is None else _flag(request.approved),
        "SQUASH_ON_MERGE": None if request.squash_on_merge is None else _flag(request.squash_on_merge),
        "SOURCE_BRANCH_PROTECTED": None
        if request.source_protected is None
        else _flag(request.source_protected),
        "TARGET_BRANCH_PROTECTED": None
        if request.target_protected is None
        else _flag(request.target_protected),
    }
    for key, value in optional.items():
        if value:
            yield f"CI_MERGE_REQUEST_{key}", str(value)
