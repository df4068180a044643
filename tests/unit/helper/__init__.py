"""Tests of pyrunner.helper."""
