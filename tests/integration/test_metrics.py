"""The metrics server of a real manager: what it shows, whom it refuses, that it is there in time."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.certificates import make_certificates
from tests.support.prometheus import free_port
from tests.support.runner import RunnerProcess
from tests.unit.metrics.table import ONCE_THEY_HAPPEN, TABLE

pytestmark = pytest.mark.integration


class Watched(RunnerProcess):
    """A manager with a metrics server on a free port of loopback."""

    def __init__(
        self, coordinator: EmbeddedCoordinator, folder: Path, extra: str = "", **settings: Any
    ) -> None:
        self.port = free_port()
        self.extra = extra
        super().__init__(
            folder,
            coordinator.url,
            coordinator.add_runner(),
            global_settings={"listen_address": f"127.0.0.1:{self.port}"},
            **settings,
        )

    def write_config(self) -> None:
        """Write config.toml, with what only these tests have."""
        super().write_config()
        self.config.write_text(self.config.read_text() + self.extra)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return status and text of a page."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def await_ready(self) -> None:
        """Wait until the manager polls."""

        def ready() -> bool:
            try:
                return self.get("/health/ready") == (200, "ready\n")
            except OSError:
                return False

        self.until(ready, "the manager is ready")

    def series(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the samples of a name: label values but the runner's own → value."""
        own = {"runner", "runner_name", "system_id"}
        return {
            tuple(value for label, value in sorted(sample.labels.items()) if label not in own): sample.value
            for family in text_string_to_metric_families(self.get("/metrics")[1])
            for sample in family.samples
            if sample.name == name
        }


