"""Tests of pyrunner.executors.docker.services."""
