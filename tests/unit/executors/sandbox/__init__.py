"""Tests of pyrunner.executors.sandbox."""
