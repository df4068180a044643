"""Tests of pyrunner.executors.docker.storage."""
