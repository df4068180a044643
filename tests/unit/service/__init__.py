"""Tests of :mod:`pyrunner.service`."""
