"""Tests of pyrunner.ci."""
