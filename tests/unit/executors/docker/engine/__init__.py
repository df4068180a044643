"""Tests of pyrunner.executors.docker.engine."""
