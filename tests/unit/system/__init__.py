"""Tests of pyrunner.system."""
