"""A real Prometheus scrapes a working manager: rules and dashboard under packaging/ work on what it gets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.metrics import own, upstream
from tests.integration.test_metrics import Watched
from tests.support.prometheus import Prometheus
from tests.support.requirement import program

pytestmark = pytest.mark.integration

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
ALERTS = PACKAGING / "prometheus" / "alerts.yml"
DASHBOARD = PACKAGING / "grafana" / "pyrunner.json"


def expressions() -> Iterator[tuple[str, str]]:
    """Yield title and query of each of the dashboard's panels."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def expanded(query: str) -> str:
    """Return a query as Grafana sends it when all is chosen."""
    return query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$runner", ".*")


def test_rules_and_their_own_tests() -> None:
    """promtool finds nothing wrong, and each rule that has a test fires when it shall, and only then."""
    folder = PACKAGING / "prometheus"
    promtool = program("promtool", "prometheus", required_as="prometheus")
    for arguments in (
        ["check", "rules", "alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "alerts_test.yml"],
    ):
        done = subprocess.run([promtool, *arguments], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_only_metrics_that_exist() -> None:
    """Rules and panels name what is defined, histograms and summaries with their parts."""
    names = {one.name for one in (*upstream.ALL, *own.ALL)}
    parts = {f"{name}_{part}" for name in names for part in ("bucket", "sum", "count")}
    known = names | parts | {"process_resident_memory_bytes"}
    texts = [ALERTS.read_text(), *(query for _, query in expressions())]
    for text in texts:
        used = set(re.findall(r"\b(?:gitlab_runner|pyrunner|process)_[a-z0-9_]+", text))
        assert used <= known, used - known


def test_the_dashboard_is_whole() -> None:
    """Panels have ids of their own and do not lie on one another."""
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_a_manager_at_work(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """Scraped with the token; every rule and panel can be evaluated, and panels show what has happened."""
    token = tmp_path / "token"
    token.write_text("s3cret")
    access = f'[pyrunner.metrics]\ntoken_file = "{token}"\n'
    limits = {"disk_budget": "1TB", "min_free": "1MB"}
    runner = Watched(coordinator, tmp_path / "runner", access, tristan=limits)
    settings = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{ALERTS}"]
scrape_configs:
  - job_name: runner
    authorization: {{credentials_file: "{token}"}}
    static_configs: [{{targets: ["127.0.0.1:{runner.port}"]}}]
"""
    with runner, Prometheus(tmp_path / "prometheus", settings) as prometheus:
        runner.await_ready()
        cache = [{"key": "k", "paths": ["kept"], "policy": "pull-push", "when": "on_success"}]
        good = coordinator.enqueue(script=["mkdir kept; echo x > kept/f"], cache=cache)
        bad = coordinator.enqueue(script=["exit 3"])
        coordinator.wait_for(good, "success")
        coordinator.wait_for(bad, "failed")
        running = coordinator.enqueue(script=["echo begun", "sleep 300"])
        coordinator.wait_for_trace(running, b"begun\n")
        runner.until(lambda: prometheus.value('up{job="runner"}') == 1, "it is scraped")
        busy = 'sum(gitlab_runner_jobs{state="running",stage="step_script"})'
        runner.until(lambda: prometheus.value(busy) == 1, "the running job is seen")
        runner.until(
            lambda: prometheus.value("sum(gitlab_runner_failed_jobs_total)") == 1, "the failed job is seen"
        )
        # What the manager lets do by itself two minutes after its start.
        words = [sys.executable, "-m", "pyrunner", "gc", "--config", str(runner.config)]
        subprocess.run(words, capture_output=True, check=True)
        # A rate needs two samples.
        empty = {query for _, query in expressions()}

        def filled() -> bool:
            empty.difference_update({one for one in empty if prometheus.query(expanded(one))})
            return not empty

        try:
            runner.until(filled, "every panel shows something")
        except TimeoutError:
            assert not empty
        rules = prometheus.get("rules")["groups"][0]["rules"]
        runner.until(
            lambda: all(one["health"] == "ok" for one in prometheus.get("rules")["groups"][0]["rules"]),
            "all rules are evaluated",
        )
        assert [one["name"] for one in rules if one["state"] == "firing"] == []
        # Labels of ours are not taken for Prometheus's own.
        assert not prometheus.query('{__name__=~"gitlab_runner.*|pyrunner.*",exported_instance!=""}')
