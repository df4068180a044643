"""``artifacts`` and ``cache`` as a payload carries them (gitlab-ci-yml.md 3.11, 3.12, 7.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from pyrunner.ci.reports import COVERAGE_FORMATS, REPORTS, ReportType
from pyrunner.ci.repository import Repository
from pyrunner.ci.tree import Map, as_text, flatten

_PUBLISHED: Final = "public"


def artifact_entries(name: str, job: Map) -> list[dict[str, Any]] | None:
    """Return the ``artifacts`` of a payload; None for a job without any.

    :param name: the full name: a job named ``pages`` publishes without saying so.
    """
    written = job.get("artifacts")
    artifacts: dict[str, Any] = dict(written) if isinstance(written, Map) else {}
    publish = published_folder(name, job)
    if publish and publish not in (artifacts.get("paths") or []):
        artifacts["paths"] = [*(artifacts.get("paths") or []), publish]
    if not artifacts:
        return None
    entries = []
    if artifacts.get("paths") or artifacts.get("untracked"):
        entries.append(_archive(artifacts))
    expire_in = artifacts.get("expire_in")
    for kind, value in (artifacts.get("reports") or {}).items():
        if value is None:
            continue
        if kind == "coverage_report":
            kind, value = value["coverage_format"], value["path"]
        entries.append(_report(kind, value if isinstance(value, list) else [value], expire_in))
    return entries


def published_folder(name: str, job: Map) -> str:
    """Return the folder that a ``pages`` job publishes; empty for any other job."""
    pages = job.get("pages")
    if pages is False or (pages is None and name != "pages"):
        return ""
    chosen = pages.get("publish") if isinstance(pages, Map) else None
    return as_text(chosen or job.get("publish") or _PUBLISHED)


def _archive(artifacts: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "name": artifacts.get("name"),
        "untracked": artifacts.get("untracked"),
        "paths": artifacts.get("paths"),
        "when": artifacts.get("when"),
        "expire_in": artifacts.get("expire_in"),
        "artifact_type": "archive",
        "artifact_format": "zip",
    }
    if artifacts.get("exclude"):
        entry["exclude"] = artifacts["exclude"]
    return entry


def _report(kind: str, paths: list[str], expire_in: str | None) -> dict[str, Any]:
    known: ReportType = REPORTS.get(kind) or COVERAGE_FORMATS[kind]
    entry = {
        "artifact_type": kind,
        "artifact_format": known.format,
        "name": known.filename,
        "paths": paths,
        "when": "always",
    }
    return entry if expire_in is None else {**entry, "expire_in": expire_in}


def cache_entries(
    written: Any, repository: Repository, *, counter: int = 0, protected: bool | None = None
) -> list[dict[str, Any]]:
    """Return the ``cache`` of a payload, keys complete.

    :param counter: of the project, appended to keys when it is not 0.
    :param protected: whether the ref is; None: protected and other refs share their caches.
    """
    caches = flatten(written, 10) if isinstance(written, list) else [written]
    entries = []
    for index, cache in enumerate(one for one in caches or [] if isinstance(one, Map)):
        end = f"-{counter}" if counter else ""
        if protected is not None and cache.get("unprotect") is not True:
            end += "-protected" if protected else "-non_protected"
        entries.append(
            {
                "key": _key(cache.get("key"), index, repository) + end,
                "untracked": cache.get("untracked") is True,
                "paths": list(cache.get("paths") or []),
                "policy": cache.get("policy") or "pull-push",
                "when": cache.get("when") or "on_success",
                "fallback_keys": [f"{one}{end}" for one in cache.get("fallback_keys") or []],
            }
        )
    return entries


def _key(written: Any, index: int, repository: Repository) -> str:
    if not isinstance(written, Map):
        return as_text(written) or "default"
    commits = written.get("files") is None
    files: list[str] = written.get("files_commits" if commits else "files") or []
    hashed = _hash(files, repository.last_commit if commits else repository.blob_id)
    prefix = as_text(written.get("prefix"))
    if not prefix and commits:
        prefix = str(index)
    elif not prefix:
        prefix = f"{index}_" + "_".join(_stem(one) for one in files)
    return f"{prefix}-{hashed}"


def _stem(path: str) -> str:
    return path.partition(".")[0]


def _hash(files: list[str], identity: Callable[[str], str | None]) -> str:
    found = {one for one in map(identity, files) if one is not None}
    if not found:
        return "default"
    return hashlib.sha1("-".join(sorted(found)).encode(), usedforsecurity=False).hexdigest()
