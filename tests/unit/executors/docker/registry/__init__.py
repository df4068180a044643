"""Tests of pyrunner.executors.docker.registry."""
