"""Tests of pyrunner.executors.docker.stages."""
