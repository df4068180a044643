"""The pages, by what the manager says of itself."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

from pyrunner.config.tables import MetricsAccess
from pyrunner.metrics import upstream
from pyrunner.metrics.definition import Sample
from pyrunner.metrics.endpoint import Endpoint
from pyrunner.metrics.listen import ListenAddress
from pyrunner.metrics.view import Ask, JobLine, LoopSilent, ManagerView


@contextmanager
def endpoint(ask: Ask) -> Iterator[Endpoint]:
    """Serve what ``ask`` returns."""
    made = Endpoint(ListenAddress("127.0.0.1", "0"), MetricsAccess(), "s_1")
    made.start(ask)
    try:
        yield made
    finally:
        made.close()


def get(made: Endpoint, path: str) -> tuple[int, dict[str, str], str]:
    """Return status, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1", made.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read().decode()
    finally:
        connection.close()


def silent(patience: float) -> ManagerView:
    """Stand for a loop that hangs."""
    raise LoopSilent(f"no answer within {patience:g} s")


def test_a_manager_at_work() -> None:
    """Every page of config-and-commands.md 4."""
    jobs = [JobLine("https://gl/g/p/-/jobs/7", "running", "step_script", "prepare", 2.0)]
    view = ManagerView("running", True, [Sample(upstream.CONCURRENT, (), 4)], jobs)
    with endpoint(lambda _: view) as made:
        status, headers, text = get(made, "/metrics")
        assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert "gitlab_runner_concurrent 4.0" in text
        assert 'gitlab_runner_process_state_info{state="running"} 1.0' in text
        assert 'name="gitlab-runner",os="linux",revision="HEAD",version="19.4.0"} 1.0' in text
        status, headers, text = get(made, "/debug/jobs/list")
        assert (status, headers["X-List-Version"], text) == (200, "2", f"{jobs[0]}\n")
        assert headers["Content-Type"].startswith("text/plain")
        assert get(made, "/debug/process/state")[2] == "running\n"
        assert get(made, "/health/ready")[::2] == (200, "ready\n")
        assert get(made, "/health/live")[0] == 200
        assert "thread MainThread" in get(made, "/debug/pprof/")[2]
        for path in ("/debug/pprof/profile", "/health", "/metrics/"):
            assert get(made, path)[0] == 404


def test_a_manager_that_is_not_ready() -> None:
    """It lives, but takes no jobs yet."""
    with endpoint(lambda _: ManagerView("starting", False)) as made:
        assert get(made, "/health/ready")[::2] == (503, "boot-verify pending\n")
        assert get(made, "/health/live")[0] == 200


def test_a_loop_that_hangs() -> None:
    """Whoever watches over the service learns of it; the stacks can still be seen."""
    with endpoint(silent) as made:
        for path in ("/health/live", "/health/ready", "/metrics", "/debug/jobs/list"):
            status, _, text = get(made, path)
            assert (status, text) == (503, "no answer within 8 s\n")
        assert get(made, "/debug/pprof/")[0] == 200
