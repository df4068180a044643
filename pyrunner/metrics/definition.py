"""What a metric is: its name, kind, labels and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: The labels of a runner: short token, name, id of this machine.
RUNNER: Final = ("runner", "runner_name", "system_id")


class Kind(StrEnum):
    """The types of the text format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    #: Count and sum, without quantiles.
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    :param buckets: upper bounds of a histogram, without the last, infinite one.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a metric at one moment; label values in the order of :attr:`Metric.labels`."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


def counter(name: str, labels: tuple[str, ...], text: str) -> Metric:
    """Return a metric that only grows."""
    return Metric(name, Kind.COUNTER, labels, text)


def gauge(name: str, labels: tuple[str, ...], text: str) -> Metric:
    """Return a metric that goes up and down."""
    return Metric(name, Kind.GAUGE, labels, text)


def histogram(name: str, labels: tuple[str, ...], text: str, *buckets: float) -> Metric:
    """Return a metric that sorts what it observes into buckets."""
    return Metric(name, Kind.HISTOGRAM, labels, text, buckets)


def summary(name: str, labels: tuple[str, ...], text: str) -> Metric:
    """Return a metric that counts and adds up what it observes."""
    return Metric(name, Kind.SUMMARY, labels, text)
