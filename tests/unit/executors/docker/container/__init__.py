"""Tests of pyrunner.executors.docker.container."""
