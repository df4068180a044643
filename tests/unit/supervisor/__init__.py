"""Tests of pyrunner.supervisor."""
