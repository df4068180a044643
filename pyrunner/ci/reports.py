"""The types of ``artifacts:reports``: format and file name of each (runner-api.md 3.9)."""

from __future__ import annotations

from typing import Final, NamedTuple


class ReportType(NamedTuple):
    """How a report is uploaded: ``zip``, ``gzip`` or ``raw``, and under which name."""

    format: str
    filename: str


#: The values of ``coverage_report:coverage_format``, each a type of its own.
COVERAGE_FORMATS: Final[dict[str, ReportType]] = {
    "cobertura": ReportType("gzip", "cobertura-coverage.xml"),
    "jacoco": ReportType("gzip", "jacoco-coverage.xml"),
}

REPORTS: Final[dict[str, ReportType]] = {
    "junit": ReportType("gzip", "junit.xml"),
    "codequality": ReportType("raw", "gl-code-quality-report.json"),
    "sast": ReportType("raw", "gl-sast-report.json"),
    "secret_detection": ReportType("raw", "gl-secret-detection-report.json"),
    "dependency_scanning": ReportType("raw", "gl-dependency-scanning-report.json"),
    "container_scanning": ReportType("raw", "gl-container-scanning-report.json"),
    "cluster_image_scanning": ReportType("raw", "gl-cluster-image-scanning-report.json"),
    "dast": ReportType("raw", "gl-dast-report.json"),
    "license_scanning": ReportType("raw", "gl-license-scanning-report.json"),
    "performance": ReportType("raw", "performance.json"),
    "browser_performance": ReportType("raw", "browser-performance.json"),
    "load_performance": ReportType("raw", "load-performance.json"),
    "metrics": ReportType("gzip", "metrics.txt"),
    "lsif": ReportType("zip", "lsif.json"),
    "scip": ReportType("zip", "index.scip"),
    "dotenv": ReportType("gzip", ".env"),
    "terraform": ReportType("raw", "tfplan.json"),
    "accessibility": ReportType("raw", "gl-accessibility.json"),
    "coverage_fuzzing": ReportType("raw", "gl-coverage-fuzzing.json"),
    "api_fuzzing": ReportType("raw", "gl-api-fuzzing-report.json"),
    "requirements": ReportType("raw", "requirements.json"),
    "requirements_v2": ReportType("raw", "requirements_v2.json"),
    "cyclonedx": ReportType("gzip", "gl-sbom.cdx.json"),
    "annotations": ReportType("gzip", "gl-annotations.json"),
    "repository_xray": ReportType("gzip", "gl-repository-xray.json"),
    "sarif": ReportType("raw", "gl-sarif-report.sarif"),
}
