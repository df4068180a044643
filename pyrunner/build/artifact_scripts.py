"""The scripts of download_artifacts and upload_artifacts (job-execution.md 8.2, 8.3, 8.6).

A failing command fails its stage. The job token goes to the helper as a variable of its own, never on a
command line.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pyrunner.build.context import BuildContext
from pyrunner.build.exports import export_variables
from pyrunner.build.helper_call import guarded
from pyrunner.protocol.job import ArtifactSpec, Dependency
from pyrunner.protocol.variables import Variable, VariableSet, parse_bool
from pyrunner.shells.bash import BashWriter
from pyrunner.shells.quoting import Assignment, Word
from pyrunner.system.durations import format_duration

_ON_SUCCESS: Final = ("", "on_success", "always")
_ON_FAILURE: Final = ("on_failure", "always")


def artifacts_to_download(context: BuildContext) -> list[Dependency]:
    """Return the dependencies that have an archive."""
    return [one for one in context.job.dependencies if one.artifacts_file.filename]


def artifacts_to_upload(context: BuildContext, success: bool) -> list[ArtifactSpec]:
    """Return the artifact entries that name anything and are uploaded after this outcome."""
    if not context.runner.url:
        return []
    wanted = _ON_SUCCESS if success else _ON_FAILURE
    named = [one for one in context.job.artifacts if one.paths or one.exclude or one.untracked]
    return [one for one in named if one.when in wanted]


def write_downloads(
    writer: BashWriter, context: BuildContext, variables: VariableSet, dependencies: list[Dependency]
) -> None:
    """Write the script that fetches the artifacts of ``dependencies`` in their order."""
    export_variables(writer, context, variables)
    writer.change_directory(context.project_dir)
    with guarded(writer, context, "Artifacts downloading") as helper:
        for one in dependencies:
            writer.notice(f"Downloading artifacts for {one.name} ({one.id})...")
            writer.command(*_token(one.token), *helper, "artifacts-downloader", *_job(context, one.id))


def write_uploads(
    writer: BashWriter, context: BuildContext, variables: VariableSet, artifacts: list[ArtifactSpec]
) -> None:
    """Write the script that uploads ``artifacts`` in their order; the first failure ends the stage."""
    export_variables(writer, context, variables)
    writer.change_directory(context.project_dir)
    for one in artifacts:
        with guarded(writer, context, "Uploading artifacts") as helper:
            writer.notice("Uploading artifacts...")
            writer.command(*_token(context.job.token), *helper, *_uploader(context, one))


def _uploader(context: BuildContext, artifact: ArtifactSpec) -> list[str]:
    limits = context.runner.artifact
    words = ["artifacts-uploader", *_job(context, context.job.id)]
    words += ["--timeout", format_duration(limits.effective_upload_timeout)]
    words += ["--response-header-timeout", format_duration(limits.effective_response_header_timeout)]
    words += _metadata(context, artifact)
    for path in artifact.paths:
        words += ["--path", path]
    for path in artifact.exclude:
        words += ["--exclude", path]
    if artifact.untracked:
        words.append("--untracked")
    for flag, value in (
        ("--name", artifact.name),
        ("--expire-in", artifact.expire_in),
        ("--artifact-format", artifact.artifact_format),
        ("--artifact-type", artifact.artifact_type),
    ):
        if value:
            words += [flag, value]
    return words


def _token(token: str) -> list[Word]:
    return [Assignment("CI_JOB_TOKEN", token)]


def _job(context: BuildContext, job_id: int) -> list[str]:
    return ["--url", context.runner.url, "--id", str(job_id)]


def _metadata(context: BuildContext, artifact: ArtifactSpec) -> list[str]:
    """Return the flags of the provenance statement, which is a file more in a zip archive (8.6)."""
    sent = VariableSet(Variable.from_payload(one) for one in context.job.variables)
    wanted = sent.get("RUNNER_GENERATE_ARTIFACTS_METADATA")
    if artifact.artifact_format != "zip" or not (parse_bool(wanted.lower()) or wanted == "1"):
        return []
    words = [
        "--generate-artifacts-metadata",
        "--runner-id", sent.value("CI_RUNNER_ID"),
        "--repo-url", _without_credentials(context.job.git_info.repo_url).removesuffix(".git"),
        "--repo-digest", context.job.git_info.sha,
        "--job-name", context.job.job_info.name,
        "--executor-name", context.runner.executor,
        "--runner-name", context.runner.name,
        "--started-at", _rfc3339(datetime.fromtimestamp(context.record.received_at, UTC)),
        "--ended-at", _rfc3339(datetime.now(UTC)),
        "--schema-version", sent.get("SLSA_PROVENANCE_SCHEMA_VERSION") or "unknown",
    ]  # fmt: skip
    for one in context.job.variables:
        words += ["--metadata-parameter", one.key]
    return words


def _without_credentials(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _rfc3339(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