def test_names_types_and_labels(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """Every metric of gitlab-runner is there as it is there, and what is known at start from the start."""
    with Watched(coordinator, tmp_path) as runner:
        runner.await_ready()
        first = runner.get("/metrics")[1]
        good, bad = coordinator.enqueue(script=["true"]), coordinator.enqueue(script=["exit 3"])
        coordinator.wait_for(good, "success")
        coordinator.wait_for(bad, "failed")
        runner.until(lambda: len(runner.series("gitlab_runner_failed_jobs_total")) == 1, "both have ended")
        last = runner.get("/metrics")[1]
    high_cardinality = {"gitlab_runner_job_stage_duration_seconds"}
    assert TABLE.keys() - shown(first) <= ONCE_THEY_HAPPEN
    assert TABLE.keys() - shown(last) == high_cardinality
    for name, (kind, labels) in TABLE.items():
        if name not in high_cardinality:
            assert shown(last)[name] == (kind, set(labels.split())), name


def shown(text: str) -> dict[str, tuple[str, set[str]]]:
    """Return name → type and labels of what a scrape brought; what has no sample is not there."""
    found = {}
    for family in text_string_to_metric_families(text):
        # The parser takes the ending off, as the other format has it.
        name = family.name + ("_total" if family.type == "counter" else "")
        if family.samples:
            found[name] = (family.type, set(family.samples[0].labels) - {"le"})
    return found


def test_what_happens_is_counted(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """A running job, its end, its time and use; by reason when it fails."""
    with Watched(coordinator, tmp_path) as runner:
        job = coordinator.enqueue(script=["echo begun", "sleep 300"])
        coordinator.wait_for_trace(job, b"begun\n")
        running = runner.series("gitlab_runner_jobs")
        assert running["prepare", "step_script", "running"] == 1
        assert running["idle", "idle", "idle"] == 0
        _, text = runner.get("/debug/jobs/list")
        assert text.startswith(f"url={coordinator.url}/group/project/-/jobs/{job} state=running ")
        assert "stage=step_script executor_stage=prepare duration=" in text
        assert runner.get("/debug/process/state") == (200, "running\n")
        coordinator.cancel(job, graceful=False)
        runner.until(lambda: runner.get("/debug/jobs/list")[1] == "", "the job is over")
        assert runner.series("gitlab_runner_jobs_total")[()] == 1
        assert sum(runner.series("gitlab_runner_failed_jobs_total").values()) == 1
        assert runner.series("gitlab_runner_job_duration_seconds_count")["traditional",] == 1
        assert runner.series("pyrunner_job_stage_seconds_count")["step_script",] == 1
        assert runner.series("pyrunner_job_overhead_seconds_count")[()] == 1
        assert runner.series("pyrunner_job_cpu_seconds_total")["user",] > 0
        assert runner.series("pyrunner_disk_free_bytes")[()] > 0


def test_caches_are_counted(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """The first job misses and creates, the second hits and leaves it unchanged."""
    cache = [{"key": "k", "paths": ["kept"], "policy": "pull-push", "when": "on_success"}]
    with Watched(coordinator, tmp_path) as runner:
        for _ in range(2):
            job = coordinator.enqueue(
                script=["mkdir -p kept", "test -e kept/f || echo x > kept/f"], cache=cache
            )
            coordinator.wait_for(job, "success")
        wanted = {("hit",): 1.0, ("miss",): 1.0, ("created",): 1.0, ("unchanged",): 1.0}
        runner.until(lambda: runner.series("pyrunner_cache_requests_total") == wanted, "both are counted")
        assert runner.series("pyrunner_cache_bytes")[()] >= 0


def test_a_manager_that_takes_over(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """A job counts as taken by the first and as resumed by the second; a lost supervisor as restarted."""
    with Watched(coordinator, tmp_path) as runner:
        job = coordinator.enqueue(script=["echo begun", "sleep 300"])
        coordinator.wait_for_trace(job, b"begun\n")
        runner.kill()
        runner.supervisor(job).kill()
        runner.start()
        runner.await_ready()
        assert runner.series("gitlab_runner_jobs_total")[()] == 0
        assert runner.series("pyrunner_jobs_resumed_total")[()] == 1
        runner.until(lambda: runner.series("pyrunner_supervisor_restarts_total")[()] == 1, "it is restarted")


def test_a_manager_that_waits_for_its_jobs(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """A stop signal that waits for a job is no hanging: it lives, is ready, and says what it does."""
    with Watched(coordinator, tmp_path) as runner:
        job = coordinator.enqueue(script=["echo begun", "until test -e go; do sleep 0.1; done"])
        coordinator.wait_for_trace(job, b"begun\n")
        runner.signal(signal.SIGQUIT)
        runner.until(
            lambda: runner.get("/debug/process/state") == (200, "graceful-shutdown\n"), "it is stopping"
        )
        assert runner.get("/health/live")[0] == 200
        assert runner.get("/health/ready")[0] == 200
        project = runner.control(job).path.parent.parent / "source" / "project"
        (project / "go").touch()
        coordinator.wait_for(job, "success")
        assert runner.wait() == 0


def test_token_and_certificate(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """[pyrunner.metrics]: without the token health is all there is; over TLS with our certificate."""
    certificates = make_certificates(tmp_path / "certificates")
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    extra = (
        f'[pyrunner.metrics]\ntoken_file = "{token}"\n'
        f'certificate_file = "{certificates.server}"\ncertificate_key_file = "{certificates.server_key}"\n'
    )
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with Watched(coordinator, tmp_path, extra) as runner:

        def status(path: str, **headers: str) -> int:
            request = urllib.request.Request(f"https://127.0.0.1:{runner.port}{path}", headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                error.close()
                return error.code
            except OSError:
                return 0

        runner.until(lambda: status("/health/ready") == 200, "the manager is ready")
        assert status("/metrics") == 401
        assert status("/debug/jobs/list") == 401
        assert status("/metrics", Authorization="Bearer s3cret") == 200
        assert "s3cret" not in runner.log


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("localhost::1", "ERROR: invalid listen address: address localhost::1: too many colons in address"),
        ("", "listen_address not defined, metrics & debug endpoints disabled"),
    ],
)
def test_no_server(coordinator: EmbeddedCoordinator, tmp_path: Path, address: str, line: str) -> None:
    """A malformed address is an error line, none at all an information; the manager works without."""
    settings = {"listen_address": address}
    token = coordinator.add_runner()
    with RunnerProcess(tmp_path, coordinator.url, token, global_settings=settings) as runner:
        coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
        assert line in plain(runner.log)


def test_an_address_that_is_taken(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """Is fatal: whoever wants metrics does not want to find out later that there are none."""
    with Watched(coordinator, tmp_path / "1") as first:
        first.await_ready()
        token = coordinator.add_runner()
        second = RunnerProcess(tmp_path / "2", coordinator.url, token)
        second.arguments = ["--listen-address", f"127.0.0.1:{first.port}"]
        with second:
            assert second.wait() == 1
            assert "FATAL: Failed to create listener for metrics server" in plain(second.log)


def plain(log: str) -> str:
    """Return a log without colours."""
    return log.replace("\x1b[0;m", "").replace("\x1b[31;1m", "").replace("\x1b[0;33m", "")


def test_nobody_pays_for_what_he_does_not_want(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """Without an address neither the libraries are loaded nor does a thread serve anything."""
    loads = "import sys, pyrunner.manager.app; print(*{'prometheus_client', 'http.server'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner()) as runner:
        coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
        assert runner.process is not None
        names = {
            Path(f"/proc/{runner.process.pid}/task/{task}/comm").read_text().strip()
            for task in os.listdir(f"/proc/{runner.process.pid}/task")
        }
        assert "metrics" not in names
