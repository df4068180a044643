"""Tests of pyrunner.executors."""
