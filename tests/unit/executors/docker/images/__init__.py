"""Tests of pyrunner.executors.docker.images."""
