"""Tests of :mod:`pyrunner.metrics`."""
