"""What was counted, and what is, as Prometheus text."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from pyrunner.metrics import own, upstream
from pyrunner.metrics.definition import Sample
from pyrunner.metrics.registry import Registry

R = ("AbCdEf123", "build-1", "s_1")


def values(text: bytes) -> dict[tuple[str, ...], float]:
    """Return name and label values → value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_counters_and_gauges() -> None:
    """Counters add up from the first 0, gauges show the last value, samples are of the moment."""
    registry = Registry()
    registry.prepare(upstream.QUEUING_EXCEEDED, *R)
    registry.add(upstream.JOBS_TOTAL, *R)
    registry.add(upstream.JOBS_TOTAL, *R, amount=2)
    registry.put(upstream.JOB_QUEUE_SIZE, 7, *R)
    text = registry.render([Sample(upstream.CONCURRENT, (), 4)])
    found = {name[0]: value for name, value in values(text).items()}
    assert found["gitlab_runner_acceptable_job_queuing_duration_exceeded_total"] == 0
    assert found["gitlab_runner_jobs_total"] == 3
    assert found["gitlab_runner_job_queue_size"] == 7
    assert found["gitlab_runner_concurrent"] == 4
    assert "gitlab_runner_concurrent" not in registry.render().decode()


def test_two_names_that_differ_by_total() -> None:
    """gitlab_runner_jobs and gitlab_runner_jobs_total are two metrics, which the library would not allow."""
    registry = Registry()
    registry.add(upstream.JOBS_TOTAL, *R)
    text = registry.render([Sample(upstream.JOBS, (*R, "running", "step_script", "prepare"), 1)]).decode()
    assert "# TYPE gitlab_runner_jobs gauge" in text
    assert "# TYPE gitlab_runner_jobs_total counter" in text


def test_bounds_as_go_writes_them() -> None:
    """`le="30"`, not `le="30.0"`: queries compare text. No series is about when another began."""
    registry = Registry()
    registry.observe(upstream.JOB_DURATION, 45.0, *R, "traditional")
    text = registry.render().decode()
    assert 'le="60"' in text
    assert 'le="+Inf"' in text
    assert '.0"' not in text
    assert "_created" not in text


def test_one_series_for_two_entries_of_a_runner() -> None:
    """Entries of one token and name share a series; gitlab-runner answers 500 instead (1.14)."""
    text = Registry().render(
        [
            Sample(upstream.FEEDS, R, 2),
            Sample(upstream.FEEDS, R, 3),
            Sample(upstream.LIMIT, R, 1),
            Sample(upstream.LIMIT, R, 1),
        ]
    )
    found = {name[0]: value for name, value in values(text).items()}
    assert (found["gitlab_runner_worker_feeds_total"], found["gitlab_runner_limit"]) == (5, 1)


def test_label_values_cannot_break_out() -> None:
    """A runner's name is any text."""
    registry = Registry()
    name = 'a"b\\c\nd 1'
    registry.add(own.RESUMED, "t", name, "s")
    [family] = [
        one
        for one in text_string_to_metric_families(registry.render().decode())
        if one.name == "pyrunner_jobs_resumed"
    ]
    assert [sample.labels["runner_name"] for sample in family.samples] == [name]
