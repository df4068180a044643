"""Holds the counts of this process and renders them, with a moment's samples, as Prometheus text."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, Summary
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pyrunner.metrics import own, upstream
from pyrunner.metrics.definition import Kind, Metric, Sample

#: Of what :meth:`Registry.render` returns.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_UNLIMITED: Final = 2**64 - 1


class Registry:
    """What happened is counted here as it happens, by any thread; what *is* comes with :meth:`render`."""

    def __init__(self, metrics: Iterable[Metric] = (*upstream.ALL, *own.ALL)) -> None:
        # gitlab-runner has no such series, and they would double the number of ours.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._metrics = tuple(metrics)
        self._counted: dict[Metric, Any] = {}
        self._process = ProcessCollector(registry=None)

    def add(self, metric: Metric, *labels: str, amount: float = 1.0) -> None:
        """Add to a counter; 0 makes the series appear."""
        self._child(metric, labels).inc(amount)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Put a value into a histogram or summary."""
        self._child(metric, labels).observe(value)

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._child(metric, labels).set(value)

    def prepare(self, metric: Metric, *labels: str) -> None:
        """Make a series appear with 0, so that the first event already is a step up."""
        self._child(metric, labels)

    def render(self, samples: Iterable[Sample] = ()) -> bytes:
        """Return everything as text.

        :param samples: gauges, and counters that are kept elsewhere.
        """
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(lambda: self._families(samples)))
        return bytes(prometheus_client.generate_latest(registry))

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        whole = self._counted.get(metric) or self._counted.setdefault(metric, _made(metric))
        return whole.labels(*labels) if metric.labels else whole

    def _families(self, samples: Iterable[Sample]) -> Iterator[Family]:
        by_metric: dict[Metric, dict[tuple[str, ...], float]] = {}
        for one in samples:
            values = by_metric.setdefault(one.metric, {})
            # Two entries of one token and name are one series: a second one would spoil the whole answer.
            former = values.get(one.labels, 0.0) if one.metric.kind is Kind.COUNTER else 0.0
            values[one.labels] = former + one.value
        for metric in self._metrics:
            counted = self._counted.get(metric)
            if counted is not None:
                yield from map(_as_go_writes, counted.collect())
            elif metric in by_metric:
                yield _family(metric, by_metric[metric])
            elif metric is upstream.VIRTUAL_MEMORY_MAX:
                yield _family(metric, {(): _address_space()})
            elif metric.kind is Kind.COUNTER and not metric.labels:
                yield _family(metric, {(): 0.0})
        yield from self._process.collect()


class _Families(Collector):
    """What the library asks for families; it names none beforehand, so that none is taken twice."""

    def __init__(self, collect: Callable[[], Iterable[Family]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Family]:
        """Return the families."""
        return self._collect()


def _made(metric: Metric) -> Any:
    if metric.kind is Kind.HISTOGRAM:
        return Histogram(metric.name, metric.help, metric.labels, registry=None, buckets=metric.buckets)
    kinds = {Kind.COUNTER: Counter, Kind.SUMMARY: Summary, Kind.GAUGE: Gauge}
    return kinds[metric.kind](metric.name, metric.help, metric.labels, registry=None)


def _as_go_writes(family: Family) -> Family:
    """Return the family with bounds such as ``30`` for ``30.0``: dashboards compare them as text."""
    for index, one in enumerate(family.samples):
        if bound := one.labels.get("le"):
            family.samples[index] = one._replace(labels={**one.labels, "le": bound.removesuffix(".0")})
    return family


def _family(metric: Metric, values: dict[tuple[str, ...], float]) -> Family:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _address_space() -> float:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float(_UNLIMITED if soft == resource.RLIM_INFINITY else soft)
