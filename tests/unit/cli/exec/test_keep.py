"""What stays of a run; what a job has uploaded is hostile."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

from pyrunner.cli.exec.keep import keep_artifacts, keep_logs
from pyrunner.coordinator.records import Artifact, JobRecord, TraceFile
from tests.unit.cli.exec.test_output import job


def record(folder: Path, trace: bytes = b"", *artifacts: Artifact) -> JobRecord:
    """Return the record of job 7."""
    made = JobRecord(7, {}, "token", TraceFile(folder / "trace"))
    if trace:
        made.trace.append(trace)
    made.artifacts = {one.artifact_type: one for one in artifacts}
    return made


def artifact(folder: Path, kind: str, filename: str, data: bytes, form: str = "zip") -> Artifact:
    """Return an uploaded file."""
    path = folder / f"upload-{kind}"
    path.write_bytes(data)
    return Artifact(kind, form, filename, path, len(data), "0" * 64)


def test_logs(tmp_path: Path) -> None:
    """A log is plain text under the job's name; attempts are kept apart."""
    found = keep_logs(tmp_path, [job("a b")], {7: record(tmp_path, b"\x1b[31mred\x1b[0m\nend")})
    assert found[7].read_text() == "red\nend\n"
    assert found[7].parent == tmp_path / "logs"
    again = keep_logs(tmp_path, [job("a b", attempt=2)], {7: record(tmp_path, b"x\n")})
    assert again[7].name.endswith(".2.log")
    assert keep_logs(tmp_path, [job("silent", id=8)], {}) == {}


def test_artifacts(tmp_path: Path) -> None:
    """Archives are unpacked, reports decompressed, all in the job's folder; the uploads are remembered."""
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as made:
        made.writestr("out/x.txt", "x")
    archive = artifact(tmp_path, "archive", "artifacts.zip", (tmp_path / "made.zip").read_bytes())
    report = artifact(tmp_path, "junit", "junit.xml.gz", gzip.compress(b"<x/>"), "gzip")
    raw = artifact(tmp_path, "sast", "gl-sast-report.json", b"{}", "raw")
    records = {7: record(tmp_path, b"", archive, report, raw)}
    out = tmp_path / "out"
    remembered, complaints = keep_artifacts(tmp_path, [job("a")], records, [out])
    assert complaints == []
    assert (out / "a/out/x.txt").read_text() == "x"
    assert (out / "a/junit.xml").read_text() == "<x/>"
    assert (out / "a/gl-sast-report.json").read_text() == "{}"
    assert {one["type"] for one in remembered["a"]} == {"archive", "junit", "sast"}
    assert all((tmp_path / one["file"]).is_file() for one in remembered["a"])


def test_hostile_archives(tmp_path: Path) -> None:
    """Nothing is written outside the job's folder, not through a link either; other jobs go on."""
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as made:
        made.writestr("../../escaped", "x")
    bad = artifact(tmp_path, "archive", "artifacts.zip", (tmp_path / "bad.zip").read_bytes())
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as made:
        link = zipfile.ZipInfo("junit.xml")
        link.external_attr = 0o120777 << 16
        made.writestr(link, str(tmp_path / "victim"))
    other = tmp_path / "other"
    other.mkdir()
    linked = artifact(other, "archive", "artifacts.zip", (tmp_path / "link.zip").read_bytes())
    report = artifact(tmp_path, "junit", "../../junit.xml.gz", gzip.compress(b"<x/>"), "gzip")
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    _, complaints = keep_artifacts(tmp_path, [job("a")], {7: record(tmp_path, b"", bad)}, [out])
    assert len(complaints) == 1
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "deep" / "escaped").exists()
    keep_artifacts(tmp_path, [job("b")], {7: record(tmp_path, b"", linked, report)}, [out])
    assert not (tmp_path / "victim").exists()
    assert not (tmp_path / "junit.xml").exists()


def test_a_folder_that_is_a_link(tmp_path: Path) -> None:
    """A working copy can hold a link where a job's artifacts would go: it is not followed."""
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as made:
        made.writestr("authorized_keys", "x")
    archive = artifact(tmp_path, "archive", "artifacts.zip", (tmp_path / "made.zip").read_bytes())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").symlink_to(elsewhere)
    _, complaints = keep_artifacts(tmp_path, [job("a")], {7: record(tmp_path, b"", archive)}, [out])
    assert complaints == [f"a: artifacts.zip: {out / 'a'} is a link"]
    assert list(elsewhere.iterdir()) == []
